"""This gateway as those who join it to others see it (uplink, mqtt): what there is to tell, and orders from there.

Every method takes `who`, a Principal of the far side with the rights that it has here, and shows only what lies in its
scope; `ALL` is for what the gateway tells of itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.model.command import Command, CommandResult
from gateway.model.device import Device
from gateway.model.ids import StreamId
from gateway.model.media import Snapshot, StreamStatus
from gateway.model.position import Position
from gateway.model.principal import Principal
from gateway.model.voice import GroupStatus, MemberKind


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the bus (`core.facts.BusEvent`). `type` "missed": some were lost, read the lists anew."""

    type: str
    subject: str = ""
    data: Any = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class VoiceEnd:
    """Something of this gateway that can be talked to."""

    id: str
    device: str
    title: str
    kind: MemberKind
    online: bool = True
    talks: bool = True
    listens: bool = True


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request to the API that came another way than by HTTPS. `path` without query."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Home(Protocol):
    @property
    def boot(self) -> int:
        """Counts the starts of this gateway, kept over them: who comes with a lower one is the past."""

    @property
    def about(self) -> Mapping[str, str]:
        """`name`, `role`, `version`, `adcode`."""

    @property
    def leaving(self) -> bool:
        """This gateway is being stopped: what goes now is there again after its next start."""

    def now(self) -> float:
        """Unix seconds of our clock."""

    def devices(self, who: Principal) -> Sequence[Device]: ...
    def streams(self, who: Principal) -> Sequence[StreamStatus]: ...
    def groups(self, who: Principal) -> Sequence[GroupStatus]: ...
    def voices(self, who: Principal) -> Sequence[VoiceEnd]: ...
    def positions(self, who: Principal) -> Sequence[Position]: ...

    def events(self, who: Principal, types: Sequence[str]) -> AbstractAsyncContextManager[AsyncIterator[Told]]:
        """What happens from now on, in `who`'s scope; bounded, a slow reader gets "missed" (see `core.facts`)."""

    async def execute(self, command: Command) -> CommandResult:
        """An order of a center. Never raises GatewayError: the result says refused or failed; what is no business of a
        center's (accounts, sources, calls) is `denied`, whoever asks."""

    async def snapshot(self, stream: StreamId, who: Principal, *, height: int = 0, quality: int = 75) -> Snapshot:
        """Raises Denied, Busy, LinkDown, NotFound."""

    async def glance(self, stream: StreamId, *, height: int = 0, quality: int = 75) -> Snapshot | None:
        """What is seen of a stream that is live anyway, without holding it open; None: it is not, or there is no
        picture yet. Raises Busy, LinkDown."""

    async def api(self, request: ApiRequest, who: Principal) -> ApiAnswer:
        """As if `who` had asked over HTTPS, within its rights. Raises nothing: errors are answers."""
