"""Which events are under way to a center: a bounded number, sent anew when nobody acknowledges in time."""

from __future__ import annotations

from collections.abc import Iterable

FIRST_S = 10.0
MOST_S = 120.0


class Window:
    """`now` is a monotonic clock. Full is no fault: what does not fit waits in the outbox, by its rank."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._under_way: dict[str, float] = {}
        self._wait_s = FIRST_S

    @property
    def ids(self) -> list[str]:
        return list(self._under_way)

    @property
    def room(self) -> int:
        return self.size - len(self._under_way)

    def sent(self, ids: Iterable[str], now: float) -> None:
        for id_ in ids:
            self._under_way[id_] = now + self._wait_s

    def acknowledged(self, ids: Iterable[str]) -> list[str]:
        """Those that were under way or not: all of them may go. The center answers: waits are short again."""
        found = list(ids)
        for id_ in found:
            self._under_way.pop(id_, None)
        if found:
            self._wait_s = FIRST_S
        return found

    def next_timer(self) -> float | None:
        return min(self._under_way.values(), default=None)

    def handle_timer(self, now: float) -> list[str]:
        """What was not acknowledged in time, and may be sent again. Waits double: a center that does not answer must
        not have the link filled with what it has had already."""
        late = [id_ for id_, due in self._under_way.items() if due <= now]
        for id_ in late:
            del self._under_way[id_]
        if late:
            self._wait_s = min(self._wait_s * 2, MOST_S)
        return late

    def reset(self) -> None:
        """Another connection, or the center came anew: what was under way is sent again, at once."""
        self._under_way.clear()
        self._wait_s = FIRST_S
