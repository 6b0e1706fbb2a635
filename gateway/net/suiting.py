"""A subscription kept on what suits its reader while the source changes its codecs: `Viewing.suited` is asked again,
and the media plane moves the subscription where the answer is another stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Generic, Protocol, TypeVar

from gateway import codecs
from gateway.base.errors import GatewayError, NotFound
from gateway.model.ids import StreamId
from gateway.model.media import StreamState, StreamStatus

log = logging.getLogger(__name__)

SETTLED_S = 3.0
"""A source that is to be opened again is back so soon, if it is there."""


class Plane(Protocol):
    """What of `contract.media.Media` is used."""

    @property
    def engine(self) -> codecs.Engine: ...
    def on_subscription(self, subscription: int, handler: Callable[[codecs.SubscriptionEvent], None]) -> None: ...
    def forget_subscription(self, subscription: int) -> None: ...


class Viewed(Protocol):
    """What of `contract.media.Viewing`."""

    @property
    def stream(self) -> StreamId: ...
    def changes(self) -> AsyncIterator[StreamStatus]: ...


class Fitting(Protocol):
    """What of `contract.media.Suited`."""

    @property
    def handle(self) -> int: ...
    @property
    def converted(self) -> str: ...


S = TypeVar("S", bound=Fitting)


async def settled(viewing: Viewed, patience_s: float = SETTLED_S) -> None:
    """For a reader that can be told of its codecs but once: until a source that is away, and known from before, is
    back and says what it sends now, which may be something else. After `patience_s` what it sent is taken for true."""
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_s), aclosing(viewing.changes()) as changes:  # type: ignore[type-var]
            async for status in changes:
                if status.state in (StreamState.LIVE, StreamState.REMOVED) or status.code == "audio-only":
                    return


class Suiting(Generic[S]):
    """For one subscription, of a viewing over `over` (the protocol, for the log)."""

    def __init__(self, media: Plane, viewing: Viewed, over: str, suits: Callable[[], Awaitable[S]]) -> None:
        """`suits` is the viewing's `suited` with what the reader takes."""
        self._media = media
        self._viewing = viewing
        self._over = over
        self._suits = suits
        self._again = asyncio.Event()
        self._tracks: tuple[tuple[str, int], ...] = ()
        self._handle = 0

    async def keep(
        self,
        subscription: int,
        handle: int,
        *,
        first: Awaitable[S] | None = None,
        told: Callable[[S], None] | None = None,
        left: Callable[[], None] | None = None,
        patient: bool = True,
    ) -> None:
        """Until cancelled. `handle` is the stream that it is on; `first` is what suits, where that was asked already
        and is not yet known. `told` hears every answer, `left` that the far side is gone.

        Raises NotFound when the stream is no more, what `first` raises, and without `patient` what `suits` raises:
        else the subscription stays where it is, and the stream's next change asks again."""

        def heard(event: codecs.SubscriptionEvent) -> None:
            if event.state in ("congested", "recovered"):
                log.info("%s over %s: %s", self._viewing.stream, self._over, event.state)
            elif event.state == "refused" and event.code != "link-down":
                # The source's codecs changed to what can not be carried.
                self._again.set()
            elif event.state == "refused" and left is not None:
                left()

        self._handle = handle
        self._media.on_subscription(subscription, heard)
        try:
            if first is not None:
                self._take(subscription, await first, told)
            await self._kept(subscription, told, patient=patient)
        finally:
            self._media.forget_subscription(subscription)

    async def _kept(self, subscription: int, told: Callable[[S], None] | None, *, patient: bool) -> None:
        follow = asyncio.create_task(self._follow(), name=f"{self._viewing.stream} follows")
        try:
            while True:
                asked = asyncio.create_task(self._again.wait())
                try:
                    done, _ = await asyncio.wait({asked, follow}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    asked.cancel()
                if follow in done:
                    follow.result()
                    raise NotFound(f"{self._viewing.stream} is no more")
                self._again.clear()
                try:
                    suited = await self._suits()
                except GatewayError as exc:
                    if not patient:
                        raise
                    log.warning("%s over %s: %s (%s)", self._viewing.stream, self._over, exc, exc.code)
                else:
                    self._take(subscription, suited, told)
        finally:
            follow.cancel()
            await asyncio.gather(follow, return_exceptions=True)

    async def _follow(self) -> None:
        """Ends when the stream is no more."""
        async with aclosing(self._viewing.changes()) as changes:  # type: ignore[type-var]
            async for status in changes:
                if status.state is StreamState.REMOVED:
                    return
                tracks = tuple((track.codec.value, track.generation) for track in status.tracks)
                if tracks and tracks != self._tracks:
                    self._tracks = tracks
                    self._again.set()

    def _take(self, subscription: int, suited: S, told: Callable[[S], None] | None) -> None:
        if suited.handle != self._handle:
            log.info("%s over %s: %s", self._viewing.stream, self._over, suited.converted or "as it is")
            self._handle = suited.handle
            self._media.engine.move_subscription(subscription, suited.handle)
        if told is not None:
            told(suited)
