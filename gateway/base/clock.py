"""Two clocks, kept apart: the monotonic one times things, the wall clock only dates them.

Whoever needs time takes a `Clock`; tests hand in one that they advance themselves.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

JUMP_S = 2.0
"""Smaller differences between the two clocks are NTP at work."""


@dataclass(frozen=True, slots=True)
class Clock:
    """`monotonic` in seconds from anywhere, never back; `wall` in unix seconds, for showing and storing."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


class JumpWatch:
    """Finds jumps of the wall clock by comparing its progress with the monotonic clock's. Sans-IO; poll it."""

    def __init__(self, clock: Clock, *, threshold_s: float = JUMP_S) -> None:
        self._clock = clock
        self._threshold_s = threshold_s
        self._offset = clock.wall() - clock.monotonic()

    def jump(self) -> float | None:
        """Seconds that the wall clock jumped since the last call (positive: forward), or None.

        A slow drift never adds up to a jump: every poll takes the present offset as the new base.
        """
        offset = self._clock.wall() - self._clock.monotonic()
        step = offset - self._offset
        self._offset = offset
        return step if abs(step) >= self._threshold_s else None


def process_age_s() -> float:
    """Since this process began, interpreter and imports included (proc(5): field 22 of stat, in ticks since boot)."""
    fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
