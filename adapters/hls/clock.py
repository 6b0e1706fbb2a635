"""When each moment of the media was, by this machine's clock: what EXT-X-PROGRAM-DATE-TIME says (RFC 8216 §4.3.2.6)."""

from __future__ import annotations

HZ = 90_000
LOOK_S = 60.0
"""Of media: so often it is held against what came."""
OFF_S = 0.5
"""By more than this it is put right: a source's clock that goes slower or faster, or this machine's that was set."""


class MediaClock:
    """Told of each part as it comes; `wall` is right from the first on.

    What was told of a segment stays: a change holds from the next segment on.
    """

    def __init__(self) -> None:
        self._known: tuple[int, float] | None = None  # a begin, and the wall clock's time of it
        self._sets = 0  # the segment whose parts set it
        self._next: tuple[int, float] | None = None  # from the next segment on
        self._segment = 0
        self._looked = 0
        self._soonest: tuple[float, int, float] | None = None

    def forget(self) -> None:
        """What comes has nothing to do with what was."""
        self._known = self._next = self._soonest = None

    def part(self, begin: int, duration: int, now: float, segment: int) -> None:
        """A part has been there for its length when it comes. What was cached comes at once, and would put the clock
        ahead by all that follows it: the part that came soonest tells, of those of the first segment, and later of
        those of a minute."""
        at = now - duration / HZ
        if self._known is None:
            self._known, self._sets, self._looked = (begin, at), segment, begin
        elif segment == self._sets:
            if at < self.wall(begin):
                self._known = (begin, at)
        elif segment != self._segment and self._next is not None:
            self._known, self._next = self._next, None
        self._segment = segment
        if segment != self._sets:
            self._follow(begin, at)

    def _follow(self, begin: int, at: float) -> None:
        late = at - self.wall(begin)
        if self._soonest is None or late < self._soonest[0]:
            self._soonest = (late, begin, at)
        if begin - self._looked >= LOOK_S * HZ:
            if abs(self._soonest[0]) > OFF_S:
                self._next = self._soonest[1:]
            self._looked, self._soonest = begin, None

    def wall(self, begin: int) -> float:
        """Unix seconds of a begin (90 kHz)."""
        assert self._known is not None  # noqa: S101  (set by the first part)
        known, at = self._known
        return at + (begin - known) / HZ
