"""An output that a subscription is all of (SRT, transport streams): begun on what suits, kept on it, until the far side
or the stream ends, or nothing suits any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.base.errors import GatewayError
from gateway.net import suiting
from gateway.net.suiting import Fitting, Suiting, Viewed

log = logging.getLogger(__name__)


class Plane(suiting.Plane, Protocol):
    def forget_wire(self, wire: int) -> None: ...


class Outflow:
    """One output of one viewing. `suits` is its `suited` with what the far side takes."""

    def __init__(self, media: Plane, viewing: Viewed, over: str, suits: Callable[[], Awaitable[Fitting]]) -> None:
        self._media = media
        self._viewing = viewing
        self._over = over
        self._suits = suits

    async def run(self, begin: Callable[[int], int]) -> str:
        """`begin(stream)` subscribes and returns the handle. Until the far side ends: why. Raises what `suited` raises
        at first and what `begin` does."""
        suited = await self._suits()
        subscription = begin(suited.handle)
        gone = asyncio.Event()
        kept = Suiting(self._media, self._viewing, self._over, self._suits)
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
