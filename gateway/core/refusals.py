"""Refusals in the record: the first of a place are rows of their own, the rest are counted and told in one.

Strangers cause them as fast as they can knock, and the record is never cut: without a bound they would fill the disk,
and bury what people did. Sans-IO.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.base.place import place_of
from gateway.model.principal import Principal, Role

AT_ONCE = 10
"""Rows of one act and place, until it has been calm for a window."""
ALL_AT_ONCE = 120
"""Rows within `FIRST_S`, of all places together."""
FIRST_S, LONGEST_S = 60.0, 900.0
"""A window; the next one is twice as long while it goes on."""
PLACES = 256
"""Further ones are counted together."""
NAMES = 64
ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Counted:
    """One row for many."""

    who: Principal
    act: str
    target: str
    code: str
    detail: str


@dataclass(slots=True)
class _Window:
    ends: float
    length: float = FIRST_S
    said: int = 0
    more: int = 0
    names: set[str] = field(default_factory=set)
    last: tuple[str, str, str] = ("", "", "")  # name, target, code


class Refusals:
    def __init__(self) -> None:
        self._windows: dict[tuple[str, str], _Window] = {}
        self._rows: deque[float] = deque(maxlen=ALL_AT_ONCE)
        """When the latest ones were written."""

    def __len__(self) -> int:
        """Windows that are open."""
        return len(self._windows)

    def tells(self, who: Principal, act: str, target: str, code: str, now: float) -> bool:
        """It gets a row of its own; else it was counted."""
        key = act, place_of(who.address) if who.address else who.name
        if key not in self._windows and len(self._windows) >= PLACES:
            key = act, ELSEWHERE
        window = self._windows.setdefault(key, _Window(now + FIRST_S))
        busy = len(self._rows) == ALL_AT_ONCE and now - self._rows[0] < FIRST_S
        if window.said < AT_ONCE and not busy and key[1] != ELSEWHERE:
            window.said += 1
            self._rows.append(now)
            return True
        window.more += 1
        window.last = who.name, target, code
        if len(window.names) < NAMES:
            window.names.add(who.name[:64])
        return False

    def next_timer(self) -> float | None:
        return min((window.ends for window in self._windows.values()), default=None)

    def due(self, now: float) -> Sequence[Counted]:
        """What was counted in the windows that are over; `now` infinite: in all."""
        over = [key for key, window in self._windows.items() if window.ends <= now]
        return [told for key in over if (told := self._close(key, now)) is not None]

    def _close(self, key: tuple[str, str], now: float) -> Counted | None:
        act, place = key
        window = self._windows.pop(key)
        if not window.more:
            return None
        length = min(2 * window.length, LONGEST_S)
        self._windows[key] = _Window(now + length, length, said=AT_ONCE)
        name, target, code = window.last
        names = f"{NAMES} names or more" if len(window.names) == NAMES else f"{len(window.names)} names"
        tried = "the same name" if len(window.names) == 1 else names
        who = Principal(name, Role.VIEWER, "counted", address=place)
        return Counted(who, act, target, code, f"{window.more} more in {window.length:.0f} s, of {tried}; the last")
