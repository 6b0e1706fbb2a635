"""Phones as devices of the directory: there while they give signs of life, with one channel for their picture."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.base.clock import Clock
from gateway.base.errors import Busy, ConfigError, Unsupported
from gateway.base.tasks import beat
from gateway.contract.device import AttachedDevice, ChannelReport
from gateway.core.devices import Devices
from gateway.model.device import DeviceState
from gateway.model.ids import DeviceId
from gateway.model.informant import Phone
from gateway.model.ptz import CruiseOp, LensMove, Preset, PresetOp, PtzMove

log = logging.getLogger(__name__)

SCHEME = "phone"
SILENT_S = 90.0
LOOK_EVERY_S = 15.0
MOST = 500
"""Phones shown at one time; the one that was silent longest gives way."""


class _NoControl:
    """A phone is held by a hand: nothing of it can be moved from here."""

    async def move(self, channel: str, move: PtzMove) -> None:
        raise Unsupported("a phone has no PTZ", code="no-ptz")

    async def lens(self, channel: str, move: LensMove) -> None:
        raise Unsupported("a phone has no PTZ", code="no-ptz")

    async def preset(self, channel: str, op: PresetOp, number: int, name: str) -> None:
        raise Unsupported("a phone has no PTZ", code="no-ptz")

    async def presets(self, channel: str) -> Sequence[Preset]:
        return []

    async def cruise(self, channel: str, op: CruiseOp, number: int) -> None:
        raise Unsupported("a phone has no PTZ", code="no-ptz")

    async def key_frame(self, channel: str) -> None:
        """WebRTC asks for its own."""

    async def refresh(self) -> None:
        """There is nothing to ask."""


@dataclass(frozen=True, slots=True)
class _Here:
    phone: Phone
    attached: AttachedDevice
    at: float  # monotonic


class Phones:
    def __init__(self, devices: Devices, clock: Clock, end_stream: Callable[[DeviceId], None]) -> None:
        self._devices = devices
        self._clock = clock
        self._end_stream = end_stream
        self._here: dict[DeviceId, _Here] = {}

    def here(self, phone: Phone) -> None:
        """It gave a sign of life."""
        held, now = self._here.pop(phone.device, None), self._clock.monotonic()
        slug = phone.device.partition("/")[2]
        if held is None or held.phone != phone:
            try:
                self._devices.declare(SCHEME, slug, slug, phone.name)
            except (ConfigError, Busy) as exc:
                log.warning("%s is not in the directory; its reports come all the same: %s", phone.device, exc)
                return
            attached: AttachedDevice = self._devices.attach(phone.device, _NoControl())
            attached.channels([ChannelReport("1", phone.place or phone.name)])
            attached.state(DeviceState.ONLINE)
        else:
            attached = held.attached
        attached.seen()
        self._here[phone.device] = _Here(phone, attached, now)  # the newest last
        while len(self._here) > MOST:
            self._gone(next(iter(self._here)))

    def away(self, devices: Sequence[DeviceId]) -> None:
        """Their invitation was revoked: their pictures end."""
        for device in devices:
            self._end_stream(device)
            self._gone(device)

    async def run(self) -> None:
        """Who is silent is away."""
        while True:
            await beat(LOOK_EVERY_S)
            self.look()

    def look(self) -> None:
        now = self._clock.monotonic()
        for device, held in list(self._here.items()):
            if now - held.at > SILENT_S:
                self._gone(device)

    def _gone(self, device: DeviceId) -> None:
        held = self._here.pop(device, None)
        if held is not None:
            held.attached.state(DeviceState.OFFLINE, "phone-away")
            held.attached.detach()
