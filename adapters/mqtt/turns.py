"""What waits of many kits, served in turn: one that sends a flood waits behind itself and keeps nobody else waiting."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_EACH = 16
EACH_BYTES = 1 << 20
"""Of one kit; a single message may be larger."""
ALL_BYTES = 64 << 20


class Turns(Generic[T]):
    """`put` from the loop; workers `take` and say `done`. A kit's messages are worked on in their order, one at a
    time."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[tuple[T, int]]] = {}
        self._bytes: dict[str, int] = {}
        self._all_bytes = 0
        self._turn: deque[str] = deque()
        self._at_work: set[str] = set()
        self._more = asyncio.Semaphore(0)

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._waiting.values())

    def put(self, kit: str, thing: T, size: int) -> bool:
        """False: there is no room for it."""
        waiting = self._waiting.get(kit)
        held = self._bytes.get(kit, 0)
        if waiting and (len(waiting) >= MOST_EACH or held + size > EACH_BYTES):
            return False
        if self._all_bytes + size > ALL_BYTES:
            return False
        if waiting is None:
            waiting = self._waiting[kit] = deque()
            if kit not in self._at_work:
                self._its_turn(kit)
        waiting.append((thing, size))
        self._bytes[kit] = held + size
        self._all_bytes += size
        return True

    async def take(self) -> tuple[str, T]:
        """The next kit's first; that kit has no other turn until it is `done`."""
        await self._more.acquire()
        kit = self._turn.popleft()
        waiting = self._waiting[kit]
        thing, size = waiting.popleft()
        self._bytes[kit] -= size
        self._all_bytes -= size
        self._at_work.add(kit)
        if not waiting:
            del self._waiting[kit], self._bytes[kit]
        return kit, thing

    def done(self, kit: str) -> None:
        self._at_work.discard(kit)
        if kit in self._waiting:
            self._its_turn(kit)

    def _its_turn(self, kit: str) -> None:
        self._turn.append(kit)
        self._more.release()
