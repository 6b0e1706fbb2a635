"""Which segment comes next, over reloads of a live playlist. Sans-IO.

Begins some segments before the end, goes on by number, and begins anew at the end when the far side has begun anew
(its numbers went back) or has let go what was to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.pull.m3u8 import Media, Segment

BEHIND = 3
"""RFC 8216 §6.3.3: no closer to the end than three target durations."""
STALE_TARGETS = 6.0
"""A playlist that shows nothing new for so many target durations is dead."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to fetch now, and when to ask again. `jumped`: something was left out; the time line breaks."""

    segments: Sequence[Segment]
    reload_s: float
    jumped: bool = False
    over: bool = False
    stale: bool = False


class Live:
    def __init__(self) -> None:
        self._next: int | None = None
        self._new_at: float | None = None

    def step(self, playlist: Media, now: float) -> Step:
        """A playlist as it came at `now` (monotonic seconds)."""
        segments = playlist.segments
        jumped = False
        if self._next is None and playlist.ended:
            self._next = segments[0].number if segments else 0
        elif segments and (self._next is None or self._lost(segments)):
            jumped = self._next is not None
            self._next = segments[max(0, len(segments) - BEHIND)].number
        fresh = [one for one in segments if self._next is not None and one.number >= self._next]
        if fresh:
            self._next = fresh[-1].number + 1
        if fresh or self._new_at is None:
            self._new_at = now
        # §6.3.4: a target duration after one that changed, half of it after one that did not.
        wait = playlist.target_s * (1.0 if fresh else 0.5)
        return Step(
            fresh,
            max(wait, 0.25),
            jumped,
            over=playlist.ended,
            stale=now - self._new_at > playlist.target_s * STALE_TARGETS,
        )

    def _lost(self, segments: Sequence[Segment]) -> bool:
        assert self._next is not None  # noqa: S101  (the caller looked)
        return self._next < segments[0].number or self._next > segments[-1].number + 1
