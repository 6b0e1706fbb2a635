"""What the API gets of the core about devices, what they show and tell, and who talks.

The rules of `core.services` hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gateway.core.facts import EndpointInfo, ViewingInfo
from gateway.model.alarm import Alarm
from gateway.model.device import Device, DeviceState, PendingDevice
from gateway.model.discovery import Find, SearchStatus
from gateway.model.doctor import Finding
from gateway.model.ids import StreamId
from gateway.model.media import Snapshot, StreamStatus
from gateway.model.picture import PictureNow
from gateway.model.position import Position
from gateway.model.principal import Principal
from gateway.model.ptz import Preset, PtzHolder
from gateway.model.source import ProgramInfo, PushStatus, SourceInfo, SourceTest
from gateway.model.voice import CallStatus, GroupStatus, Spurt


class DirectoryFace(Protocol):
    def devices(
        self, who: Principal, text: str = "", *, state: DeviceState | None = None, scheme: str = ""
    ) -> Sequence[Device]:
        """Devices with their channels; `text` is looked for in names, ids, external ids and aliases."""

    def device(self, who: Principal, ref: str) -> Device:
        """By id, with or without the gateway part. Raises NotFound, Denied."""

    def pending(self, who: Principal) -> Sequence[PendingDevice]:
        """Who knocked (technician and up), newest first."""

    def streams(self, who: Principal, text: str = "") -> Sequence[StreamStatus]: ...
    def stream(self, who: Principal, ref: str) -> StreamStatus: ...


class AlarmsFace(Protocol):
    async def recent(
        self,
        who: Principal,
        *,
        device: str = "",
        open_only: bool = False,
        before: float | None = None,
        limit: int = 200,
    ) -> Sequence[Alarm]:
        """Newest first."""


class PositionsFace(Protocol):
    def latest(self, who: Principal) -> Sequence[Position]: ...
    async def trail(
        self, who: Principal, device: str, *, channel: str = "", since: float = 0.0, limit: int = 1000
    ) -> Sequence[Position]:
        """Thinned, oldest first. Looking at it is audited."""


class PtzFace(Protocol):
    def holder(self, stream: str) -> PtzHolder | None: ...
    async def presets(self, who: Principal, stream: str) -> Sequence[Preset]:
        """What the device told, with the names kept here; what was kept when it can not be asked."""


class PicturesFace(Protocol):
    async def now(self, who: Principal, stream: str) -> PictureNow:
        """Raises Unsupported (`no-picture-setting`), LinkDown, and what the camera answers."""


class DiscoveryFace(Protocol):
    """Technicians and up."""

    def status(self, who: Principal) -> SearchStatus: ...
    def finds(self, who: Principal) -> Sequence[Find]:
        """Of the search now under way, or the last one; text in them came from outside, made clean."""


class SourcesFace(Protocol):
    def sources(self, who: Principal) -> Sequence[SourceInfo]: ...
    def schemes(self, who: Principal) -> Sequence[str]:
        """Of URLs that can be opened now."""

    async def test(self, who: Principal, url: str) -> SourceTest:
        """Open it once, unseen (technician and up). Raises RemoteProtocolError (`bad-url`), Busy; that it does not
        answer is a result."""

    async def ask(self) -> Sequence[Finding]:
        """For the doctor: what comes of each source that nobody watches when it is opened once."""

    def pushes(self, who: Principal) -> Sequence[PushStatus]: ...
    def programs(self, who: Principal) -> Sequence[ProgramInfo]:
        """Technician and up."""

    async def renew_program(self, who: Principal, name: str) -> str:
        """A program's new password (administrator): the only time that it is seen."""


class SnapshotsFace(Protocol):
    async def take(
        self, stream: StreamId, who: Principal, *, height: int = 0, quality: int = 75, last: bool = False
    ) -> Snapshot:
        """See core.snapshots. Raises Denied, Busy, LinkDown."""


class SessionsFace(Protocol):
    def viewings(self, who: Principal) -> Sequence[ViewingInfo]: ...


class TalkFace(Protocol):
    def groups(self, who: Principal) -> Sequence[GroupStatus]: ...
    def group(self, who: Principal, ref: str) -> GroupStatus:
        """By id, short name or number. Raises NotFound, Denied."""

    async def spurts(
        self, who: Principal, ref: str, *, before: float | None = None, limit: int = 200
    ) -> Sequence[Spurt]:
        """Who spoke when, newest first."""

    def levels(self, who: Principal, ref: str) -> Mapping[str, float]:
        """Member → dBFS of what it says."""

    def endpoints(self, who: Principal) -> Sequence[EndpointInfo]: ...
    def calls(self, who: Principal) -> Sequence[CallStatus]:
        """Standing ones, then the last that ended (operator and up)."""
