"""One heap of timers for many owners; an owner's `timers` dict says which of its entries still hold."""

from __future__ import annotations

import heapq
from itertools import count

from gateway.wire.sip.transaction import Timed


class TimerQueue:
    """Arming a name anew, or taking it out of `owner.timers`, leaves a dead entry that is skipped when it comes up."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timed, str]] = []
        self._order = count()

    def arm(self, owner: Timed, name: str, when: float) -> None:
        owner.timers[name] = when
        heapq.heappush(self._heap, (when, next(self._order), owner, name))

    def next(self) -> float | None:
        """When the first live timer is due; None when none is armed."""
        while self._heap and not self._holds(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self, now: float) -> tuple[Timed, str] | None:
        """Take the first timer that is due at `now`."""
        when = self.next()
        if when is None or when > now:
            return None
        _, _, owner, name = heapq.heappop(self._heap)
        del owner.timers[name]
        return owner, name

    @staticmethod
    def _holds(entry: tuple[float, int, Timed, str]) -> bool:
        when, _, owner, name = entry
        return owner.timers.get(name) == when
