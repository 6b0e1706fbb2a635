"""Positions: never a pair of numbers without their datum, source, accuracy and age."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.model.ids import DeviceId


class Datum(StrEnum):
    WGS84 = "WGS-84"
    CGCS2000 = "CGCS2000"
    GCJ02 = "GCJ-02"


class PositionSource(StrEnum):
    GNSS = "gnss"
    CATALOG = "catalog"  # typed in by whoever installed the device
    NETWORK = "network"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Position:
    """Where something was. Degrees, metres, km/h; None means not told. Age is `now - taken_at`."""

    device: DeviceId
    channel: str
    longitude: float
    latitude: float
    datum: Datum
    source: PositionSource
    taken_at: float  # unix seconds
    received_at: float
    accuracy_m: float | None = None
    altitude_m: float | None = None
    speed_kmh: float | None = None
    direction_deg: float | None = None
