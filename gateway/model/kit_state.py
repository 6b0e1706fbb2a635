"""How a kit itself stands: its power, heat, disk, clock and place, each with a reason; and the field team's word."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.base.moment import TimeQuality
from gateway.model.position import Datum, PositionSource


class PowerSource(StrEnum):
    MAINS = "mains"  # of any kind: a socket, a vehicle, a generator
    BATTERY = "battery"
    UNKNOWN = "unknown"  # this machine tells nothing of its power


@dataclass(frozen=True, slots=True)
class Power:
    """`level` is 0 … 1 of all batteries together, `watts` what they give (negative: are given). None: not told."""

    source: PowerSource = PowerSource.UNKNOWN
    level: float | None = None
    charging: bool = False
    volts: float | None = None
    watts: float | None = None
    minutes_left: float | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Heat:
    """One sensor. `critical_c`: where the machine itself says that it is switched off."""

    name: str
    celsius: float
    critical_c: float | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Space:
    """The disk that the gateway writes on. `worn`: 0 … 1 of the life that its maker gave it, None: it does not tell."""

    free_bytes: int = 0
    total_bytes: int = 0
    read_only: bool = False
    worn: float | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class ClockState:
    """`off_s`: this clock minus the best other one that is known (a modem's, a satellite receiver's)."""

    quality: TimeQuality = TimeQuality.UNSYNCED
    source: str = ""  # "chrony GPS", "timesyncd", "lte0"
    off_s: float | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class ClockStep:
    """Two readings of one moment, `mono` seconds after boot `boot_id`: whoever dated by the first may date anew by the
    second. Data of the event `clock`."""

    boot_id: str
    mono: float
    before: float  # unix seconds that the clock would have shown
    after: float
    quality: TimeQuality = TimeQuality.UNSYNCED


@dataclass(frozen=True, slots=True)
class Fix:
    """What a receiver tells. Degrees, metres, km/h; `taken_at` unix seconds by the receiver, None: it has no time."""

    longitude: float
    latitude: float
    datum: Datum = Datum.WGS84
    taken_at: float | None = None
    accuracy_m: float | None = None
    altitude_m: float | None = None
    speed_kmh: float | None = None
    direction_deg: float | None = None
    satellites: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where the kit is. `by` names who said so ("gpsd", "lte0", "fixed"); `code` says what is wrong with that, or with
    who said it last."""

    longitude: float
    latitude: float
    datum: Datum
    source: PositionSource
    by: str
    taken_at: float  # unix seconds
    accuracy_m: float | None = None
    altitude_m: float | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class KitCondition:
    """Data of the event `condition`. `codes`: what is wrong, the worst first."""

    gateway: str
    at: float = 0.0
    power: Power = Power()
    heat: tuple[Heat, ...] = ()  # the hottest first
    space: Space = Space()
    clock: ClockState = ClockState()
    place: Place | None = None
    place_code: str = ""  # why there is no place, or none that is new
    codes: tuple[str, ...] = ()


class FieldWord(StrEnum):
    """The four words for the field team."""

    READY = "ready"
    CONNECTING = "connecting"
    DEGRADED = "degraded"  # voice only
    TECHNICIAN = "technician"  # call the technician


@dataclass(frozen=True, slots=True)
class FieldLink:
    """A link as the field team sees it. `bars` 0 … 5, None: not told. `kind`: "lte", "nr", "satellite", …"""

    name: str
    kind: str
    carries: bool
    phase: str
    code: str = ""
    bars: int | None = None


@dataclass(frozen=True, slots=True)
class FieldState:
    """Data of the event `field`. `code` is the one most important reason ("": all is well), `more` up to three others
    that the team can do something about."""

    word: FieldWord = FieldWord.CONNECTING
    code: str = "field-starting"
    since: float = 0.0
    more: tuple[str, ...] = ()
    links: tuple[FieldLink, ...] = ()
    centers: int = 0  # that hold the kit now
    power: PowerSource = PowerSource.UNKNOWN
    level: float | None = None
