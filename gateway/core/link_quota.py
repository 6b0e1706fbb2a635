"""What passed by a link in the period of its quota. Sans-IO.

Periods begin by the wall clock, which on a kit may be wrong: a period never goes back to an earlier one because a clock
was set back (a year, say), only when as much time as a period has has passed since it began here. A clock that is set
forward begins a new period.
"""

from __future__ import annotations

import datetime as dt

PERIOD_S = {"day": 86_400.0, "month": 31 * 86_400.0}


def period(wall: float, every: str, day: int) -> str:
    """The day on which the period of that moment began, "2026-11-01", by UTC."""
    try:
        at = dt.datetime.fromtimestamp(wall, dt.UTC).date()
    except (OverflowError, OSError, ValueError):
        at = dt.date(1970, 1, 1)
    if every == "day":
        return at.isoformat()
    if at.day < day:
        at = at.replace(day=1) - dt.timedelta(days=1) if at > dt.date(1970, 1, 31) else at
    return at.replace(day=day).isoformat()


class Use:
    """Bytes of one link. `count` is given the interface's counters; they begin anew when it is plugged anew."""

    def __init__(self, period_: str = "", used: int = 0) -> None:
        self.period = period_
        self.used = used
        self._entered: float | None = None
        self._counted: tuple[str, int] | None = None

    def turn(self, now: float, wall: float, every: str, day: int) -> bool:
        """True when another period has begun."""
        present = period(wall, every, day)
        if self._entered is None:
            self._entered = now
        if present == self.period:
            return False
        if self.period and present < self.period and now - self._entered < PERIOD_S[every]:
            return False
        fresh = self.period != ""
        self.period, self._entered = present, now
        if fresh:
            self.used = 0
        return fresh

    def count(self, interface: str, total: int) -> None:
        """`total`: bytes both ways by that interface since it came."""
        before = self._counted
        self._counted = (interface, total)
        if before is not None and before[0] == interface:
            self.used += total - before[1] if total >= before[1] else total
