"""Where the ball is: a slow round of about 300 m, so that its position is seen to move."""

from __future__ import annotations

import math

from gateway.sim.messages import Fix

_RADIUS_M = 50.0
_ROUND_S = 120.0
_METRES_PER_DEG = 111_320.0


def position(home: Fix, seconds: float) -> Fix:
    """The fix `seconds` after the start; WGS-84, clockwise, starting north of `home`."""
    turn = math.tau * seconds / _ROUND_S
    north, east = _RADIUS_M * math.cos(turn), _RADIUS_M * math.sin(turn)
    return Fix(
        longitude=home.longitude + east / (_METRES_PER_DEG * math.cos(math.radians(home.latitude))),
        latitude=home.latitude + north / _METRES_PER_DEG,
        speed=math.tau * _RADIUS_M / _ROUND_S * 3.6,
        direction=(math.degrees(turn) + 90.0) % 360.0,
        altitude=home.altitude,
    )
