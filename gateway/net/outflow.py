"""An output that a subscription is all of (SRT, transport streams): begun on what suits, kept on it, until the far side
or the stream ends, or nothing suits any more. What it was begun with it stays: FFmpeg's reader of transport streams
goes on to decode the first codec when another one comes under its PID, and shows nothing of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from gateway.base.errors import GatewayError
from gateway.model.media import Track
from gateway.net import suiting
from gateway.net.suiting import Fitting, Suiting, Viewed, settled

log = logging.getLogger(__name__)


class Plane(suiting.Plane, Protocol):
    def forget_wire(self, wire: int) -> None: ...


class Begun(Fitting, Protocol):
    @property
    def tracks(self) -> Sequence[Track]: ...


Suits = Callable[[Sequence[Track]], Awaitable[Begun]]


class Outflow:
    """One output of one viewing. `suits` is its `suited` with what the far side takes, having been begun with these
    tracks (`Needs.begun`); none: it is still to begin."""

    def __init__(self, media: Plane, viewing: Viewed, over: str, suits: Suits) -> None:
        self._media = media
        self._viewing = viewing
        self._over = over
        self._suits = suits

    async def run(self, begin: Callable[[int], int]) -> str:
        """`begin(stream)` subscribes and returns the handle. Until the far side ends: why. Raises what `suited` raises
        at first and what `begin` does."""
        await settled(self._viewing)
        suited = await self._suits(())
        tracks = suited.tracks

        async def suits() -> Fitting:
            return await self._suits(tracks)

        subscription = begin(suited.handle)
        gone = asyncio.Event()
        kept = Suiting(self._media, self._viewing, self._over, suits)
        keep = asyncio.create_task(kept.keep(subscription, suited.handle, left=gone.set, patient=False))
        left = asyncio.create_task(gone.wait())
        try:
            await asyncio.wait({keep, left}, return_when=asyncio.FIRST_COMPLETED)
            if left.done():
                return "link-down"
            keep.result()
            raise AssertionError("it never ends by itself")
        except GatewayError as exc:
            log.info("%s over %s can not go on as it is: %s", self._viewing.stream, self._over, exc)
            return exc.code
        finally:
            for task in (keep, left):
                task.cancel()
            await asyncio.gather(keep, left, return_exceptions=True)
            self._media.forget_wire(subscription)
            self._media.engine.unsubscribe(subscription)
