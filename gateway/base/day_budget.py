"""How long calls by one way stood within the last day: minutes that cost are counted. Sans-IO.

A day is 24 hours by the time since boot, which never jumps. What a run before this one left (`restore`) is as much
older as time has surely passed: within one boot of the machine by that clock, over boots by the wall clock where the
kernel said both times that it follows a reference, else not at all. So a clock that is wrong gives no minute back, and
what was spent is free again after a day in which the gateway ran, at the latest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from gateway.base.clock import Clock
from gateway.base.moment import Moment, Moments, TimeQuality

DAY_S = 86400.0
MOST_TIMES = 256
"""Calls that are told apart; of more the oldest become one, as long as they were together, at the later one's end."""


class DayBudget:
    def __init__(self, now: Callable[[], Moment] | None = None) -> None:
        self._now = now or Moments(Clock()).now
        self._times: list[list[float]] = []
        """When each call began and ended (infinity: it stands), by the time since boot."""
        self._old: list[list[float]] = []
        """Those of `_times` that a run before this one left."""
        self._left: tuple[float, float] | None = None
        """The same moment since boot and by the wall clock, until it is known how long the machine was off."""

    def used_s(self) -> float:
        now = self._now()
        self._age(now)
        return sum(max(0.0, min(end, now.mono) - max(begin, now.mono - DAY_S)) for begin, end in self._times)

    @property
    def stands(self) -> bool:
        return any(end == math.inf for _, end in self._times)

    def begin(self) -> Callable[[], None]:
        """A call begins; what is returned ends it."""
        times = [self._now().mono, math.inf]
        self._times.append(times)
        self._join()

        def end() -> None:
            times[1] = min(times[1], self._now().mono)

        return end

    def kept(self) -> dict[str, Any]:
        """For `restore`: a call that stands is kept as if it ended now."""
        now = self._now()
        self._age(now)
        self._times = [times for times in self._times if times[1] > now.mono - DAY_S]
        ages = [[round(now.mono - begin, 3), round(max(0.0, now.mono - end), 3)] for begin, end in self._times]
        return {"boot": now.boot_id, "mono": now.mono, "wall": now.wall, "quality": now.quality.value, "calls": ages}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Raises ValueError, TypeError, KeyError or OverflowError: this was not `kept`."""
        now = self._now()
        mono, wall, good = float(kept["mono"]), float(kept["wall"]), TimeQuality(kept["quality"]).good
        ages = [(float(begin), float(end)) for begin, end in kept["calls"]]
        if not math.isfinite(mono + wall) or not all(math.inf > begin >= end >= 0 for begin, end in ages):
            raise ValueError("times that can not be")
        off = max(0.0, now.mono - mono) if kept["boot"] == now.boot_id else 0.0
        self._old = [[now.mono - off - begin, now.mono - off - end] for begin, end in ages]
        self._left = (now.mono, wall) if good and kept["boot"] != now.boot_id else None
        self._times[:0] = self._old
        self._join()

    def _age(self, now: Moment) -> None:
        """Once the clock follows a reference it is known how long the machine was off."""
        if self._left is None or not now.quality.good:
            return
        (mono, wall), self._left = self._left, None
        off = max(0.0, now.wall - wall - (now.mono - mono))
        for times in self._old:
            times[:] = times[0] - off, times[1] - off

    def _join(self) -> None:
        ended = [times for times in self._times if times[1] < math.inf]
        most = max(0, min(len(self._times) - MOST_TIMES, len(ended) - 1))
        for first, second in pairwise(ended[: most + 1]):
            end = max(first[1], second[1])
            second[:] = end - (first[1] - first[0]) - (second[1] - second[0]), end
        gone = {id(times) for times in ended[:most]}
        self._times = [times for times in self._times if id(times) not in gone]
