"""How long calls by one way stood within the last day, since the gateway started: minutes that cost are counted."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

DAY_S = 86400.0
MOST_TIMES = 4096


class DayBudget:
    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._times: deque[list[float]] = deque(maxlen=MOST_TIMES)
        """When each call began and ended (infinity: it stands)."""

    def used_s(self) -> float:
        now = self._now()
        return sum(max(0.0, min(end, now) - max(begin, now - DAY_S)) for begin, end in self._times)

    def begin(self) -> Callable[[], None]:
        """A call begins; what is returned ends it."""
        times = [self._now(), math.inf]
        self._times.append(times)

        def end() -> None:
            times[1] = min(times[1], self._now())

        return end
