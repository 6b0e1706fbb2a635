"""Fixes of devices as `model.Position`: the datum of GB/T 28181 is WGS-84 (A.2.1)."""

from __future__ import annotations

from adapters.gb28181.protocol.clock import beijing_to_unix
from adapters.gb28181.protocol.manscdp import CatalogItem, Fix
from gateway.model.ids import DeviceId
from gateway.model.position import Datum, Position, PositionSource


def valid(longitude: float | None, latitude: float | None) -> bool:
    """False for what is missing, out of range, or exactly 0, 0: what a receiver without a fix sends."""
    if longitude is None or latitude is None:
        return False
    return -180 <= longitude <= 180 and -90 <= latitude <= 90 and not (longitude == 0 and latitude == 0)


def position_of(fix: Fix, device: DeviceId, channel: str, *, received_at: float) -> Position | None:
    """A measured position, or None where it can't be one."""
    if not valid(fix.longitude, fix.latitude):
        return None
    direction = fix.direction_deg
    return Position(
        device=device,
        channel=channel,
        longitude=fix.longitude,
        latitude=fix.latitude,
        datum=Datum.WGS84,
        source=PositionSource.GNSS,
        taken_at=beijing_to_unix(fix.time, received_at),
        received_at=received_at,
        altitude_m=fix.altitude_m,
        speed_kmh=fix.speed_kmh if fix.speed_kmh is not None and fix.speed_kmh >= 0 else None,
        direction_deg=direction if direction is not None and 0 <= direction <= 360 else None,
    )


def typed_in(item: CatalogItem, device: DeviceId, channel: str, *, received_at: float) -> Position | None:
    """Where the catalogue says a channel is: somebody typed it in once, so it has no age of its own."""
    if item.longitude is None or item.latitude is None or not valid(item.longitude, item.latitude):
        return None
    return Position(
        device=device,
        channel=channel,
        longitude=item.longitude,
        latitude=item.latitude,
        datum=Datum.WGS84,
        source=PositionSource.CATALOG,
        taken_at=received_at,
        received_at=received_at,
    )
