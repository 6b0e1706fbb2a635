"""What a kit tells of its devices: all of it to a broker that takes it for the first time; after that what changes.

A broker that was killed may have lost what it retained; centers have not, each holds what it heard. So who comes back
tells at once only what somebody may have missed: what changed meanwhile, what the broker had not acknowledged, and what
it acknowledged in the last half minute. The rest is for whoever begins to listen later, and is told again within a
minute, within ten to a cluster, as three thousand kits come back at the same moment. A center that was started anew
holds nothing: when one is heard before that, all is told.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from adapters.mqtt.connection import Connection
from adapters.mqtt.facts import KitFacts
from adapters.mqtt.kit_doubts import Doubts
from adapters.mqtt.protocol import messages
from adapters.mqtt.protocol.rotation import PACE
from adapters.mqtt.protocol.tally import Tally
from adapters.mqtt.protocol.topics import Kind, Topic
from gateway.base.clock import Clock
from gateway.model.device import Device

TOGETHER, TOGETHER_BYTES = 16, 16_384
"""Devices that are told before the broker's answer is awaited: a thin link must not be stuffed."""
KEPT_BYTES = 2048
"""Of a message that is kept; a recorder's may have half a megabyte."""
SETTLED_S = 30.0
"""What was acknowledged so long ago has come to every center that listened."""
SOON_S, LATER_S = 5.0, 60.0
"""When the rest is told again."""
CLUSTER_S = 600.0
"""And by when to a cluster: what one node retained the others have, and each message is work for all that are left."""


class KitDevices:
    """`left_over`: a device, by its name within the kit, is no more. `crowd`: how many kits come back with us.
    `cluster`: all brokers retain the same. `doubts`: what they took late."""

    def __init__(
        self,
        facts: KitFacts,
        clock: Clock,
        left_over: Callable[[str], None],
        crowd: Callable[[], int],
        *,
        cluster: bool = False,
        doubts: Doubts | None = None,
    ) -> None:
        self._doubts = doubts or Doubts(cluster=cluster)
        self._within_s = CLUSTER_S if cluster else LATER_S
        self._facts = facts
        self._clock = clock
        self._left_over = left_over
        self._crowd = crowd
        self._chance = random.Random()
        self.tally = Tally()
        self._sure: dict[str, float] = {}
        self._made: dict[str, tuple[Device, bytes]] = {}
        self._whole = False
        self._anew = asyncio.Event()
        self._telling = asyncio.Lock()

    def known(self, name: str) -> bool:
        return f"{self._facts.gateway}/{name}" in self.tally

    def center_anew(self) -> None:
        """A center is heard that was not there before, or was started anew since."""
        if not self._whole:
            self._anew.set()

    async def came(self, connection: Connection, *, back: bool) -> None:
        """`back`: the broker, or one of its cluster, took us before in this run. Raises LinkDown, PeerError."""
        self._whole = False
        await self._say(connection, unheard=back)

    async def later(self, connection: Connection) -> None:
        """The rest, where `came` left some. Raises LinkDown, PeerError."""
        if self._whole:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._chance.uniform(SOON_S, self._within_s)):
                await self._anew.wait()
                await asyncio.sleep(self._chance.uniform(0.0, self._crowd() / PACE))
        await self.say_all(connection)

    async def say_all(self, connection: Connection) -> None:
        await self._say(connection, unheard=False)

    async def again(self, connection: Connection, names: Collection[str]) -> None:
        """Those of them that are there."""
        async with self._telling:
            devices = [device for device in self._facts.devices() if device.id in names]
            for start in range(0, len(devices), TOGETHER):
                some = devices[start : start + TOGETHER]
                await self._tell(connection, [(device.id, self._bytes(device)) for device in some])

    async def changed(self, connection: Connection, device: Device) -> None:
        async with self._telling:
            await self._tell(connection, [(device.id, self._bytes(device))])

    async def gone(self, connection: Connection, device: str) -> None:
        async with self._telling:
            self._drop(device)
            await connection.publish(str(self._topic(device)), b"", retain=True)

    # — within —

    async def _say(self, connection: Connection, *, unheard: bool) -> None:
        """One after the other: what was looked at before must not be told after what changed since."""
        async with self._telling:
            devices = self._facts.devices()
            now = {device.id for device in devices}
            for lost in [known for known in self.tally if known not in now]:
                self._drop(lost)
                self._left_over(lost.partition("/")[2])
            waiting: list[tuple[str, bytes]] = []
            size = 0
            for device in devices:
                told = self._bytes(device)
                if unheard and self._heard(device.id, told):
                    continue
                if waiting and (len(waiting) >= TOGETHER or size > TOGETHER_BYTES):
                    await self._tell(connection, waiting)
                    waiting, size = [], 0
                waiting.append((device.id, told))
                size += len(told)
            await self._tell(connection, waiting)
            if not unheard:
                self._whole = True
                self._anew.clear()

    async def _tell(self, connection: Connection, devices: Iterable[tuple[str, bytes]]) -> None:
        devices = list(devices)
        for device, told in devices:
            self.tally.put(device, told)
            self._sure.pop(device, None)
        if not devices:
            return
        began = self._clock.monotonic()
        await connection.retain_all([(str(self._topic(device)), told) for device, told in devices])
        now, names = self._clock.monotonic(), [device for device, _ in devices]
        if self._doubts.took(names, now - began):
            self._sure.update(dict.fromkeys(names, now))

    def _heard(self, device: str, told: bytes) -> bool:
        sure = self._sure.get(device)
        return sure is not None and self._clock.monotonic() - sure >= SETTLED_S and self.tally.has(device, told)

    def _bytes(self, device: Device) -> bytes:
        """Kept, as all of them are looked at with each return; large ones are made anew."""
        before = self._made.get(device.id)
        if before is not None and before[0] == device:
            return before[1]
        told = messages.device_bytes(device)
        if len(told) <= KEPT_BYTES:
            self._made[device.id] = device, told
        else:
            self._made.pop(device.id, None)
        return told

    def _drop(self, device: str) -> None:
        self.tally.drop(device)
        self._made.pop(device, None)
        self._sure.pop(device, None)

    def _topic(self, device: str) -> Topic:
        return Topic(self._facts.gateway, Kind.DEVICE, device.partition("/")[2])
