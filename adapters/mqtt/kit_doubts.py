"""What a cluster took late, and may not have kept: NATS acknowledges what it is to retain also where its store did not
answer, when it has waited for that (`js_api_timeout`). So what took that long is said again after a while, and after
twice as long each time that it goes on so: a store that has too much to do must not get more of it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable

LATE_S = 1.5
"""Less than `js_api_timeout` of our configuration (`nats.py`). A thin link is as slow, and says a message in vain."""
FIRST_S, MOST_S = 3.0, 60.0
"""It is said again after so long, or up to twice that."""


class Doubts:
    """`cluster`: the brokers are one; a single broker has what it acknowledges. Names are whoever's that calls."""

    def __init__(self, *, cluster: bool) -> None:
        self._cluster = cluster
        self._chance = random.Random()
        self._names: set[str] = set()
        self._some = asyncio.Event()

    def took(self, names: Iterable[str], seconds: float) -> bool:
        """They were acknowledged after so long. Whether that is to be believed."""
        if not self._cluster or seconds < LATE_S:
            self._names.difference_update(names)
            return True
        self._names.update(names)
        self._some.set()
        return False

    async def run(self, say: Callable[[frozenset[str]], Awaitable[None]]) -> None:
        """While a connection stands; `say` says those again, and tells `took`."""
        pause = FIRST_S
        while True:
            await self._some.wait()
            await asyncio.sleep(self._chance.uniform(pause, 2 * pause))
            self._some.clear()
            names = frozenset(self._names)
            self._names.clear()
            if names:
                await say(names)
            pause = min(2 * pause, MOST_S) if self._some.is_set() else FIRST_S
