"""Presets: the device keeps where they are, we keep what people call them."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.base.errors import GatewayError
from gateway.core.devices import Devices
from gateway.core.far_ptz import FarPtz
from gateway.core.ptz import Ptz
from gateway.core.rights import require
from gateway.model.command import Action
from gateway.model.ids import ChannelRef
from gateway.model.principal import Principal
from gateway.model.ptz import Preset, PresetOp, PtzHolder
from gateway.store.orders import PresetRepo


class Presets:
    """The API's `ptz`: presets and holders to read."""

    def __init__(self, devices: Devices, ptz: Ptz, repo: PresetRepo) -> None:
        self._devices = devices
        self._ptz = ptz
        self._repo = repo
        self.far: FarPtz | None = None
        """Who asks kits about their cameras."""

    def holder(self, stream: str) -> PtzHolder | None:
        if self.far is not None and (kit := self.far.kit_of(stream)) is not None:
            return kit.holders.get(stream)
        return self._ptz.holder(stream)

    async def carry_out(self, ref: ChannelRef, op: PresetOp, number: int, name: str) -> None:
        row = self._devices.channel(ref)
        await self._devices.handler(ref.device_id).preset(row.external_id, op, number, name)
        if op is PresetOp.SET:
            await self._repo.put(ref.device_id, row.key, Preset(number, name))
        elif op is PresetOp.DELETE:
            await self._repo.remove(ref.device_id, row.key, number)

    async def presets(self, who: Principal, stream: str) -> Sequence[Preset]:
        """The device's list with our names; ours alone when the device can not tell or is not there."""
        if self.far is not None and (kit := self.far.kit_of(stream)) is not None:
            require(who, Action.STREAM_OPEN, stream)
            return await self.far.presets(kit, who, stream)
        ref = self._devices.ref(stream)
        require(who, Action.STREAM_OPEN, str(ref))
        row = self._devices.channel(ref)
        kept = {preset.number: preset for preset in await self._repo.all(ref.device_id, row.key)}
        try:
            told = await self._devices.handler(ref.device_id).presets(row.external_id)
        except GatewayError:
            return list(kept.values())
        ours = {number: preset.name for number, preset in kept.items() if preset.name}
        named = [Preset(p.number, ours.get(p.number, p.name)) for p in told]
        numbers = {p.number for p in named}
        return sorted([*named, *(p for p in kept.values() if p.number not in numbers)], key=lambda p: p.number)
