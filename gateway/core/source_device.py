"""A source or a published name in the directory: a device that nobody has to admit, told of by its streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.base.errors import Unsupported
from gateway.contract.device import ChannelReport
from gateway.core.devices import Devices
from gateway.core.known_device import Hold
from gateway.model.device import DeviceState
from gateway.model.ids import DeviceId, StreamId, device_id, stream_id
from gateway.model.media import StreamState, StreamStatus
from gateway.model.ptz import CruiseOp, LensMove, Preset, PresetOp, PtzMove


class SourceDevice:
    """Raises ConfigError when another device has the name."""

    def __init__(self, devices: Devices, gateway: str, scheme: str, slug: str, name: str, code: str = "") -> None:
        """`code`: why it can not be opened now."""
        self._devices = devices
        self._slug = slug
        self._statuses: dict[StreamId, StreamStatus] = {}
        devices.declare(scheme, slug, slug, name)
        self.id: DeviceId = device_id(gateway, slug)
        self._hold: Hold = devices.attach(self.id, _Nothing())
        # While nobody has tried it, it may be opened: what the first attempt finds is told.
        if code:
            self._hold.state(DeviceState.OFFLINE, code)
        else:
            self._hold.state(DeviceState.ONLINE)

    def channels(self, titles: Mapping[str, str]) -> None:
        """Channel → what people read. These are all."""
        self._hold.channels([ChannelReport(key, title, key=key) for key, title in titles.items()])
        for stream in set(self._statuses) - {stream_id(self.id, key) for key in titles}:
            del self._statuses[stream]

    def describe(self, software: str) -> None:
        if software:
            self._hold.describe(model=software)

    def told(self, status: StreamStatus) -> None:
        """One of its streams changed."""
        self._statuses[status.id] = status
        states = {status.state for status in self._statuses.values()}
        newest = status
        if StreamState.LIVE in states:
            self._hold_state(DeviceState.ONLINE, "")
        elif StreamState.STALLED in states:
            self._hold_state(DeviceState.DEGRADED, "media-stopped")
        elif newest.state in (StreamState.WAITING, StreamState.OFFLINE):
            self._hold_state(DeviceState.OFFLINE, newest.code, newest.detail)
        elif newest.state is StreamState.IDLE and states == {StreamState.IDLE}:
            # Nobody looks: how it stands is what was last found.
            self._hold_state(*self._last())

    def openable(self, yes: bool, code: str) -> None:
        """Whether anybody could open it at all."""
        if not yes:
            self._hold_state(DeviceState.OFFLINE, code)
        elif (known := self._devices.known(self.id)) is not None and known.code == code:
            self._hold_state(DeviceState.ONLINE, "")

    def remove(self) -> None:
        self._devices.undeclare(self.id)

    def _last(self) -> tuple[DeviceState, str]:
        known = self._devices.known(self.id)
        if known is None or known.state is not DeviceState.OFFLINE:
            return DeviceState.ONLINE, ""
        return DeviceState.OFFLINE, known.code

    def _hold_state(self, state: DeviceState, code: str, detail: str = "") -> None:
        known = self._devices.known(self.id)
        if known is not None and (known.state, known.code) != (state, code):
            self._hold.state(state, code, detail)


class _Nothing:
    """Fulfils `contract.device.DeviceHandler` for what has a picture and nothing else."""

    async def move(self, channel: str, move: PtzMove) -> None:
        raise _no("be moved")

    async def lens(self, channel: str, move: LensMove) -> None:
        raise _no("be focused")

    async def preset(self, channel: str, op: PresetOp, number: int, name: str) -> None:
        raise _no("keep positions")

    async def presets(self, channel: str) -> Sequence[Preset]:
        return ()

    async def cruise(self, channel: str, op: CruiseOp, number: int) -> None:
        raise _no("cruise")

    async def key_frame(self, channel: str) -> None:
        """Its stream asks by itself."""

    async def refresh(self) -> None:
        """There is nothing more to know."""


def _no(what: str) -> Unsupported:
    return Unsupported(f"a source that is a URL, or is published, can not {what}")
