"""Which of a trunk's servers is tried when: in their order, each with its own backoff. Sans-IO."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Server:
    failures: int = 0
    not_before: float = 0.0


class ServerList:
    """The first one is preferred. A failed one waits `first_s`, doubling to `most_s`, ±20 %."""

    def __init__(
        self,
        count: int,
        *,
        first_s: float,
        most_s: float,
        spread: Callable[[], float] = lambda: random.uniform(0.8, 1.2),
    ) -> None:
        self._servers = [_Server() for _ in range(count)]
        self._first_s = first_s
        self._most_s = most_s
        self._spread = spread

    def choose(self, now: float) -> tuple[int, float]:
        """`(index, seconds to wait before it)`: the best one that may be tried now, else the one that may first."""
        for index, server in enumerate(self._servers):
            if server.not_before <= now:
                return index, 0.0
        index = min(range(len(self._servers)), key=lambda one: self._servers[one].not_before)
        return index, self._servers[index].not_before - now

    def failed(self, index: int, now: float, least_s: float = 0.0) -> None:
        server = self._servers[index]
        wait = min(self._most_s, self._first_s * 2.0 ** min(server.failures, 16)) * self._spread()
        server.failures += 1
        server.not_before = now + max(least_s, wait)

    def works(self, index: int) -> None:
        self._servers[index] = _Server()

    def retry_all(self) -> None:
        """Our own address changed: what failed before may work now."""
        for server in self._servers:
            server.not_before = 0.0
