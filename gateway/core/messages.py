"""The bus: events in one order with a cursor, a ring for those who come back, a bounded queue for each who listens.

A subscriber whose queue is full loses what waits in it, is told how much (`Missed`) and goes on from there: it reads
the lists anew. Nobody who listens slowly holds up anybody else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gateway.core.facts import BusEvent, Missed
from gateway.core.rights import at_least, in_scope
from gateway.model.principal import Principal, Role

RING = 2048
QUEUE = 1024

# Who hears what: events of these types only from this role up.
_LEAST = {"pending": Role.TECHNICIAN, "adapter": Role.TECHNICIAN, "call": Role.OPERATOR} | dict.fromkeys(
    ("text-in", "text-out", "text-carrier"), Role.OPERATOR
)


class Subscription:
    """One listener's queue. Iterate it; it ends when its context is left."""

    def __init__(self, who: Principal, types: Sequence[str], bound: int) -> None:
        self._who = who
        self._types = frozenset(types)
        self._bound = bound
        self._waiting: deque[BusEvent | Missed] = deque()
        self._wake = asyncio.Event()
        self._closed = False

    def hears(self, type_: str) -> bool:
        return not self._types or type_ in self._types

    def wants(self, event: BusEvent) -> bool:
        if not self.hears(event.type):
            return False
        # Events without a subject that are not for everybody (accounts, adapters) are held back by role.
        if event.type in _LEAST and not at_least(self._who.role, _LEAST[event.type]):
            return False
        if event.only and event.only != self._who.name:
            return False
        subject = event.within or event.subject
        return in_scope(self._who, subject) if subject else True

    def put(self, event: BusEvent | Missed) -> None:
        if len(self._waiting) >= self._bound:
            lost = sum(e.events if isinstance(e, Missed) else 1 for e in self._waiting)
            self._waiting.clear()
            self._waiting.append(Missed(lost))
        self._waiting.append(event)
        self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[BusEvent | Missed]:
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._closed:
                return
            self._wake.clear()
            await self._wake.wait()


class Bus:
    """On the event loop only."""

    def __init__(self, *, ring: int = RING, queue: int = QUEUE) -> None:
        self._ring: deque[BusEvent] = deque(maxlen=ring)
        self._queue = queue
        self._cursor = 0
        self._subscriptions: set[Subscription] = set()
        self._heeds: dict[str, list[Callable[[], None]]] = {}
        self.on_subscribed: Callable[[], None] = lambda: None
        """Somebody listens who did not."""

    @property
    def cursor(self) -> int:
        return self._cursor

    @property
    def listeners(self) -> int:
        return len(self._subscriptions)

    def wanted(self, type_: str) -> bool:
        """Whether anybody listens to events of this type."""
        return any(subscription.hears(type_) for subscription in self._subscriptions)

    def heed(self, types: Sequence[str], called: Callable[[], None]) -> None:
        """`called` after each event of these types, at once; for good. It takes no time, and looks later."""
        for type_ in types:
            self._heeds.setdefault(type_, []).append(called)

    def publish(
        self,
        type_: str,
        subject: str,
        data: Any,
        *,
        gone: bool = False,
        transient: bool = False,
        within: str = "",
        only: str = "",
    ) -> None:
        """`transient` ones (live figures) are worth nothing later: not kept for replay, the cursor stays."""
        if transient:
            event = BusEvent(self._cursor, type_, subject, data, gone, within, only)
        else:
            self._cursor += 1
            event = BusEvent(self._cursor, type_, subject, data, gone, within, only)
            self._ring.append(event)
        for subscription in self._subscriptions:
            if subscription.wants(event):
                subscription.put(event)
        for called in self._heeds.get(type_, ()):
            called()

    @contextmanager
    def _subscribed(self, subscription: Subscription) -> Iterator[Subscription]:
        self._subscriptions.add(subscription)
        self.on_subscribed()
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            subscription.close()

    def subscribe(self, who: Principal, *, cursor: int | None = None, types: Sequence[str] = ()) -> _Held:
        subscription = Subscription(who, types, self._queue)
        if cursor is not None:
            oldest = self._ring[0].cursor if self._ring else self._cursor + 1
            if cursor > self._cursor:
                # A cursor of another life of the daemon.
                subscription.put(Missed(0))
                cursor = 0
            elif cursor < oldest - 1:
                subscription.put(Missed(oldest - 1 - cursor))
            for event in self._ring:
                if event.cursor > cursor and subscription.wants(event):
                    subscription.put(event)
        return _Held(self, subscription)

    def close(self) -> None:
        """Every subscription ends."""
        for subscription in list(self._subscriptions):
            subscription.close()


class _Held:
    """The asynchronous context of one subscription."""

    def __init__(self, bus: Bus, subscription: Subscription) -> None:
        self._held = bus._subscribed(subscription)

    async def __aenter__(self) -> Subscription:
        return self._held.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        self._held.__exit__(None, None, None)
