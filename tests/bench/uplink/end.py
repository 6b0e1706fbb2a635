"""One end of a run, a process of its own in its namespace: `python -m tests.bench.uplink.end SYSTEM OPTIONS LOG`.

It says `ready` when the far end can be reached, is told `begin_ns seconds seed` on its standard input, sends and
receives on the clock, writes the log of what it sent (LOG.sent) and received (LOG.received), and ends with one line of
JSON. One thread, no asyncio: the moments of sending are the point. Its parent's death is its own (`linkemu in`).
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import resource
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.uplink.traffic import (
    CONTROL_BYTES,
    FPS,
    KEY_EVERY,
    STILL_BYTES,
    VOICE_BYTES,
    VOICE_PPS,
    Item,
    Kind,
    Log,
    Sizes,
    pack,
    unpack,
)
from tests.bench.uplink.way import Options, Way, make

SECOND = 1_000_000_000
AFTER_S = 3.0  # what was sent last still has time to come


class End:
    def __init__(self, way: Way, options: Options, seed: int) -> None:
        self._way, self._options = way, options
        self._sizes = Sizes(seed)
        self._sent, self._received = Log(), Log()
        self._numbers = dict.fromkeys(Kind, 0)
        self._since_key = 0
        self._key_due = False
        self.counts = {"not_taken": 0, "broken": 0, "keys_asked": 0}
        self.late_max_ms = 0.0

    def _clocks(self) -> Iterator[tuple[Kind, float]]:
        """What this end sends on the clock, and how often (Hz)."""
        more = self._options.more
        if self._options.kit:
            yield Kind.PICTURE, FPS
            yield Kind.VOICE, VOICE_PPS
            if more.get("control_hz"):
                yield Kind.CONTROL, more["control_hz"]
            if more.get("still_hz"):
                yield Kind.STILL, more["still_hz"]
        else:
            yield Kind.VOICE_BACK, VOICE_PPS

    def run(self, begin_ns: int, seconds: float) -> None:
        end_ns = begin_ns + int(seconds * SECOND)
        due = [(begin_ns, kind, int(SECOND / hz)) for kind, hz in self._clocks()]
        heapq.heapify(due)
        last_ns = end_ns + int(AFTER_S * SECOND)
        while (now := time.monotonic_ns()) < last_ns:
            while due and due[0][0] <= now:
                at, kind, each = heapq.heappop(due)
                self.late_max_ms = max(self.late_max_ms, (now - at) / 1e6)
                self._send(kind)
                if at + each < end_ns:
                    heapq.heappush(due, (at + each, kind, each))
                now = time.monotonic_ns()
            wait_ns = (due[0][0] if due else last_ns) - now
            select.select(self._way.sockets(), [], [], max(0.0, min(wait_ns / 1e9, 0.05)))
            self._take()

    def _send(self, kind: Kind, number: int | None = None) -> None:
        if number is None:
            number, self._numbers[kind] = self._numbers[kind], self._numbers[kind] + 1
        key = False
        if kind is Kind.PICTURE:
            if self._way.key_wanted():
                self._key_due = True
                self.counts["keys_asked"] += 1
            key = self._key_due or number == 0 or self._since_key >= KEY_EVERY
            self._since_key = 1 if key else self._since_key + 1
            self._key_due = False
            length = self._sizes.next(key)
        elif kind is Kind.STILL:
            length = STILL_BYTES
        elif kind in (Kind.CONTROL, Kind.CONTROL_BACK):
            length = CONTROL_BYTES
        else:
            length = VOICE_BYTES
        now = time.monotonic_ns()
        item = pack(kind, number, length, now, key=key)
        self._sent.add(Item(kind, key, number, now, 0, len(item)))
        if not self._way.send(kind, item, key=key):
            self.counts["not_taken"] += 1

    def _take(self) -> None:
        for data in self._way.receive():
            try:
                item = unpack(data, time.monotonic_ns())
            except ValueError:
                self.counts["broken"] += 1
                continue
            self._received.add(item)
            if item.kind is Kind.CONTROL:
                self._send(Kind.CONTROL_BACK, item.number)

    def write(self, log: Path) -> None:
        self._sent.write(log.with_suffix(".sent"))
        self._received.write(log.with_suffix(".received"))


def cpu_s(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def main() -> None:
    system, given, log = sys.argv[1:]
    # As the media plane's threads: a busy machine must not be taken for a bad link.
    with contextlib.suppress(PermissionError):
        os.nice(-10)
    options = Options(**json.loads(given))
    way = make(system, options)
    try:
        way.connect()
        print("ready", flush=True)
        begin_ns, seconds, seed = sys.stdin.readline().split()
        end = End(way, options, int(seed))
        before_s = cpu_s(resource.RUSAGE_SELF)
        end.run(int(begin_ns), float(seconds))
        told: dict[str, Any] = {"figures": way.figures(), "late_max_ms": round(end.late_max_ms, 1), **end.counts}
        end.write(Path(log))
    finally:
        way.close()
    # Programs of others that the way ran are counted when they have ended.
    told["cpu_s"] = cpu_s(resource.RUSAGE_SELF) - before_s + cpu_s(resource.RUSAGE_CHILDREN)
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
