"""A way in for one source's packets, as an adapter holds it: what the media plane tells of it, to be awaited."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from gateway import codecs
from gateway.base.errors import LinkDown
from gateway.core.mediaplane import MediaPlane

log = logging.getLogger(__name__)

_MEANINGS = {"eof": "source-ended", "": "source-ended"}


class Leg:
    """Fulfils `contract.media.IngestLeg`. `told` hears "media", "frames", "stalled" and problems as they come."""

    def __init__(
        self, plane: MediaPlane, handle: int, patience_s: float, told: Callable[[codecs.LegEvent], None]
    ) -> None:
        self._plane = plane
        self._handle = handle
        self._patience_s = patience_s
        self._told = told
        loop = asyncio.get_running_loop()
        self._media: asyncio.Future[str] = loop.create_future()
        self._ended: asyncio.Future[str] = loop.create_future()
        self._patience: asyncio.TimerHandle | None = None
        plane.on_leg(handle, self._heard)

    @property
    def handle(self) -> int:
        return self._handle

    @property
    def end_code(self) -> str:
        """Why it ended; empty while it has not."""
        return self._ended.result() if self._ended.done() else ""

    def attach_tcp(self, connection: socket.socket, initial: bytes = b"") -> None:
        self._plane.engine.attach_tcp(self._handle, connection.detach(), "rfc4571", initial=initial)

    async def first_media(self, timeout_s: float) -> str:
        """The payload found. Raises LinkDown with `no-media`, or with why the leg ended."""
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.wait((self._media, self._ended), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise LinkDown(f"no media within {timeout_s:g} s", code="no-media") from None
        if self._media.done():
            return self._media.result()
        raise LinkDown("the leg ended before media came", code=self._ended.result())

    async def ended(self) -> str:
        return await asyncio.shield(self._ended)

    def close(self) -> None:
        """Safe to call twice."""
        self._calm()
        self._plane.forget_leg(self._handle)
        self._plane.engine.close_leg(self._handle)
        self._end("source-ended")

    def _heard(self, event: codecs.LegEvent) -> None:
        match event.state:
            case "media":
                self.found_media(event.detail)
            case "stalled":
                self.found_stalled()
            case "resumed":
                self._calm()
            case "closed":
                self._end(_MEANINGS.get(event.code, event.code))
        self._told(event)

    # — what an event tells, or a look at the plane after events were lost —

    def found_media(self, payload: str) -> None:
        if not self._media.done():
            self._media.set_result(payload)

    def found_stalled(self) -> None:
        """Its patience begins, unless it is running already."""
        if self._patience is None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(self._patience_s, self._end, "media-stopped")

    def found_frames(self) -> None:
        self._calm()

    def found_gone(self) -> None:
        """The plane has no such leg any more."""
        self._calm()
        self._end("source-ended")

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _end(self, code: str) -> None:
        if not self._ended.done():
            self._ended.set_result(code)
