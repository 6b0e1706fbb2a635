"""Sources and outputs by URL: `srt://host:port?mode=…&latency=…&passphrase=…&streamid=…`."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from adapters.srt.caller import NEEDS
from adapters.srt.calls import connected, listening
from adapters.srt.feed import ended, feed, watched
from adapters.srt.link import Latencies, Wire
from adapters.srt.protocol import Dial, Way, parse_query
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown, RemoteProtocolError
from gateway.contract.adapter import Context
from gateway.contract.media import Publication, Viewing
from gateway.contract.source import SourceUrl
from gateway.net.outflow import Outflow

log = logging.getLogger(__name__)


class Dialer:
    """Opens what an SRT URL names; fulfils `SourceOpener` and `PushOpener` by `source` and `push`."""

    def __init__(self, context: Context, latencies: Latencies, patience_s: float) -> None:
        self._context = context
        self._latencies = latencies
        self._patience_s = patience_s

    async def source(self, url: SourceUrl, publication: Publication) -> None:
        program, anew = _program(url), _may_renew(url)
        async with self._wire(url) as (wire, host):
            code = await feed(self._context, wire, publication, self._latencies, host, program, anew=anew)
            raise ended(code, str(url))

    async def push(self, url: SourceUrl, viewing: Viewing) -> None:
        media = self._context.media
        out = Outflow(media, viewing, "SRT", lambda begun: viewing.suited(NEEDS.begun(begun)))
        async with self._wire(url) as (wire, host):
            bound: asyncio.Future[int] = asyncio.get_running_loop().create_future()

            def begin(stream: int) -> int:
                bound.set_result(wire.bind_out(stream))
                return bound.result()

            running = asyncio.create_task(out.run(begin), name=f"push to {url}")
            try:
                either: set[asyncio.Future[Any]] = {running, bound}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if not bound.done():
                    await running
                anew = _may_renew(url)
                code = await watched(media, bound.result(), running, self._latencies, host, anew=anew)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            raise LinkDown(f"{url} has ended", code=code)

    @asynccontextmanager
    async def _wire(self, url: SourceUrl) -> AsyncIterator[tuple[Wire, str]]:
        dial = parse_query(url.path, url.host)
        if not url.port:
            raise RemoteProtocolError(f"{url} names no port", code="bad-url")
        if dial.way is Way.LISTENER:
            async with self._awaited(url, dial) as came:
                yield came
            return
        wire, host = await self._called(url, dial)
        with wire:
            yield wire, host

    async def _called(self, url: SourceUrl, dial: Dial) -> tuple[Wire, str]:
        """The first of the host's addresses that answers."""
        failure: GatewayError = LinkDown(f"{url.host} has no address", code="dns-failed")
        for _, host in await self._context.reach.addresses(url.host, url.port, trusted=url.trusted):
            wire = await self._connect(host, url.port, dial)
            try:
                await wire.connected()
            except LinkDown as exc:
                failure = LinkDown(f"{url}: {exc}", code=exc.code)
                wire.__exit__(None, None, None)
            except BaseException:
                wire.__exit__(None, None, None)
                raise
            else:
                return wire, host
        raise failure

    async def _connect(self, host: str, port: int, dial: Dial) -> Wire:
        media = self._context.media
        try:
            handle = await connected(
                media,
                host,
                port,
                stream_id=dial.stream_id,
                passphrase=dial.passphrase,
                latency_ms=dial.latency_ms or self._latencies.of(host),
                rendezvous=dial.way is Way.RENDEZVOUS,
                local_port=dial.local_port,
                timeout_ms=round(self._patience_s * 1000),
            )
        except codecs.MediaError as exc:
            raise LinkDown(str(exc), code="port-in-use" if dial.way is Way.RENDEZVOUS else "unreachable") from exc
        return Wire(media, handle)

    @asynccontextmanager
    async def _awaited(self, url: SourceUrl, dial: Dial) -> AsyncIterator[tuple[Wire, str]]:
        """A port of its own, for encoders that send no stream id: the first who comes, one at a time."""
        media, host = self._context.media, await _own(url.host)
        phrases = [("", dial.passphrase)] if dial.passphrase else None
        latency_ms = dial.latency_ms or self._latencies.least_ms
        door = listening(media, host, url.port, latency_ms=latency_ms, passphrases=phrases, backlog=1)
        async with AsyncExitStack() as stack:
            try:
                listener, _ = await stack.enter_async_context(door)
            except codecs.MediaError as exc:
                raise LinkDown(f"{url}: {exc}", code="port-in-use") from exc
            event = await self._first(url, listener)
            with Wire(media, event.wire) as wire:
                yield wire, event.address.rpartition(":")[0].strip("[]")

    async def _first(self, url: SourceUrl, listener: int) -> codecs.WireEvent:
        """Of those who come; the others are sent away as long as the listener stands."""
        media = self._context.media
        came: asyncio.Future[codecs.WireEvent] = asyncio.get_running_loop().create_future()

        def heard(event: codecs.WireEvent) -> None:
            if event.state == "incoming":
                if came.done():
                    media.engine.close_wire(event.wire)
                else:
                    came.set_result(event)
            elif event.code == "srt-refused":
                log.warning("SRT at %s: %s", url, event.detail)

        media.on_wire(listener, heard)
        return await came


def _may_renew(url: SourceUrl) -> bool:
    """A connection of ours whose latency nobody has set may be made anew with more."""
    dial = parse_query(url.path, url.host)
    return dial.way is not Way.LISTENER and not dial.latency_ms


def _program(url: SourceUrl) -> int:
    text = url.options.get("program", "0")
    if not text.isdecimal() or int(text) > 65_535:
        raise RemoteProtocolError(f"{url}: program is 0 to 65535", code="bad-url")
    return int(text)


async def _own(host: str) -> str:
    """An address of ours to listen on."""
    if not host:
        return "0.0.0.0"  # noqa: S104  (the URL says so)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except OSError as exc:
        raise LinkDown(f"{host}: {exc.strerror}", code="dns-failed") from exc
    return str(found[0][4][0])
