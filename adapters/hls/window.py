"""What a player may ask for now: the newest segments and their parts, in memory, bounded. Sans-IO.

Segments are numbered from `first` on (media sequence numbers), init segments too. A segment is whole parts; it is
complete when the media plane has ended it. What is older than the window, or more than its bytes, is let go from the
oldest on.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from adapters.hls.clock import HZ, MediaClock
from adapters.hls.records import Kind, Record
from gateway.base.errors import GatewayError

_EPOCH = 1_735_689_600  # 2025-01-01: numbers stay within the 31 bits of older players until 2059
STALE_S = 5.0
"""Where nothing came for so long, and a segment's length, nothing comes now."""
_A_SECOND = 2  # numbers; no segment is configured shorter than half a second


def first_of(now: float) -> int:
    """Where a window that is opened at `now` (unix seconds) begins to number: behind all that an earlier one told.

    A player that comes back, and what its caches hold, never meets a number for the second time with other media
    (RFC 8216 §6.2.2). Never 0: hls.js 1.7 takes the segment of that number for none, and loads its parts again and
    again as long as they are listed.
    """
    return max(1, int((now - _EPOCH) * _A_SECOND))


@dataclass(slots=True)
class Part:
    data: bytes
    begin: int  # 90 kHz
    duration: int
    key: bool


@dataclass(slots=True)
class Segment:
    """`init` numbers the init segment it needs. `wall`: unix seconds at its begin."""

    number: int
    init: int
    wall: float
    discontinuity: bool = False
    complete: bool = False
    parts: list[Part] = field(default_factory=list)

    @property
    def duration_s(self) -> float:
        return sum(part.duration for part in self.parts) / HZ

    @property
    def size(self) -> int:
        return sum(len(part.data) for part in self.parts)


class Window:
    def __init__(self, *, segments: int, most_bytes: int, first: int = 0) -> None:
        """`segments`: complete ones that are kept."""
        self._first = first
        self._most = segments
        self._most_bytes = most_bytes
        self.segments: deque[Segment] = deque()
        self.inits: dict[int, bytes] = {}
        self.dropped_discontinuities = 0
        self.longest_part_s = 0.0
        self.longest_segment_s = 0.0
        self.peak_bps = 0.0
        self._init = first - 1
        self._next = first
        self._break = False
        self._clock = MediaClock()

    @property
    def size(self) -> int:
        return sum(segment.size for segment in self.segments)

    @property
    def init(self) -> bytes | None:
        """The newest init segment."""
        return self.inits.get(self._init)

    def take(self, record: Record, now: float) -> None:
        """`now`: unix seconds. Raises GatewayError (`hls-no-key`) when a segment grows beyond all bounds."""
        match record.kind:
            case Kind.INIT:
                if record.data != self.init:
                    self._end()
                    self._break = self._break or self._init >= self._first
                    self._init += 1
                    self.inits[self._init] = record.data
            case Kind.PART:
                self._part(record, now)
            case Kind.SEGMENT_END:
                self._end()
            case Kind.DISCONTINUITY:
                self._end()
                self._break = self._next > self._first
                self._clock.forget()

    def _part(self, record: Record, now: float) -> None:
        if self._init < self._first:
            return
        current = self._open()
        self._clock.part(record.begin, record.duration, now, self.next_part[0])
        if current is None:
            current = Segment(self._next, self._init, self._clock.wall(record.begin), self._break)
            self._next += 1
            self._break = False
            self.segments.append(current)
        elif current is self.segments[0]:
            # The first of all: no player has read of it before it is complete.
            current.wall = self._clock.wall(current.parts[0].begin)
        current.parts.append(Part(record.data, record.begin, record.duration, record.key))
        self.longest_part_s = max(self.longest_part_s, record.duration / HZ)
        self._let_go()

    def _open(self) -> Segment | None:
        return self.segments[-1] if self.segments and not self.segments[-1].complete else None

    def _end(self) -> None:
        current = self._open()
        if current is None:
            return
        current.complete = True
        took = current.duration_s
        self.longest_segment_s = max(self.longest_segment_s, took)
        if took > 0.5:
            self.peak_bps = max(self.peak_bps, current.size * 8 / took)
        self._let_go()

    def _let_go(self) -> None:
        while len(self.segments) > self._most + 1 or (len(self.segments) > 1 and self.size > self._most_bytes):
            gone = self.segments.popleft()
            self.dropped_discontinuities += gone.discontinuity
            needed = self.segments[0].init
            for number in [number for number in self.inits if number < needed]:
                del self.inits[number]
        if self.size > self._most_bytes:
            raise GatewayError(f"a segment has {self.size} bytes and no key frame ends it", code="hls-no-key")

    # — what players ask —

    @property
    def first(self) -> int:
        return self.segments[0].number if self.segments else self._next

    @property
    def next_part(self) -> tuple[int, int]:
        """Segment and part number of what comes next."""
        current = self._open()
        return (self._next, 0) if current is None else (current.number, len(current.parts))

    @property
    def form(self) -> int:
        """The first segment of those, up to the newest, that need the same init segment: a program that begins now
        begins there, as many never take up tracks that a playlist began without."""
        number = self._next
        for segment in reversed(self.segments):
            if segment.init != self._init:
                break
            number = segment.number
        return number

    def now_on(self, quiet_s: float) -> bool:
        """There is a whole segment of what comes now: whoever begins is not shown what was before the source went.
        `quiet_s`: since the last part came."""
        fresh = quiet_s <= STALE_S + self.longest_segment_s
        return fresh and not self._break and self.has(self.form, None)

    def has(self, number: int, part: int | None) -> bool:
        """RFC 8216bis §6.2.5.2: the playlist holds that segment, or part of it, or something later."""
        at, following = self.next_part
        if part is None:
            return number < at
        return number < at or (number == at and part < following)

    def segment(self, number: int) -> Segment | None:
        """A complete one."""
        found = self._find(number)
        return found if found is not None and found.complete else None

    def part(self, number: int, part: int) -> Part | None:
        found = self._find(number)
        return found.parts[part] if found is not None and part < len(found.parts) else None

    def _find(self, number: int) -> Segment | None:
        at = number - self.first
        return self.segments[at] if 0 <= at < len(self.segments) else None
