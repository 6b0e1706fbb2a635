"""A device as an adapter presents it, in memory: what the core asked of it is written down."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.base.errors import GatewayError
from gateway.model.ptz import CruiseOp, LensMove, Preset, PresetOp, PtzMove


class FakeHandler:
    """Fulfils `contract.device.DeviceHandler`. `failing` is raised instead of answering; `hangs` never answers."""

    def __init__(self) -> None:
        self.moves: list[tuple[float, PtzMove]] = []
        self.lenses: list[LensMove] = []
        self.asked: list[str] = []
        self.failing: GatewayError | None = None
        self.hangs = False
        self.called = asyncio.Event()

    @property
    def stops(self) -> list[float]:
        return [at for at, move in self.moves if move.is_stop]

    async def _answer(self) -> None:
        self.called.set()
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.failing is not None:
            raise self.failing

    async def move(self, channel: str, move: PtzMove) -> None:
        self.moves.append((asyncio.get_running_loop().time(), move))
        await self._answer()

    async def lens(self, channel: str, move: LensMove) -> None:
        self.lenses.append(move)
        await self._answer()

    async def preset(self, channel: str, op: PresetOp, number: int, name: str) -> None:
        self.asked.append(f"preset {channel} {op} {number} {name}")
        await self._answer()

    async def presets(self, channel: str) -> Sequence[Preset]:
        await self._answer()
        return [Preset(1, "device's own"), Preset(2, "")]

    async def cruise(self, channel: str, op: CruiseOp, number: int) -> None:
        self.asked.append(f"cruise {channel} {op} {number}")
        await self._answer()

    async def key_frame(self, channel: str) -> None:
        self.asked.append(f"key-frame {channel}")
        await self._answer()

    async def refresh(self) -> None:
        self.asked.append("refresh")
        await self._answer()
