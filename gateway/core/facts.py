"""What the core hands to the API that is no thing of the field: events, notices, how parts stand, what was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.model.ids import DeviceId
from gateway.model.voice import MemberKind, MemberState, VoiceId
from gateway.store.rows import TokenInfo


@dataclass(frozen=True, slots=True)
class BusEvent:
    """One event of the bus. `type`: stream, device, pending, alarm, position, ptz, command, notice, adapter, talk,
    call, floor, endpoint, push, report, kit, link, links, outbox, condition, field, clock, mesh.

    `data` is a dataclass of gateway.model (or one of this file). `subject` is the id it speaks of, for scopes; "" for
    everybody. `gone` says that the thing named by `subject` is no more. `within`: the id that decides about scopes
    where it is not the subject; `only`: the one principal, by name, that it is for.
    """

    cursor: int
    type: str
    subject: str
    data: Any
    gone: bool = False
    within: str = ""
    only: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know that belongs to no device: disk full, clock jump, configuration refused."""

    code: str
    detail: str
    at: float
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class Missed:
    """Handed to a subscriber that fell behind or asked for a cursor that is no longer kept: read the lists anew."""

    events: int


@dataclass(frozen=True, slots=True)
class ViewingInfo:
    """One viewing now open."""

    id: str
    stream: str
    name: str
    session: str
    address: str
    kind: str
    since: float


@dataclass(frozen=True, slots=True)
class EndpointInfo:
    """Something that can be talked to, as an adapter offers it. `talks`: it is heard; `listens`: it is spoken to."""

    id: VoiceId
    device: DeviceId
    title: str
    kind: MemberKind
    state: MemberState
    online: bool
    code: str
    talks: bool
    listens: bool
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AdapterStatus:
    """How one adapter stands. `state`: starting, running, waiting (restart is timed), stopped, failed. One that runs
    with a `code` goes on without something."""

    name: str
    type: str
    state: str
    code: str = ""
    detail: str = ""
    since: float = 0.0
    restarts: int = 0
    retry_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """`ok` gates the watchdog. `parts`: "loop", "store", "media" and each adapter → "" or a reason code."""

    ok: bool
    parts: Mapping[str, str]
    ready: bool = True
    uptime_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Issued:
    """A token just made: the only time that its text is seen."""

    token: str
    info: TokenInfo

    def __repr__(self) -> str:
        return f"Issued({self.info.id}, {self.info.name})"
