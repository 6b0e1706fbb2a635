"""When something is said: the newest word, not too often, not at night. Sans-IO.

One saying waits at most: what is not said before the next word comes is never said. In quiet hours nothing is, and
nothing is kept for the morning but the word of then.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gateway.model.kit_state import FieldState, FieldWord

HOUR_S = 3600.0
KEPT = 3
"""So many of the sayings of an hour are kept for news: a call that is repeated does not use them up."""


@dataclass(slots=True)
class Announcer:
    """`put` with every state, `take` when the voice is free; `minute` is that of the local day, None: nobody knows the
    time, then there are no quiet hours."""

    pause_s: float
    most_an_hour: int
    repeat_s: float
    quiet: tuple[int, int] | None = None
    _state: FieldState | None = None
    _said: tuple[FieldWord, str] | None = None
    _times: deque[float] = field(default_factory=deque)

    def put(self, state: FieldState) -> None:
        """What stands now. A reason that changes under "ready" is no news."""
        self._state = state

    def take(self, now: float, minute: int | None) -> FieldState | None:
        """What is to be said now, if anything. It counts as said."""
        state = self._state
        if state is None or self.due_in(now, minute) > 0:
            return None
        self._times.append(now)
        self._said = _news(state)
        return state

    def failed(self) -> None:
        """What was taken was not heard: it is news still."""
        self._said = None

    def due_in(self, now: float, minute: int | None) -> float:
        """Seconds until there may be something to say: 0 now; a large number: nothing as things stand."""
        if self._state is None or self._is_quiet(minute):
            return HOUR_S
        while self._times and now - self._times[0] >= HOUR_S:
            self._times.popleft()
        last = self._times[-1] if self._times else None
        news = _news(self._state) != self._said
        if not news:
            again = self._state.word is FieldWord.TECHNICIAN and self.repeat_s > 0 and last is not None
            if not again or last is None:
                return HOUR_S
            wait = last + self.repeat_s - now
        else:
            wait = 0.0 if last is None else last + self.pause_s - now
        most = self.most_an_hour if news else max(1, self.most_an_hour - KEPT)
        if len(self._times) >= most:
            wait = max(wait, self._times[len(self._times) - most] + HOUR_S - now)
        return max(0.0, wait)

    def _is_quiet(self, minute: int | None) -> bool:
        if self.quiet is None or minute is None:
            return False
        begins, ends = self.quiet
        return begins <= minute < ends if begins <= ends else minute >= begins or minute < ends


def _news(state: FieldState) -> tuple[FieldWord, str]:
    return state.word, "" if state.word is FieldWord.READY else state.code
