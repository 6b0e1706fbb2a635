"""What a gateway sends on to its centers and keeps until each of them has it: events and files."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from gateway.base.moment import Moment

MAX_BODY_BYTES = 64 * 1024


class EventKind(StrEnum):
    ALARM = "alarm"  # body: model.alarm.Alarm; raised, cleared, acknowledged
    POSITION = "position"  # body: model.position.Position, thinned
    RESULT = "result"  # body: model.command.CommandResult with actor and target, of an order that came from a center


class Rank(IntEnum):
    """What goes first; and, when there is no more room, what is given up last."""

    FIRST = 0  # critical and major alarms
    EARLY = 1  # other alarms, results of orders
    LATER = 2  # files
    LAST = 3  # positions


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `id` is a ULID; `boot` counts starts of the gateway; `body` is JSON text of at most 64
    KiB. `severity`: an AlarmSeverity, or "info"."""

    id: str
    kind: EventKind
    rank: Rank
    severity: str
    body: str
    moment: Moment
    boot: int


@dataclass(frozen=True, slots=True)
class ClockMark:
    """A pair of one boot's clocks, taken when the wall clock was good: events of that boot can be dated by it."""

    boot_id: str
    mono: float
    wall: float


@dataclass(frozen=True, slots=True)
class Batch:
    """Events on their way. `sent` is the sender's moment as it sent them, `marks` what it knows of their boots."""

    events: tuple[Event, ...]
    sent: Moment
    marks: tuple[ClockMark, ...] = ()


class Dating(StrEnum):
    """How a center knows when an event of a kit was."""

    MEASURED = "measured"  # by the kit's time since boot, from the event to its sending
    MARKED = "marked"  # by a pair of clocks that the kit took later in the same boot, when its clock was good
    TOLD = "told"  # by the kit's wall clock, which was good then
    GUESSED = "guessed"  # the kit's clock was not set: not earlier than this, or as its clock had it


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """An event of a kit as its center keeps it. `at` is unix seconds of the center's clock; `number` grows as they
    come. Events of one kit happened in the order of (`boot`, `moment.mono`)."""

    gateway: str
    event: Event
    at: float
    dating: Dating
    received_at: float
    number: int = 0


@dataclass(frozen=True, slots=True)
class ForwardFile:
    """A file that waits, or has come. `id` is a ULID; `name` is for people, never a path; `at` unix seconds."""

    id: str
    name: str
    media_type: str
    size: int
    sha256: str
    device: str = ""
    channel: str = ""
    at: float = 0.0
    rank: Rank = Rank.LATER


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """`sent`: bytes that the far side has acknowledged."""

    file: ForwardFile
    uplink: str
    sent: int


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of a kit at its center. `received` bytes are on the disk; whole when `complete_at` is set."""

    gateway: str
    file: ForwardFile
    received: int
    received_at: float
    complete_at: float | None = None


@dataclass(frozen=True, slots=True)
class Uplink:
    """What waits for one far side. `dropped`: given up because there was no room; `expired`: because it was too old.
    `full` while the last minute saw something dropped. Data of the bus's event `outbox`."""

    name: str
    adapter: str
    since: float
    rows: int = 0
    bytes: int = 0
    files: int = 0
    file_bytes: int = 0
    dropped: int = 0
    expired: int = 0
    full: bool = False
    oldest_at: float | None = None  # wall clock of the oldest that waits, as it was then
    waiting: dict[str, int] = field(default_factory=dict)  # kind → rows
