"""Sends a center what waits for it in the outbox, and lets go only of what the center says it has for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING

from adapters.mqtt.connection import Connection
from adapters.mqtt.protocol import messages
from adapters.mqtt.protocol.messages import Ack, Events
from adapters.mqtt.protocol.topics import Kind, Topic
from adapters.mqtt.protocol.window import Window
from adapters.mqtt.seals import SealOf, closed
from gateway.base.clock import Clock
from gateway.contract.forward import OutboxSide
from gateway.model.forward import Event, Rank
from gateway.wire.sharing import may_have

if TYPE_CHECKING:
    from adapters.mqtt.kit import Figures

BATCH = 32
BATCH_BYTES = 32 * 1024
"""Of bodies in one message: what is lost on the way is sent again whole."""
LOOK_EVERY_S = 5.0
"""Rows may be put by a transaction that woke us before it was done."""


class Sender:
    """`center` "": for whichever center answers. `scope`: what it may see; the rest of what waits is let go."""

    def __init__(
        self,
        gateway: str,
        center: str,
        side: OutboxSide,
        window: int,
        clock: Clock,
        figures: Figures,
        seals: SealOf,
        scope: str = "",
    ) -> None:
        self._scope = scope
        self._seals = seals
        self._gateway = gateway
        self._center = center
        self._side = side
        self._clock = clock
        self._figures = figures
        self._window = Window(window)
        self._urgent: set[str] = set()
        self._answered: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._acked = asyncio.Event()
        self._there = True
        self.on_more: Callable[[], None] = lambda: None
        self.calm = asyncio.Event()
        """Nothing that goes before files is under way."""
        self.calm.set()

    async def run(self, connection: Connection) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send(connection))
            tasks.create_task(self._let_go())
            tasks.create_task(self._woken())

    def acknowledged(self, ack: Ack) -> None:
        """`refused` ones go as well: they would be refused for ever."""
        self._answered.update(dict.fromkeys(ack.ids, ""))
        self._answered.update(ack.refused)
        self._acked.set()

    def center(self, there: bool, *, came: bool) -> None:
        """The center says that it is there, or its will that it is not. One that came anew has lost what was on its
        way to the one before."""
        self._there = there
        if came:
            self._window.reset()
        self._wake.set()

    def reset(self) -> None:
        """The connection ended: whatever was under way is sent again by the next."""
        self._window.reset()
        self._urgent.clear()
        self.calm.set()

    async def _send(self, connection: Connection) -> None:
        while True:
            self._wake.clear()
            now = self._clock.monotonic()
            # What the outbox has dropped meanwhile is never acknowledged: nothing waits for it.
            self._eased(self._window.handle_timer(now))
            events: Sequence[Event] = ()
            if self._there and self._window.room > 0:
                events = await self._theirs(await self._side.waiting(self._window.room, self._window.ids))
            if events:
                self._note(events)
                for severity, batch in _batches(events):
                    await self._publish(connection, severity, batch)
                continue
            due = self._window.next_timer()
            wait = LOOK_EVERY_S if due is None else min(LOOK_EVERY_S, max(0.0, due - now))
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    async def _theirs(self, events: Sequence[Event]) -> Sequence[Event]:
        theirs = [event for event in events if may_have(self._scope, event.body)]
        if len(theirs) < len(events):
            mine = {event.id for event in theirs}
            await self._side.acknowledge([event.id for event in events if event.id not in mine])
            self._wake.set()  # there may be more behind them
        return theirs

    async def _publish(self, connection: Connection, severity: str, batch: list[Event]) -> None:
        # Before it is sent: the center may answer before the broker does.
        self._window.sent((event.id for event in batch), self._clock.monotonic())
        self._figures.events_sent += len(batch)
        topic = str(Topic(self._gateway, Kind.EVENT, severity))
        told = messages.events_bytes(Events(self._center, self._side.batch(batch)))
        await connection.publish(topic, closed(self._seals(self._center), topic, told))

    def _note(self, events: Sequence[Event]) -> None:
        self._urgent.update(event.id for event in events if event.rank < Rank.LATER)
        if self._urgent:
            self.calm.clear()

    async def _let_go(self) -> None:
        """Acknowledged ones leave the outbox, many in one transaction; in the window they stay until that is done, so
        that they are not sent once more meanwhile."""
        while True:
            await self._acked.wait()
            self._acked.clear()
            answered, self._answered = self._answered, {}
            await self._side.acknowledge(list(answered))
            self._figures.events_acknowledged += sum(1 for code in answered.values() if not code)
            self._figures.events_refused += sum(1 for code in answered.values() if code)
            self._window.acknowledged(answered)
            self._eased(answered)
            self._wake.set()

    def _eased(self, ids: Iterable[str]) -> None:
        self._urgent.difference_update(ids)
        if not self._urgent:
            self.calm.set()

    async def _woken(self) -> None:
        while True:
            await self._side.more()
            self._wake.set()
            self.on_more()


def _batches(events: Sequence[Event]) -> list[tuple[str, list[Event]]]:
    """In their order, neighbours of one severity together, none too large."""
    found: list[tuple[str, list[Event]]] = []
    for severity, run in groupby(events, key=lambda event: event.severity):
        batch: list[Event] = []
        size = 0
        for event in run:
            if batch and (len(batch) >= BATCH or size + len(event.body) > BATCH_BYTES):
                found.append((severity, batch))
                batch, size = [], 0
            batch.append(event)
            size += len(event.body)
        found.append((severity, batch))
    return found
