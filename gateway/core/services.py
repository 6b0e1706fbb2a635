"""What the API gets of the core: one frozen dataclass, each member typed by a Protocol that the core's object fulfils.

Every method that names a thing takes `who` first and shows only what lies in its scope; it raises Denied where the
role does not suffice. Acts that change something are not here: they are Commands, given to `commands.execute`.
Methods without `async` read memory and return at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gateway.contract.home import ApiAnswer, ApiRequest
from gateway.contract.media import Streams
from gateway.core.facts import AdapterStatus, BusEvent, EndpointInfo, Health, Issued, Missed, ViewingInfo
from gateway.model.alarm import Alarm
from gateway.model.command import Action, Command, CommandResult
from gateway.model.device import Device, DeviceState, PendingDevice
from gateway.model.discovery import Find, SearchStatus
from gateway.model.doctor import Finding
from gateway.model.forward import KeptEvent, KeptFile, Uplink, WaitingFile
from gateway.model.ids import StreamId
from gateway.model.informant import Invitation, Report
from gateway.model.kit import Kit, KitLinks, LinkTrail, Thumbnail
from gateway.model.kit_state import FieldState, KitCondition
from gateway.model.link import Link
from gateway.model.media import Snapshot, StreamStatus
from gateway.model.mesh import MeshMark, MeshSnapshot
from gateway.model.pairing import PairedCenter, PairedKit, PairingOffer
from gateway.model.position import Position
from gateway.model.principal import Principal, Role
from gateway.model.ptz import Preset, PtzHolder
from gateway.model.source import ProgramInfo, PushStatus, SourceInfo, SourceTest
from gateway.model.telemetry import KitRecord
from gateway.model.texts import Arrived, CarrierState, TextIn, TextOut
from gateway.model.voice import CallStatus, GroupStatus, Spurt
from gateway.store.rows import Account, AuditHead, AuditRow, AuditVerdict, TokenInfo

if TYPE_CHECKING:
    from gateway.config.root import Config


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


class SubscriptionFace(Protocol):
    def __aiter__(self) -> AsyncIterator[BusEvent | Missed]: ...


class BusFace(Protocol):
    @property
    def cursor(self) -> int:
        """Of the newest event."""

    def subscribe(
        self, who: Principal, *, cursor: int | None = None, types: Sequence[str] = ()
    ) -> AbstractAsyncContextManager[SubscriptionFace]:
        """Events in `who`'s scope after `cursor` (None: from now on). A slow reader gets `Missed`, then goes on."""

    def publish(self, type_: str, subject: str, data: Any, *, gone: bool = False) -> None: ...


class CommandsFace(Protocol):
    async def execute(self, command: Command) -> CommandResult:
        """Carry it out; never raises GatewayError: the result says refused or failed, with code and detail."""


class AccountsFace(Protocol):
    async def sign_in(self, name: str, password: str, address: str) -> Issued:
        """Raises Denied: `bad-credentials`, `locked-out`; Busy when too many are being checked."""

    def verify(self, token: str, address: str = "", *, touch: bool = True) -> Principal | None:
        """Whom a bearer token speaks for, or None. With `touch` the idle time of a session begins anew."""

    async def sign_out(self, token: str) -> None: ...

    async def issue(
        self, who: Principal, *, name: str, role: Role, scope: str = "", ttl_s: float = 90 * 86400.0, note: str = ""
    ) -> Issued:
        """A token for a program; never with more rights than `who` (administrator and up)."""

    async def revoke(self, who: Principal, token_id: str) -> None: ...
    def tokens(self, who: Principal) -> Sequence[TokenInfo]: ...
    def accounts(self, who: Principal) -> Sequence[Account]: ...

    def mint_code(
        self, who: Principal, *, role: Role = Role.VIEWER, scope: str = "", ttl_s: float = 600.0, name: str = "link"
    ) -> str:
        """A one-time code for a printed link; kept in memory only, at most 64 at a time."""

    async def redeem(self, code: str, address: str) -> Issued:
        """Raises Denied (`bad-credentials`) for a code that is unknown, used or too old."""


class AuditFace(Protocol):
    async def record(
        self,
        who: Principal,
        act: str,
        target: str = "",
        *,
        outcome: str = "done",
        code: str = "",
        detail: str = "",
    ) -> None:
        """Durable when it returns. Raises GatewayError `disk-full`."""

    async def read(self, who: Principal, *, after: int = 0, limit: int = 500) -> Sequence[AuditRow]:
        """Auditor only; the reading itself is recorded. Ascending by number."""

    def export(self, who: Principal) -> AsyncIterator[AuditRow | AuditHead]:
        """Auditor only: every row, then the head. Recorded by the order that comes before it."""

    async def verify(self, who: Principal) -> AuditVerdict:
        """Auditor only: check the whole chain."""


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


class InvitationsFace(Protocol):
    async def invite(
        self, who: Principal, *, label: str, place: str = "", ttl_s: float = 86400.0, phones: int = 5
    ) -> tuple[Invitation, str]:
        """A new one and its secret, which is shown this once (operator and up)."""

    def invitations(self, who: Principal) -> Sequence[Invitation]: ...
    async def revoke(self, who: Principal, id_: str) -> None: ...


class InformantsFace(Protocol):
    @property
    def invitations(self) -> InvitationsFace: ...
    async def recent(
        self,
        who: Principal,
        *,
        device: str = "",
        before: float | None = None,
        limit: int = 200,
        positions: bool = True,
    ) -> Sequence[Report]:
        """Newest first; `positions` False: those that are a position and no more are left out."""

    async def file(self, who: Principal, id_: str) -> tuple[Report, Path]:
        """Of a whole report; looking at it is audited. Raises NotFound."""

    async def mark_seen(self, who: Principal, id_: str) -> Report: ...
    async def remove(self, who: Principal, id_: str) -> None: ...


class PtzFace(Protocol):
    def holder(self, stream: str) -> PtzHolder | None: ...
    async def presets(self, who: Principal, stream: str) -> Sequence[Preset]:
        """What the device told, with the names kept here; what was kept when it can not be asked."""


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


class FleetFace(Protocol):
    def kits(self, who: Principal) -> Sequence[Kit]:
        """At a center its kits; at a kit itself, with its centers."""

    def kit(self, who: Principal, gateway: str) -> Kit:
        """Raises NotFound, Denied."""

    async def link_trails(
        self, who: Principal, gateway: str, hours: float, points: int
    ) -> tuple[KitLinks, Sequence[LinkTrail]]:
        """How its links are and were, at most `points` entries each."""

    async def ask(self, who: Principal, gateway: str, request: ApiRequest) -> ApiAnswer:
        """A request to a kit's own API. Raises NotFound, Denied, LinkDown."""

    def picture(self, who: Principal, gateway: str) -> Thumbnail:
        """What a center really receives. Raises NotFound (`thumbnail-none`), Denied."""


class KitFace(Protocol):
    """The kit itself: its power, heat, disk, clock and place; and the field team's word."""

    @property
    def condition(self) -> KitCondition: ...
    @property
    def field(self) -> FieldState: ...
    def outward(self) -> Collection[str]:
        """Addresses of this machine that lead elsewhere: those of modems and satellite stations."""


class LinksFace(Protocol):
    """The ways northward of this gateway itself."""

    def links(self, who: Principal) -> Sequence[Link]: ...
    async def trails(self, who: Principal, hours: float, points: int) -> Sequence[LinkTrail]: ...


class MeshesFace(Protocol):
    def snapshots(self, who: Principal) -> Sequence[MeshSnapshot]: ...
    def marks(self, who: Principal, mesh: str, *, hours: float, most: int) -> Sequence[MeshMark]:
        """Moments of the history, oldest first. Raises NotFound, Denied."""

    def at(self, who: Principal, mesh: str, at: float) -> MeshSnapshot:
        """As it was then. Raises NotFound (`mesh-no-history`), Denied."""


class ForwardFace(Protocol):
    """Store and forward: at a kit what waits for its centers, at a center what kits sent."""

    def uplinks(self, who: Principal) -> Sequence[Uplink]: ...
    async def waiting_files(self, who: Principal) -> Sequence[WaitingFile]:
        """Operators and up."""

    async def leave(self, who: Principal, name: str) -> None:
        """Nothing is kept for that far side any more, and what waits is dropped (administrator). Raises NotFound."""

    async def events(
        self, who: Principal, *, gateway: str = "", after: int = 0, before: float | None = None, limit: int = 200
    ) -> Sequence[KeptEvent]:
        """Of kits, newest first."""

    async def files(
        self, who: Principal, *, gateway: str = "", before: float | None = None, limit: int = 200
    ) -> Sequence[KeptFile]:
        """Of kits, newest first."""

    async def file(self, who: Principal, gateway: str, id_: str) -> tuple[KeptFile, Path]:
        """Of a whole one; looking at it is audited. Raises NotFound."""


class PairingFace(Protocol):
    async def offer(
        self, who: Principal, *, role: Role = Role.OPERATOR, scope: str = "", center: str = ""
    ) -> tuple[PairingOffer, str]:
        """A code of this gateway for a center. Raises Denied, Busy."""

    def offered(self, who: Principal, id_: str) -> PairingOffer: ...
    async def renew_key(self, who: Principal) -> None:
        """Our key anew, told to our centers. Raises Denied."""

    async def accept(self, who: Principal, text: str) -> PairedCenter:
        """Raises RemoteProtocolError (`pair-code`), Denied (`pair-foreign`)."""

    async def admit(
        self, who: Principal, text: str, *, name: str = "", hosts: Sequence[str] = ()
    ) -> tuple[PairedKit, str]:
        """Raises RemoteProtocolError (`pair-code`), Unsupported (`pair-no-center`)."""

    def answer(self, id_: str) -> str:
        """Raises NotFound (`pair-waiting`)."""

    async def revoke_kit(self, who: Principal, gateway: str, detail: str = "") -> PairedKit: ...
    async def forget_kit(self, who: Principal, gateway: str) -> None: ...
    def centers(self, who: Principal) -> Sequence[PairedCenter]: ...
    async def forget_center(self, who: Principal, gateway: str) -> None: ...


class TextsFace(Protocol):
    """Short messages: operators and up; messages are personal."""

    def carriers(self, who: Principal) -> Sequence[CarrierState]: ...
    async def out(self, who: Principal, *, before: int | None = None, limit: int = 200) -> Sequence[TextOut]:
        """Newest first; `before` is a number."""

    async def came(self, who: Principal, *, before: int | None = None, limit: int = 200) -> Sequence[TextIn]: ...
    async def send(
        self,
        who: Principal,
        to: str,
        body: str,
        *,
        id_: str = "",
        urgent: bool = False,
        max_age_s: float | None = None,
        carrier: str = "",
    ) -> TextOut:
        """Raises RemoteProtocolError (`text-address`, `text-too-long`), Busy (`texts-full`)."""

    async def cancel(self, who: Principal, id_: str) -> TextOut:
        """Raises NotFound."""

    async def seen(self, who: Principal, id_: str) -> TextIn: ...
    async def arrived(self, who: Principal, text: Arrived, carrier: str) -> bool:
        """From a provider's program (technician and up); True when it was new. Durable."""

    async def records(self, who: Principal, gateway: str, limit: int) -> Sequence[KitRecord]:
        """What a kit told by short message, newest first. Raises NotFound, Denied."""


class RightsFace(Protocol):
    def allowed(self, who: Principal, action: Action, target: str = "") -> bool: ...


class MetricsFace(Protocol):
    def render(self) -> bytes:
        """Prometheus text exposition format 0.0.4."""


class DaemonFace(Protocol):
    def health(self) -> Health: ...
    def adapters(self) -> Sequence[AdapterStatus]: ...
    def findings(self) -> Sequence[Finding]:
        """What the running adapters find out about themselves."""

    async def reload(self, who: Principal) -> Sequence[str]:
        """Read the configuration again; what changed, in words. Raises ConfigError, the old one stays."""


@dataclass(frozen=True, slots=True)
class Services:
    """What `gateway.api` is built on."""

    gateway: str
    version: str
    config: Callable[[], Config]  # the configuration now in force
    directory: DirectoryFace
    streams: Streams
    snapshots: SnapshotsFace
    bus: BusFace
    commands: CommandsFace
    accounts: AccountsFace
    audit: AuditFace
    alarms: AlarmsFace
    positions: PositionsFace
    informants: InformantsFace
    ptz: PtzFace
    sources: SourcesFace
    discovery: DiscoveryFace
    sessions: SessionsFace
    talk: TalkFace
    rights: RightsFace
    metrics: MetricsFace
    daemon: DaemonFace
    fleet: FleetFace
    links: LinksFace
    forward: ForwardFace
    pairing: PairingFace
    kit: KitFace
    texts: TextsFace
    meshes: MeshesFace
    now: Callable[[], float]  # wall clock, unix seconds
    labels: Mapping[str, str] = field(default_factory=dict)
    by_bearer: Callable[[str, str], Principal | None] | None = None  # a program by its key, from an address
