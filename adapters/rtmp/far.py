"""Other servers: pictures pulled from `rtmp://` and `rtmps://`, and streams pushed to them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import urlencode

from adapters.rtmp.config import RtmpConfig
from adapters.rtmp.link import Link, shake_as_client
from adapters.rtmp.outflow import Outflow, metadata
from adapters.rtmp.protocol.client import ClientSession, Event, Over, Ready, Refused, Running
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown, PeerError, RemoteProtocolError
from gateway.base.url import SourceUrl
from gateway.contract.adapter import Context
from gateway.contract.media import IngestLeg, Needs, Publication, Suited, Viewing
from gateway.model.media import Codec
from gateway.net.tcp import cipher, prepare

PORTS = {"rtmp": 1935, "rtmps": 443}


def app_and_stream(url: SourceUrl) -> tuple[str, str]:
    """The last part of the path is the stream, with its query; `#app=…` says otherwise where a server wants it.
    A user and password go behind the stream as `user` and `pass`, as gateways and MediaMTX read them. Raises
    RemoteProtocolError (`bad-url`)."""
    path, _, query = url.path.lstrip("/").partition("?")
    app, _, stream = path.rpartition("/")
    if wanted := url.options.get("app"):
        app, stream = wanted, path.removeprefix(wanted).lstrip("/")
    if not app and not stream:
        raise RemoteProtocolError("an RTMP URL is rtmp://host/application/stream", code="bad-url")
    if not app:
        app, stream = stream, ""
    if url.user:
        query = "&".join(part for part in (query, urlencode({"user": url.user, "pass": url.password})) if part)
    return app, f"{stream}?{query}" if query else stream


class Far:
    """One connection to another server."""

    def __init__(
        self, config: RtmpConfig, context: Context, url: SourceUrl, intent: Literal["play", "publish"]
    ) -> None:
        self._config = config
        self._context = context
        self._url = url
        self._intent: Literal["play", "publish"] = intent

    # — what the core runs —

    async def pull(self, publication: Publication) -> None:
        """`contract.source.SourceOpener`."""
        publication.say("opening")
        async with self._connected() as (link, session):
            refused = await self._played(link, session, publication)
        if not refused.redirect:
            raise self._refusal(refused)
        # A redirect goes through the core: where it leads is checked anew.
        await self._context.sources.open(refused.redirect, publication)

    async def _played(self, link: Link, session: ClientSession, publication: Publication) -> Refused:
        """Returns when the server refuses; raises what ends it else."""
        async with asyncio.timeout(self._config.patience):
            ready = await self._wait(link, session, Ready)
        if isinstance(ready, Refused):
            return ready
        try:
            leg = link.bind_in(publication)
        except codecs.MediaError as exc:
            raise LinkDown(str(exc), code="source-ended") from exc
        try:
            # The server may send its first picture at once: its place is there already.
            session.go()
            self._flush(link, session)
            publication.say("waiting-media")
            running = await self._begun(link, session, leg)
            if isinstance(running, Refused):
                return running
            listen, ended = asyncio.create_task(self._listen(link, session)), asyncio.create_task(leg.ended())
            try:
                await asyncio.wait({listen, ended}, return_when=asyncio.FIRST_COMPLETED)
                if ended.done():
                    raise LinkDown(f"{self._url} has ended", code=ended.result() or "source-ended")
                await listen
                raise LinkDown(f"{self._url} ended the stream", code="source-ended")
            finally:
                session.leave()
                self._flush(link, session)
                await _let_go(listen, ended)
        finally:
            leg.close()

    async def _begun(self, link: Link, session: ClientSession, leg: IngestLeg) -> Event | None:
        """The server's answer to `play`; None where media came instead of one, as some servers have it."""
        answer = asyncio.create_task(self._wait(link, session, Running))
        media = asyncio.create_task(leg.first_media(self._config.patience))
        try:
            done, _ = await asyncio.wait({answer, media}, return_when=asyncio.FIRST_COMPLETED)
            if answer in done:
                return answer.result()
            media.result()
            return None
        finally:
            await _let_go(answer, media)

    async def push(self, viewing: Viewing) -> None:
        """`contract.source.PushOpener`."""
        wanted = self._needs()
        # Nothing is connected before there is something to send: the wire would only wait to be closed.
        await viewing.suited(wanted)
        async with self._connected() as (link, session):
            async with asyncio.timeout(self._config.patience):
                ready = await self._wait(link, session, Ready)
            if not isinstance(ready, Ready):
                raise self._refusal(ready)

            def accepted(suited: Suited | None) -> None:
                session.go(metadata(suited.tracks) if suited is not None else None)
                self._flush(link, session)

            def told(suited: Suited) -> None:
                session.metadata(metadata(suited.tracks))
                self._flush(link, session)

            outflow = Outflow(self._context.media, link, viewing, wanted, self._config.queue, told)
            work = asyncio.create_task(outflow.run(ready.stream_id, accepted))
            listen = asyncio.create_task(self._listen(link, session))
            try:
                await asyncio.wait({work, listen}, return_when=asyncio.FIRST_COMPLETED)
                session.leave()
                self._flush(link, session)
            finally:
                for task in (work, listen):
                    task.cancel()
                found = await asyncio.gather(work, listen, return_exceptions=True)
            # What the far side said tells more than that the connection is gone.
            for result in reversed(found):
                if isinstance(result, Exception):
                    raise result

    # — within —

    def _needs(self) -> Needs:
        """Every server takes H.264 and AAC; `#enhanced=1` says that this one takes H.265 and Opus too."""
        if self._url.options.get("enhanced", "") in ("1", "yes", "true"):
            return Needs(video=(Codec.H264, Codec.H265), audio=(Codec.AAC, Codec.OPUS))
        return Needs(video=(Codec.H264,), audio=(Codec.AAC,))

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Link, ClientSession]]:
        url = self._url
        app, stream = app_and_stream(url)
        port = url.port or PORTS[url.scheme]
        host = f"[{url.host}]" if ":" in url.host else url.host
        where = f"{url.scheme}://{host}:{port}/{app}" if url.port else f"{url.scheme}://{host}/{app}"
        sock = await self._context.reach.connect(
            url.host, port, timeout_s=self._config.patience / 2, trusted=url.trusted
        )
        link: Link | None = None
        try:
            prepare(sock)
            if url.scheme == "rtmps":
                sock = cipher(self._context.media.engine, url, sock)
            async with asyncio.timeout(self._config.patience):
                try:
                    rest = await shake_as_client(sock)
                except LinkDown as exc:
                    raise self._fault(sock, exc) from exc
            link = Link(self._context.media, sock, rest)
            session = ClientSession(self._intent, app=app, stream=stream, tc_url=where)
            session.begin()
            self._flush(link, session)
            yield link, session
        except TimeoutError:
            raise LinkDown(f"{url} does not answer", code="rtmp-silent") from None
        finally:
            sock.close()
            if link is not None:
                link.close()

    def _fault(self, sock: socket.socket, exc: LinkDown) -> LinkDown:
        """What TLS says of it, where that is why the plain end was closed."""
        fault = self._context.media.engine.tls_fault(sock.fileno()) if self._url.scheme == "rtmps" else ""
        return LinkDown(f"TLS to {self._url}: {fault}", code="tls-failed") if fault else exc

    @staticmethod
    def _flush(link: Link, session: ClientSession) -> None:
        link.send(session.data_to_send())

    async def _events(self, link: Link, session: ClientSession) -> AsyncIterator[Event]:
        while True:
            message = await link.message()
            events = session.receive(message.number, message.stream_id, message.data)
            self._flush(link, session)
            for event in events:
                yield event

    async def _wait(self, link: Link, session: ClientSession, kind: type[Ready] | type[Running]) -> Event:
        """That event, or a refusal. Raises what ends the connection."""
        async for event in self._events(link, session):
            if isinstance(event, kind | Refused):
                return event
            if isinstance(event, Over):
                raise LinkDown(f"{self._url} ended it: {event.code}", code="source-ended")
        raise AssertionError("it never ends by itself")

    async def _listen(self, link: Link, session: ClientSession) -> None:
        """Until the far side ends the stream in good order. Raises what else ended it."""
        async for event in self._events(link, session):
            if isinstance(event, Refused):
                raise self._refusal(event)
            if isinstance(event, Over):
                return

    def _refusal(self, event: Event) -> GatewayError:
        assert isinstance(event, Refused)  # noqa: S101  (nothing else is left)
        words = " ".join(part for part in (event.code, event.description) if part)
        return PeerError(f"{self._url} refused: {words}", status=event.code, code="rtmp-refused")


async def _let_go(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
