"""How often somebody may guess: a name is locked for the address that guesses, much later for everybody.

So that nobody can lock the administrator out from elsewhere, failures count for name and address together; only
`EVERYBODY` times as many, from wherever, lock the name itself. Sans-IO, in memory, bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.base.clock import Clock

if TYPE_CHECKING:
    from gateway.config.root import Accounts as AccountsConfig

EVERYBODY = 10
LONGEST_S = 900.0
FORGET_S = 3600.0
MAX_KEYS = 4096


@dataclass(slots=True)
class _Count:
    failures: int = 0
    locks: int = 0
    until: float = 0.0
    last: float = 0.0


class Lockout:
    def __init__(self, clock: Clock, config: Callable[[], AccountsConfig]) -> None:
        self._now = clock.monotonic
        self._config = config
        self._counts: OrderedDict[tuple[str, str], _Count] = OrderedDict()

    def left(self, name: str, address: str) -> float:
        """Seconds for which nothing is tried; 0 when free."""
        now = self._now()
        keys = ((name, address), (name, "*"))
        return max(0.0, *(self._counts[key].until - now for key in keys if key in self._counts), 0.0)

    def failed(self, name: str, address: str, *, everybody: bool = True) -> None:
        """`everybody` False: `name` is no one's own, so nobody but the address is ever locked."""
        config = self._config()
        self._count((name, address), config.lock_after, config.lock_for)
        if everybody:
            self._count((name, "*"), config.lock_after * EVERYBODY, config.lock_for)

    def passed(self, name: str, address: str) -> None:
        self._counts.pop((name, address), None)
        if not address:
            self._counts.pop((name, "*"), None)

    def _count(self, key: tuple[str, str], most: int, lock_s: float) -> None:
        now = self._now()
        count = self._counts.setdefault(key, _Count())
        self._counts.move_to_end(key)
        if now - count.last > FORGET_S:
            count.failures = count.locks = 0
        count.failures += 1
        count.last = now
        if count.failures >= most:
            count.until = now + min(LONGEST_S, lock_s * 2**count.locks)
            count.locks += 1
            count.failures = 0
        if len(self._counts) > MAX_KEYS:
            self._counts.popitem(last=False)
