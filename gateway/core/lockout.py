"""How often somebody may guess: a name is locked for the place that guesses, much later for everybody.

So that nobody can lock the administrator out from elsewhere, failures count for name and place together; only
`EVERYBODY` times as many, from wherever, lock the name itself. A place is an IPv4 address, or a /64 of IPv6.

Sans-IO, in memory, bounded, and nothing that was counted is thrown away to make room for what is new: whoever tries
one name after another is soon counted as a place, whatever the name; when the table is full, newcomers are counted by
their network, and names that nobody has tried yet by one of `BASKETS`.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.base.place import network_of, place_of

if TYPE_CHECKING:
    from gateway.config.root import Accounts as AccountsConfig

EVERYBODY = 10
LONGEST_S = 900.0
FORGET_S = 3600.0
MAX_KEYS = 4096
MAX_NAMES = 16
"""Of one place; further ones count for the place."""
MAX_NETWORKS = 1024
BASKETS = 256
MAX_NAME = 128

ANY = "*"
"""Whatever the name, or wherever from; names from outside are kept apart from it."""

Key = tuple[str, str]


@dataclass(slots=True)
class _Count:
    failures: int = 0
    locks: int = 0
    until: float = 0.0
    last: float = 0.0


class _Table:
    """Counts in the order of their last failure."""

    def __init__(self, most: int, dropped: Callable[[Key], None] = lambda _: None) -> None:
        self._most = most
        self._dropped = dropped
        self._counts: OrderedDict[Key, _Count] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        return key in self._counts

    def __len__(self) -> int:
        return len(self._counts)

    def until(self, key: Key) -> float:
        count = self._counts.get(key)
        return count.until if count is not None else 0.0

    def full(self, now: float) -> bool:
        """With what is forgotten by now gone. A lock is shorter than the time after which it is."""
        while self._counts:
            key, count = next(iter(self._counts.items()))
            if now - count.last <= FORGET_S:
                break
            self.drop(key)
        return len(self._counts) >= self._most

    def drop(self, key: Key) -> None:
        if self._counts.pop(key, None) is not None:
            self._dropped(key)

    def drop_earliest(self) -> None:
        self.drop(min(self._counts, key=lambda key: (self._counts[key].until, self._counts[key].last)))

    def failed(self, key: Key, now: float, most: int, lock_s: float) -> None:
        count = self._counts.setdefault(key, _Count())
        self._counts.move_to_end(key)
        if now - count.last > FORGET_S:
            count.failures = count.locks = 0
        count.failures += 1
        count.last = now
        if count.failures >= most:
            count.until = now + min(LONGEST_S, lock_s * 2 ** min(count.locks, 16))
            count.locks += 1
            count.failures = 0


class Lockout:
    def __init__(self, clock: Clock, config: Callable[[], AccountsConfig]) -> None:
        self._now = clock.monotonic
        self._config = config
        self._salt = secrets.token_hex(8)
        self._names: dict[str, set[str]] = {}
        """Of each place, those in the table."""
        self._places = _Table(MAX_KEYS, self._left_table)
        self._networks = _Table(MAX_NETWORKS)
        self._everybody = _Table(MAX_KEYS)
        self._baskets = _Table(BASKETS)

    def left(self, name: str, address: str) -> float:
        """Seconds for which nothing is tried; 0 when free."""
        now, place = self._now(), place_of(address)
        ends = [
            self._places.until((ANY, place)),
            self._everybody.until(self._everybody_key(name)),
            self._baskets.until(self._basket(name)),
        ]
        table, key = self._where(name, place, now)
        return max(0.0, *(until - now for until in (*ends, table.until(key))))

    def failed(self, name: str, address: str, *, everybody: bool = True, times: int = 1) -> None:
        """`everybody` False: `name` is no one's own, so nobody but the place is ever locked. `times` as many are
        taken."""
        config, now, place = self._config(), self._now(), place_of(address)
        table, key = self._where(name, place, now)
        if table is self._networks and key not in table and table.full(now):
            table.drop_earliest()  # thousands of networks guess together: their locks end a little sooner
        table.failed(key, now, config.lock_after * times, config.lock_for)
        if table is self._places and key[0] != ANY:
            self._names.setdefault(place, set()).add(key[0])
        if everybody:
            key = self._everybody_key(name)
            table = self._everybody
            if key not in table and table.full(now):
                table, key = self._baskets, self._basket(name)
            table.failed(key, now, config.lock_after * EVERYBODY, config.lock_for)

    def passed(self, name: str, address: str) -> None:
        """Forgiven is the name, never the place: who has a password of their own must not guess others' with it."""
        self._places.drop((_kept(name), place_of(address)))
        if not address:
            self._everybody.drop(self._everybody_key(name))

    def _where(self, name: str, place: str, now: float) -> tuple[_Table, Key]:
        """What counts for a name tried from a place."""
        kept = _kept(name)
        if (kept, place) in self._places:
            return self._places, (kept, place)
        if (ANY, place) in self._places:
            return self._places, (ANY, place)
        if self._places.full(now):
            return self._networks, (ANY, network_of(place))
        if len(self._names.get(place, ())) >= MAX_NAMES:
            return self._places, (ANY, place)
        return self._places, (kept, place)

    @staticmethod
    def _everybody_key(name: str) -> Key:
        return _kept(name), ANY

    def _basket(self, name: str) -> Key:
        """Nobody outside can say which other names share it."""
        return str(hash((self._salt, _kept(name))) % BASKETS), ANY

    def _left_table(self, key: Key) -> None:
        name, place = key
        names = self._names.get(place)
        if names is not None:
            names.discard(name)
            if not names:
                del self._names[place]


def _kept(name: str) -> str:
    """Names come from outside, of any length, and may be "*"."""
    return f"={name[:MAX_NAME]}"
