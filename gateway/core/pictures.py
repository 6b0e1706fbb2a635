"""The API's `picture`: how a camera makes its picture, asked of the camera, or of the kit that has it."""

from __future__ import annotations

from gateway.base.errors import Unsupported
from gateway.contract.device import SetsPicture
from gateway.core.devices import Devices
from gateway.core.far_ptz import FarPtz
from gateway.core.rights import require
from gateway.model.command import Action
from gateway.model.picture import PictureNow
from gateway.model.principal import Principal


class Pictures:
    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self.far: FarPtz | None = None
        """Who asks kits about their cameras."""

    async def now(self, who: Principal, stream: str) -> PictureNow:
        if self.far is not None and (kit := self.far.kit_of(stream)) is not None:
            require(who, Action.STREAM_OPEN, stream)
            return await self.far.picture(kit, who, stream)
        ref = self._devices.ref(stream)
        require(who, Action.STREAM_OPEN, str(ref))
        handler = self._devices.handler(ref.device_id)
        if not isinstance(handler, SetsPicture):
            raise Unsupported(f"{ref}: its image settings are not set from here", code="no-picture-setting")
        return await handler.picture_now(self._devices.channel(ref).external_id)
