"""Moments: when something happened, as far as this machine can know it.

The wall clock of a kit may be wrong by a year (no battery, no network yet) and jump when it learns better. Its time
since boot never jumps, but says nothing to others. So what leaves the machine carries both, which boot the second one
counts from, and how good the first one was: whoever gets it can order and date it (`core.restamp`).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from gateway.base.clock import Clock

FLOOR = 1_767_225_600.0
"""2026-01-01: no clock that is set reads less."""
BUILT = 1_793_491_200.0
"""2026-11-01: this software was not there before; raised with every release."""
_STA_UNSYNC = 0x0040
_TIME_ERROR = 5


class TimeQuality(StrEnum):
    UNSYNCED = "unsynced"  # nobody told this clock the time since it started
    NITZ = "nitz"  # a mobile network tells the same time, within seconds
    NTP = "ntp"  # the kernel follows a reference (chrony, timesyncd)
    GNSS = "gnss"  # that reference is a satellite receiver of this machine, or one tells the same time

    @property
    def good(self) -> bool:
        return self is not TimeQuality.UNSYNCED


@dataclass(frozen=True, slots=True)
class Moment:
    """`boot_id` names the run of the machine, `mono` counts seconds since then, `wall` is unix seconds."""

    boot_id: str
    mono: float
    wall: float
    quality: TimeQuality = TimeQuality.UNSYNCED


class Moments:
    """Makes them. `since_boot` counts also while the machine sleeps, and is the same for all its processes."""

    def __init__(
        self,
        clock: Clock,
        *,
        boot_id: str | None = None,
        since_boot: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        quality: Callable[[], TimeQuality] | None = None,
    ) -> None:
        self._clock = clock
        self.boot_id = this_boot() if boot_id is None else boot_id
        self._since_boot = since_boot
        self._quality = quality or kernel_quality

    def now(self) -> Moment:
        wall = self._clock.wall()
        quality = self._quality() if wall >= FLOOR else TimeQuality.UNSYNCED
        return Moment(self.boot_id, self._since_boot(), wall, quality)


@cache
def this_boot() -> str:
    """random(4): the same until the machine starts anew."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as it is read here; the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_char * 512),
    )


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)


def kernel_quality() -> TimeQuality:
    """Whether the kernel says that its clock follows a reference."""
    told = _Timex(modes=0)  # reads, sets nothing
    state = _libc().adjtimex(ctypes.byref(told))
    if state in (-1, _TIME_ERROR) or told.status & _STA_UNSYNC:
        return TimeQuality.UNSYNCED
    return TimeQuality.NTP
