"""Tones that tell a member what the floor says: 16-bit mono PCM of 8 kHz, made once and kept.

They are of the usual kind on trunked radios and phones: two rising pips when the floor is granted, a broken low tone
when it is not, a single pip when queued, a falling pair when it was taken away, a warble in an emergency, and a soft
high pip for those who are listened to.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from enum import StrEnum
from functools import cache

RATE_HZ = 8000
LEVEL_DB = -16.0
"""Of a tone's peak under full scale: heard beside speech, not above it."""
EDGE_S = 0.004
"""A tone swells and fades for so long, so that it does not click."""


class Cue(StrEnum):
    GRANTED = "granted"
    QUEUED = "queued"
    BUSY = "busy"
    REVOKED = "revoked"
    EMERGENCY = "emergency"
    MONITORED = "monitored"


# (Hz, seconds); 0 Hz is silence.
_TONES: dict[Cue, Sequence[tuple[float, float]]] = {
    Cue.GRANTED: ((910.0, 0.04), (0.0, 0.02), (1210.0, 0.05)),
    Cue.QUEUED: ((1000.0, 0.06),),
    Cue.BUSY: ((425.0, 0.25), (0.0, 0.2), (425.0, 0.25), (0.0, 0.2), (425.0, 0.25)),
    Cue.REVOKED: ((1210.0, 0.08), (0.0, 0.03), (620.0, 0.2)),
    Cue.EMERGENCY: ((960.0, 0.12), (770.0, 0.12)) * 3,
    Cue.MONITORED: ((1400.0, 0.2),),
}


@cache
def samples(cue: Cue) -> bytes:
    """What `Engine.cue` takes."""
    made = array("h")
    for hz, seconds in _TONES[cue]:
        made.extend(_tone(hz, round(seconds * RATE_HZ)))
    return made.tobytes()


def _tone(hz: float, count: int) -> list[int]:
    peak = 32767 * 10 ** (LEVEL_DB / 20)
    edge = max(1, min(round(EDGE_S * RATE_HZ), count // 2))
    return [
        round(peak * math.sin(2 * math.pi * hz * at / RATE_HZ) * min(1.0, at / edge, (count - 1 - at) / edge))
        for at in range(count)
    ]
