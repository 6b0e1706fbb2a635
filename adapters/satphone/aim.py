"""Where a satellite over the equator is seen from here: what the team turns the phone to. Sans-IO."""

from __future__ import annotations

import math

_RATIO = 6378.137 / 42164.17
"""The earth's radius by that of the orbit."""


def aim(longitude: float, latitude: float, satellite: float) -> tuple[float, float]:
    """Azimuth (from north, clockwise) and elevation in degrees; below the horizon it is negative."""
    east, north = math.radians(satellite - longitude), math.radians(latitude)
    cosine = math.cos(east) * math.cos(north)
    elevation = math.degrees(math.atan2(cosine - _RATIO, math.sqrt(max(0.0, 1 - cosine * cosine))))
    azimuth = math.degrees(math.atan2(math.sin(east), -math.sin(north) * math.cos(east))) % 360
    return azimuth, elevation
