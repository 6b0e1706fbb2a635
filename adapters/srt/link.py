"""What is common to all our SRT connections: a wire that is awaited, and latencies learnt of links."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from types import TracebackType
from typing import Self

from adapters.srt.protocol import wanted_latency_ms
from gateway import codecs
from gateway.base.errors import LinkDown
from gateway.contract.media import Media

HOSTS = 1024
"""Links remembered; the one not used for longest is forgotten."""


class Latencies:
    """What the round trips to hosts call for."""

    def __init__(self, least_s: float, most_s: float) -> None:
        self.least_ms = round(least_s * 1000)
        self.most_ms = round(most_s * 1000)
        self._known: OrderedDict[str, int] = OrderedDict()

    def of(self, host: str) -> int:
        return self._known.get(host, self.least_ms)

    def learnt(self, host: str, rtt_ms: float) -> int:
        """What the host's latency shall be from now on."""
        wanted = wanted_latency_ms(rtt_ms, self.least_ms, self.most_ms)
        self._known[host] = wanted
        self._known.move_to_end(host)
        while len(self._known) > HOSTS:
            self._known.popitem(last=False)
        return wanted

    def all(self) -> list[tuple[str, int]]:
        return list(self._known.items())


class Wire:
    """A wire of the media plane until it is bound; closed on the way out if it was not."""

    def __init__(self, media: Media, handle: int) -> None:
        self._media = media
        self.handle = handle
        loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[codecs.WireEvent] = loop.create_future()
        self.closed: asyncio.Future[codecs.WireEvent] = loop.create_future()
        media.on_wire(handle, self._heard)

    def _heard(self, event: codecs.WireEvent) -> None:
        future = {"connected": self._connected, "closed": self.closed}.get(event.state)
        if future is not None and not future.done():
            future.set_result(event)

    async def connected(self) -> None:
        """Raises LinkDown with why it did not come about."""
        await asyncio.wait({self._connected, self.closed}, return_when=asyncio.FIRST_COMPLETED)
        if not self._connected.done():
            event = self.closed.result()
            raise LinkDown(event.detail or event.code, code=event.code)

    def bind_in(self, stream: int, *, stall_ms: int, program: int = 0) -> int:
        """The leg. Raises LinkDown when the connection has ended meanwhile."""
        try:
            return self._media.engine.bind_in(self.handle, stream, stall_ms=stall_ms, program=program)
        except codecs.MediaError as exc:
            raise LinkDown(f"the SRT connection has ended: {exc}", code="source-ended") from exc

    def bind_out(self, stream: int) -> int:
        try:
            return self._media.engine.bind_out(self.handle, stream)
        except codecs.MediaError as exc:
            raise LinkDown(f"the SRT connection has ended: {exc}", code="source-ended") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._media.forget_wire(self.handle)
        self._media.engine.close_wire(self.handle)
        if not self.closed.done():
            self.closed.cancel()
