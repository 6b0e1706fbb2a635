"""Where pictures come from and go to, as people see it: sources, programs, outputs. No text here holds a secret."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.model.media import Track


class SourceOrigin(StrEnum):
    CONFIG = "config"  # it stands in the file, and is changed there
    PERSON = "person"  # somebody added it, and may remove it


@dataclass(frozen=True, slots=True)
class SourceChannel:
    """One picture of a source. `url` is without credentials; state and reason are its stream's."""

    channel: str
    stream: str
    url: str
    scheme: str
    state: str
    code: str = ""
    detail: str = ""
    since: float = 0.0
    retry_in_s: float | None = None
    viewers: int = 0


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """A source. `code` says why it is not offered at all; empty when it is."""

    name: str
    title: str
    origin: SourceOrigin
    on_demand: bool
    channels: tuple[SourceChannel, ...]
    added_by: str = ""
    added_at: float = 0.0
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SourceTest:
    """What came of trying a URL: a picture within so many seconds, or the reason why not."""

    ok: bool
    url: str
    scheme: str
    code: str = ""
    detail: str = ""
    took_s: float = 0.0
    tracks: tuple[Track, ...] = ()


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """A sender or reader that is no person. `made`: its password was made here and can be made anew."""

    name: str
    publish: tuple[str, ...]
    read: tuple[str, ...]
    without_password_from: tuple[str, ...]
    push_policy: str
    enabled: bool
    made: bool
    last_seen: float | None = None
    address: str = ""
    publishing: tuple[str, ...] = ()  # streams that it sends now
    reading: tuple[str, ...] = ()  # streams that it watches now
    refused_at: float | None = None  # unix seconds; None: not since it was last let in, or never
    refused_from: str = ""
    refused_code: str = ""


class PushState(StrEnum):
    RUNNING = "running"  # it is being sent, or its opener connects
    WAITING = "waiting"  # it ended or failed; the next attempt is timed, or waits for its adapter


@dataclass(frozen=True, slots=True)
class PushStatus:
    """How one output stands. `url` is without credentials."""

    name: str
    title: str
    stream: str
    url: str
    state: PushState
    code: str = ""
    detail: str = ""
    since: float = 0.0
    retry_in_s: float | None = None
    failures: int = 0
