"""What a kit tells of itself in 48 bytes when no link is left: data of a short message, and how its center shows it.

Numbers are as coarse as they travel: a record that is read is equal to the one that was written (`coarse` says how).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """Why the record was sent."""

    ROUTINE = "routine"
    LOST = "lost"  # no center holds the kit any more
    ALARM = "alarm"
    ASKED = "asked"
    POWER = "power"


@dataclass(frozen=True, slots=True)
class RecordFix:
    """Degrees (WGS-84) in steps of 1e-5, metres in steps of 2. `age_min` is 63 for an hour and more."""

    longitude: float
    latitude: float
    altitude_m: int | None = None
    age_min: int = 0
    source: str = "gnss"  # a PositionSource
    speed_kmh: int | None = None
    direction_deg: int | None = None  # in steps of 6


@dataclass(frozen=True, slots=True)
class RecordLink:
    """`kind` and `phase` in the words of model.link; `bars` 0 … 5, None: not told."""

    kind: str
    phase: str
    bars: int | None = None


@dataclass(frozen=True, slots=True)
class RecordAlarm:
    """`kind` is "other" where the record has no number for it. `age_min` is 31 for half an hour and more."""

    kind: str
    severity: str
    age_min: int = 0


@dataclass(frozen=True, slots=True)
class KitRecord:
    """One record. `sequence` grows with each, over restarts; `received_at` and `carrier` are the center's."""

    gateway: str = ""
    sequence: int = 0
    why: Why = Why.ROUTINE
    made_at: int = 0  # unix seconds by the kit's clock
    clock_good: bool = False
    fix: RecordFix | None = None
    links: tuple[RecordLink, ...] = ()
    more_links: bool = False
    battery_percent: int | None = None
    power: str = "unknown"  # "mains", "battery", "unknown"
    volts: float | None = None  # in steps of 0.2
    temperature_c: int | None = None
    disk_percent: int | None = None  # used, in steps of 5
    alarms: tuple[RecordAlarm, ...] = ()
    alarms_open: int = 0  # 31: that many and more
    word: str = "connecting"  # for the field team: "ready", "connecting", "degraded", "technician"
    down_min: int = 0  # minutes without a center; 1023: that long and longer
    received_at: float = 0.0
    carrier: str = ""
