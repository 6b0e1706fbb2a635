"""How long an answer is waited for: as long as something goes on the wire, on a thin link longer than on a good one.

32 KiB take four seconds at 64 kb/s; a time-out that does not know that ends the connection, and the next one begins
with the same 32 KiB. What counts is that bytes are read, written, or acknowledged by the far side's kernel.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from collections.abc import Callable
from types import TracebackType

MOST_TIMES = 60
"""The time of an answer, so often at most: a broker that takes everything and never answers is none."""

LOOKS = 8

BUSY_TIMES = 2
"""And so often where all that we sent has arrived at the far side's kernel: the link is good, the broker works. A node
of a cluster waits for its store: NATS for five seconds, and hanging up before that is to begin anew for nothing."""

Progress = Callable[[], object]
"""Something that differs when anything has moved since."""


class Patience:
    """`async with Patience(answer_s, progress):` raises TimeoutError when nothing moved for `answer_s`, or an eighth
    more: it is looked eight times in it. `arrived`: whether the far side has all that we sent."""

    def __init__(self, answer_s: float, progress: Progress, arrived: Callable[[], bool] = lambda: False) -> None:
        self._answer_s = answer_s
        self._progress = progress
        self._arrived = arrived
        self._limit = asyncio.timeout(answer_s)

    async def __aenter__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._moved_at = self._loop.time()
        self._end = self._began + self._answer_s * MOST_TIMES
        await self._limit.__aenter__()
        self._before = self._progress()
        self._later = self._loop.call_later(self._answer_s / LOOKS, self._look)

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._later.cancel()
        await self._limit.__aexit__(kind, exc, trace)

    def _look(self) -> None:
        if self._limit.expired():
            return
        now, time = self._progress(), self._loop.time()
        if now != self._before:
            self._before, self._moved_at = now, time
        until = self._moved_at + self._answer_s
        if self._arrived():
            # From the beginning, not from the last move: pings and figures go to and fro whoever forgot to answer.
            until = max(until, self._began + self._answer_s * BUSY_TIMES)
        self._limit.reschedule(max(time, min(until, self._end)))
        self._later = self._loop.call_later(self._answer_s / LOOKS, self._look)


def unacknowledged(descriptor: int) -> int:
    """Bytes in a socket's send queue that the far side's kernel has not acknowledged; 0 where that can not be told."""
    try:
        told = fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0" * 4)  # SIOCOUTQ, tcp(7) and unix(7)
    except (OSError, ValueError):
        return 0
    return int(struct.unpack("i", told)[0])
