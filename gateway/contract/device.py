"""Devices as adapters present them to the core, and what the core asks of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from gateway.model.device import Capabilities, DeviceState
from gateway.model.ids import DeviceId
from gateway.model.picture import PictureNow, PictureSettings
from gateway.model.ptz import CruiseOp, LensMove, Preset, PresetOp, PtzMove, PtzPlace


@dataclass(frozen=True, slots=True)
class Admitted:
    """A device that may register. `password` is its own, or the kit's; never printed.

    `remembered` is what the adapter stored with `remember` (last address, charset, transport that worked); small
    JSON-able text, opaque to the core, kept over restarts.
    """

    id: DeviceId
    external_id: str
    name: str
    password: str
    remembered: str = ""
    user: str = ""  # where the device knows user names; "": what the adapter's configuration says

    def __repr__(self) -> str:
        return f"Admitted({self.id}, {self.external_id})"


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """A channel as the device told it. The core gives it its key (`ch1`, `ch2`, …), stable by `external_id`, unless
    `key` wishes for one (`main`, `sub`) that is still free."""

    external_id: str
    name: str
    online: bool = True
    parent: str = ""
    capabilities: Capabilities = field(default_factory=Capabilities)
    key: str = ""


class DeviceHandler(Protocol):
    """What the core asks of a device; implemented by the adapter, one per attached device. `channel` is the
    channel's external id. Each raises PeerError, LinkDown, Unsupported; none retries by itself."""

    async def move(self, channel: str, move: PtzMove) -> None: ...
    async def lens(self, channel: str, move: LensMove) -> None: ...
    async def preset(self, channel: str, op: PresetOp, number: int, name: str) -> None: ...
    async def presets(self, channel: str) -> Sequence[Preset]: ...
    async def cruise(self, channel: str, op: CruiseOp, number: int) -> None: ...
    async def key_frame(self, channel: str) -> None: ...
    async def refresh(self) -> None:
        """Ask for the catalogue and the device's description again."""


@runtime_checkable
class GoesToPlaces(Protocol):
    """A DeviceHandler that can be sent to a place: where a camera knows absolute moves and a home."""

    async def go(self, channel: str, place: PtzPlace | None) -> None:
        """None: its home position. Raises as the handler's other methods."""


@runtime_checkable
class SetsPicture(Protocol):
    """A DeviceHandler whose cameras let their image settings be set."""

    async def picture(self, channel: str, settings: PictureSettings) -> None:
        """Only what is set is changed. Raises as the handler's other methods; Unsupported (`no-picture-setting`) where
        one of them is not among what the camera can, and then nothing is changed."""

    async def picture_now(self, channel: str) -> PictureNow:
        """Asks the camera. Raises as the handler's other methods; Unsupported (`no-picture-setting`) where it has
        nothing to set."""


class AttachedDevice(Protocol):
    """The adapter's hold on one device of the directory while it is attached."""

    @property
    def id(self) -> DeviceId: ...

    def state(self, state: DeviceState, code: str = "", detail: str = "", *, address: str = "") -> None:
        """Online or not; streams of the device follow by themselves.

        ONLINE said again means that it registered anew: a stream of it that has stalled is opened again at once.
        """

    def describe(
        self,
        *,
        manufacturer: str = "",
        model: str = "",
        firmware: str = "",
        version: str = "",
        name: str = "",
    ) -> None:
        """What the device said of itself; empty fields leave what was known."""

    def channels(self, reports: Sequence[ChannelReport], *, complete: bool = True) -> dict[str, str]:
        """Replace (complete) or add to the device's channels; returns external id → channel key."""

    def channel_online(self, external_id: str, online: bool) -> None: ...

    def seen(self, address: str = "") -> None:
        """Any authenticated sign of life."""

    def remember(self, text: str) -> None:
        """Keep up to 4 KiB for the next start (see Admitted.remembered)."""

    def detach(self) -> None:
        """The adapter stops; the device stays in the directory as offline."""


class Devices(Protocol):
    def admitted(self, scheme: str, external_id: str) -> Admitted | None:
        """The device if it may register, else None. Reads memory, never the disk."""

    def declare(self, scheme: str, external_id: str, slug: str, name: str) -> Admitted:
        """A device that the configuration names (a radio channel): in the directory like any other, but nobody has to
        admit it, and it is not kept. Declaring it again is no error; raises ConfigError when another has the slug."""

    def all_admitted(self, scheme: str) -> Sequence[Admitted]: ...

    def knock(self, scheme: str, external_id: str, address: str, code: str, detail: str = "") -> None:
        """Somebody was refused: shown to the technician as pending (bounded, the oldest gives way)."""

    def attach(self, device: DeviceId, handler: DeviceHandler) -> AttachedDevice:
        """Take charge of an admitted device. A second attach of the same device replaces the first."""

    def on_admitted(self, scheme: str, called: Callable[[str, Admitted | None], None]) -> None:
        """`called(external_id, admitted)` runs on the loop when a device of `scheme` is admitted or changed, and with
        None when it is forgotten."""
