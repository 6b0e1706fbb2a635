"""What a satellite receiver says, whatever the words it says it in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seen:
    """Where it is, WGS-84: degrees, metres, km/h; `taken_at` unix seconds by the receiver. None: not told."""

    longitude: float
    latitude: float
    taken_at: float | None = None
    accuracy_m: float | None = None
    altitude_m: float | None = None
    speed_kmh: float | None = None
    direction_deg: float | None = None
    satellites: int | None = None


@dataclass(frozen=True, slots=True)
class NoFix:
    """The receiver works and does not know where it is."""


Heard = Seen | NoFix
