"""What the core asks of a device: moves, lenses, presets, cruises, key frames. `contract.device.DeviceHandler`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from adapters.gb28181.link import DeviceLink
from adapters.gb28181.protocol import orders, ptz
from adapters.gb28181.protocol.manscdp import PresetList
from adapters.gb28181.protocol.ptz import PtzBytes
from adapters.gb28181.quirks import key_frame_tag
from gateway.base.errors import GatewayError, LinkDown
from gateway.model.ptz import CruiseOp, LensMove, Preset, PresetOp, PtzMove


class DeviceControl:
    """Orders to one device. A stop is repeated over UDP, until a newer order for the same channel."""

    def __init__(self, link: DeviceLink, refresh: Callable[[], None]) -> None:
        self._link = link
        self._refresh = refresh
        self._latest: dict[str, int] = {}

    async def move(self, channel: str, move: PtzMove) -> None:
        await self._send(channel, ptz.move(move))

    async def lens(self, channel: str, move: LensMove) -> None:
        await self._send(channel, ptz.lens(move))

    async def preset(self, channel: str, op: PresetOp, number: int, name: str) -> None:
        await self._send(channel, ptz.preset(op, number), name if op is PresetOp.SET else "")

    async def presets(self, channel: str) -> Sequence[Preset]:
        link = self._link
        sn = link.next_sn()
        answer = await link.ask(channel, sn, orders.query("PresetQuery", sn, channel), PresetList)
        return [Preset(number, name) for number, name in answer.presets]

    async def cruise(self, channel: str, op: CruiseOp, number: int) -> None:
        await self._send(channel, ptz.cruise(op, number))

    async def home(self, channel: str, *, enabled: bool, preset: int = 1, reset_s: int = 60) -> None:
        """The place a camera goes back to by itself after `reset_s` without an order. 2022 A.2.3.1.10."""
        link = self._link
        text = orders.home_position(link.next_sn(), channel, enabled=enabled, preset=preset, reset_s=reset_s)
        await link.tell(channel, text)

    async def key_frame(self, channel: str) -> None:
        link = self._link
        tag = key_frame_tag(link.quirks, link.memory.version)
        await link.tell(channel, orders.key_frame(link.next_sn(), channel, tag))

    async def refresh(self) -> None:
        if not self._link.alive:
            raise LinkDown(f"{self._link} is not registered", code="device-offline")
        self._refresh()

    async def _send(self, channel: str, command: PtzBytes, name: str = "") -> None:
        link = self._link
        turn = self._latest[channel] = self._latest.get(channel, 0) + 1
        try:
            await link.tell(channel, orders.ptz(link.next_sn(), channel, command, name=name))
        finally:
            # Also after an error: it is then that a camera may be turning still.
            if command in (ptz.STOP, ptz.LENS_STOP) and link.hop is not None and not link.hop.reliable:
                link.crew.start(self._repeat_stop(channel, command, turn), "repeated stop")

    async def _repeat_stop(self, channel: str, command: PtzBytes, turn: int) -> None:
        """A message is repeated by SIP until answered, but answered is not carried out: some devices drop orders that
        come while they turn. So the same stop goes out again as a new message."""
        before = ptz.STOP_REPEATS_S[0]
        for at in ptz.STOP_REPEATS_S[1:]:
            await asyncio.sleep(at - before)
            before = at
            if self._latest.get(channel) != turn:
                return
            try:
                await self._link.tell(channel, orders.ptz(self._link.next_sn(), channel, command))
            except GatewayError:
                continue
