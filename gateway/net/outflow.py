"""A subscription of somebody who takes a stream as it is, or as it can be made: it stays on what suits while the
source changes its codecs, comes and goes. For outputs that follow the plane's `move_subscription`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from gateway import codecs
from gateway.base.errors import GatewayError
from gateway.model.ids import StreamId
from gateway.model.media import StreamStatus, Track

log = logging.getLogger(__name__)


class Plane(Protocol):
    """What of `contract.media.Media` is used."""

    @property
    def engine(self) -> codecs.Engine: ...
    def on_subscription(self, subscription: int, handler: Callable[[codecs.SubscriptionEvent], None]) -> None: ...
    def forget_subscription(self, subscription: int) -> None: ...
    def forget_wire(self, wire: int) -> None: ...


class Viewed(Protocol):
    """What of `contract.media.Viewing`."""

    @property
    def stream(self) -> StreamId: ...
    def changes(self) -> AsyncIterator[StreamStatus]: ...


class Suited(Protocol):
    @property
    def handle(self) -> int: ...


class Outflow:
    """One output of one viewing. `suits` is its `suited` with what the far side takes."""

    def __init__(self, media: Plane, viewing: Viewed, suits: Callable[[], Awaitable[Suited]]) -> None:
        self._media = media
        self._viewing = viewing
        self._suits = suits
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._again = asyncio.Event()
        self._handle = 0
        self.subscription = 0

    async def run(self, begin: Callable[[int], int]) -> str:
        """`begin(stream)` subscribes and returns the handle. Until the far side ends: why. Raises what `suited` raises
        and what `begin` does."""
        suited = await self._suits()
        self._handle = suited.handle
        self.subscription = begin(suited.handle)
        self._media.on_subscription(self.subscription, self._heard)
        follow = asyncio.create_task(self._follow(), name=f"{self._viewing.stream} follows")
        try:
            await asyncio.wait({self._over, follow}, return_when=asyncio.FIRST_COMPLETED)
            return self._over.result() if self._over.done() else follow.result()
        finally:
            await _ended(follow)
            self._media.forget_subscription(self.subscription)
            self._media.forget_wire(self.subscription)
            self._media.engine.unsubscribe(self.subscription)

    def _heard(self, event: codecs.SubscriptionEvent) -> None:
        if event.state != "refused":
            return
        if event.code == "link-down":
            if not self._over.done():
                self._over.set_result(event.code)
        else:
            # The source's codecs changed to what can not be carried: ask what suits now.
            self._again.set()

    async def _follow(self) -> str:
        """Ends when the stream is no more."""
        changes = asyncio.create_task(self._changes(), name=f"{self._viewing.stream} changes")
        asked = asyncio.create_task(self._ask(), name=f"{self._viewing.stream} suits")
        try:
            await asyncio.wait({changes, asked}, return_when=asyncio.FIRST_COMPLETED)
            return changes.result() if changes.done() else asked.result()
        finally:
            await _ended(changes, asked)

    async def _changes(self) -> str:
        known: tuple[Track, ...] | None = None
        async for status in self._viewing.changes():
            if status.tracks and known is not None and status.tracks != known:
                self._again.set()
            known = status.tracks or known
        return "not-found"

    async def _ask(self) -> str:
        while True:
            await self._again.wait()
            self._again.clear()
            try:
                suited = await self._suits()
            except GatewayError as exc:
                log.info("%s can not go on as it is: %s", self._viewing.stream, exc)
                return exc.code
            if suited.handle != self._handle:
                self._handle = suited.handle
                self._media.engine.move_subscription(self.subscription, suited.handle)


async def _ended(*tasks: asyncio.Task[str]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
