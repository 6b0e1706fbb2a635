"""What the API gets of the core: one frozen dataclass, each member typed by a Protocol that the core's object fulfils.

Every method that names a thing takes `who` first and shows only what lies in its scope; it raises Denied where the
role does not suffice. Acts that change something are not here: they are Commands, given to `commands.execute`.
Methods without `async` read memory and return at once. The Protocols stand in `faces_*.py`, by what they are about.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gateway.contract.media import Streams
from gateway.core.faces_devices import (
    AlarmsFace,
    DirectoryFace,
    DiscoveryFace,
    PicturesFace,
    PositionsFace,
    PtzFace,
    SessionsFace,
    SnapshotsFace,
    SourcesFace,
    TalkFace,
)
from gateway.core.faces_north import FleetFace, ForwardFace, KitFace, LinksFace, MeshesFace, PairingFace, TextsFace
from gateway.core.faces_people import AccountsFace, AuditFace, InformantsFace, RightsFace
from gateway.core.facts import AdapterStatus, BusEvent, Health, Missed
from gateway.model.command import Command, CommandResult
from gateway.model.doctor import Finding
from gateway.model.principal import Principal

if TYPE_CHECKING:
    from gateway.config.root import Config


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


class FiguresFace(Protocol):
    async def fresh(self) -> None:
        """Returns when the live figures of streams and media plane are of the last second."""


class CommandsFace(Protocol):
    async def execute(self, command: Command) -> CommandResult:
        """Carry it out; never raises GatewayError: the result says refused or failed, with code and detail."""


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
    figures: FiguresFace
    snapshots: SnapshotsFace
    bus: BusFace
    commands: CommandsFace
    accounts: AccountsFace
    audit: AuditFace
    alarms: AlarmsFace
    positions: PositionsFace
    informants: InformantsFace
    ptz: PtzFace
    pictures: PicturesFace
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
