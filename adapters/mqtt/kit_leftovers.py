"""What a broker retains of devices that a kit has no more: it is looked for, and taken away.

A broker that takes us for the first time in this run of ours may have anything. One that takes us again has what we
told it, or an older copy of that: then there is no hurry, and it is asked later, as all kits come back at once. With
`spread` the brokers of the list are one cluster: what one of them has the others have.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from adapters.mqtt.address import Broker
from adapters.mqtt.connection import Connection
from adapters.mqtt.protocol.topics import Kind, Topic, filter_of_devices

SETTLE_S = 5.0
"""So long what a broker retains of our devices is listened to."""
LATER_S = 60.0
"""A broker that takes us again is asked within this time."""
CLUSTER_S = 600.0
"""And one of a cluster: its nodes have enough to do when one of them is gone."""
MOST = 1024


class Leftovers:
    """`known`: whether a device, by its name within the kit, is there. `cluster`: all brokers retain the same."""

    def __init__(self, gateway: str, known: Callable[[str], bool], *, cluster: bool = False) -> None:
        self._gateway = gateway
        self._cluster = cluster
        self._within_s = CLUSTER_S if cluster else LATER_S
        self._filter = filter_of_devices(gateway)
        self._known = known
        self._found: asyncio.Queue[str] = asyncio.Queue(MOST)
        self._chance = random.Random()
        self.looked: set[Broker] = set()
        """Brokers of our list that were looked through."""

    def filters(self, broker: Broker) -> Sequence[str]:
        """What is listened to from the first moment; nothing where we come back."""
        return () if self._looked(broker) else (self._filter,)

    def put(self, device: str) -> None:
        """It is retained, or was told before. What is beyond the bound is found when it is looked the next time."""
        if not self._known(device) and not self._found.full():
            self._found.put_nowait(device)

    async def run(self, connection: Connection) -> None:
        """While the connection stands. `filters` were subscribed."""
        loop, listening = asyncio.get_running_loop(), not self._looked(connection.broker)
        turn: float | None = loop.time() + (SETTLE_S if listening else self._chance.uniform(SETTLE_S, self._within_s))
        while True:
            try:
                async with asyncio.timeout_at(turn):
                    device = await self._found.get()
            except TimeoutError:
                if listening:
                    await connection.unsubscribe(self._filter)
                    self.looked.add(connection.broker)
                    turn = None
                else:
                    await connection.subscribe([self._filter], qos=0)
                    turn = loop.time() + SETTLE_S
                listening = not listening
                continue
            if not self._known(device):
                topic = str(Topic(self._gateway, Kind.DEVICE, device))
                await connection.publish(topic, b"", retain=True)

    def _looked(self, broker: Broker) -> bool:
        return broker in self.looked or (self._cluster and bool(self.looked))
