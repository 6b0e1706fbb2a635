"""A connection to our own port: from the handshake to its end."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Coroutine
from typing import Any

from adapters.rtmp.config import RtmpConfig
from adapters.rtmp.link import Link, shake_as_server
from adapters.rtmp.outflow import Outflow, metadata, needs
from adapters.rtmp.protocol.names import Asked, asked
from adapters.rtmp.protocol.server import Event, Over, Play, Publish, ServerSession
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown, RemoteProtocolError
from gateway.contract.adapter import Context
from gateway.contract.media import Publication, Suited
from gateway.contract.source import PushInfo
from gateway.model.principal import Principal

log = logging.getLogger(__name__)

GOODBYE_S = 0.5
"""After a refusal: time for the words to arrive before the connection is closed."""
_PREFIX = "program:"


class Guest:
    """`protocol`: "rtmp" or "rtmps"."""

    def __init__(self, config: RtmpConfig, context: Context, address: str, protocol: str) -> None:
        self._config = config
        self._context = context
        self._address = address
        self._protocol = protocol
        self._session = ServerSession()
        self._link: Link | None = None
        self._no: GatewayError | None = None
        self.role = ""
        """"publish" or "play", once it is."""

    async def serve(self, sock: socket.socket) -> None:
        """Until it is over. Raises what ended it, GatewayError or nothing."""
        try:
            async with asyncio.timeout(self._config.patience):
                rest = await shake_as_server(sock)
                self._link = Link(self._context.media, sock, rest)
                event = await self._until_asked()
        except TimeoutError:
            raise RemoteProtocolError("it asked for nothing in time", code="rtmp-silent") from None
        finally:
            # Handed to the media plane by then, or of no use.
            sock.close()
            if self._link is not None and self._session.asked is None:
                self._link.close()
        try:
            await self._beside(self._act(event))
        finally:
            self._link.close()

    @property
    def _wire(self) -> Link:
        assert self._link is not None  # noqa: S101  (made before anything is asked)
        return self._link

    def _flush(self) -> None:
        self._wire.send(self._session.data_to_send())

    async def _next(self) -> list[Event]:
        message = await self._wire.message()
        events = list(self._session.receive(message.number, message.stream_id, message.data))
        self._flush()
        return events

    async def _until_asked(self) -> Publish | Play:
        while True:
            for event in await self._next():
                if isinstance(event, Publish | Play):
                    return event

    async def _beside(self, act: Coroutine[Any, Any, None]) -> None:
        """Act, while messages are answered; the end of either is the end of both."""
        work = asyncio.create_task(act)
        listen = asyncio.create_task(self._listen())
        try:
            await asyncio.wait({work, listen}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, listen):
                task.cancel()
            found = await asyncio.gather(work, listen, return_exceptions=True)
        # A peer that was told no may leave at once: why it was counts, not that it left.
        for result in (self._no, *found):
            if isinstance(result, Exception):
                raise result

    async def _listen(self) -> None:
        while True:
            for event in await self._next():
                if isinstance(event, Over):
                    return

    async def _act(self, event: Publish | Play) -> None:
        connected = self._session.connected
        assert connected is not None  # noqa: S101  (the session lets nothing come before it)
        try:
            wanted = asked(connected.app, event.name, tuple(self._config.apps))
            if isinstance(event, Publish):
                await self._publish(wanted)
            else:
                await self._play(wanted, event.stream_id)
        except GatewayError as exc:
            if isinstance(exc, LinkDown) and self._wire.ended is not None:
                raise
            if not self._wire.is_bound:
                self._no = exc
                self._session.refuse(exc.code, str(exc))
                self._flush()
                await asyncio.sleep(GOODBYE_S)
            raise

    # — who, and what it names —

    async def _who(self, wanted: Asked) -> tuple[Principal, str]:
        """Raises Denied, Busy (`locked`)."""
        programs = self._context.programs
        if wanted.user:
            return await programs.check(wanted.user, wanted.password or wanted.key, self._address), wanted.path
        if wanted.key or wanted.password:
            return programs.by_key(wanted.key or wanted.password, self._address), wanted.path
        # rtmp://gateway/drone-1/KEY, or the key alone for the program's own name.
        head, key = wanted.without_last
        anonymous = programs.anonymous(self._address)
        if anonymous is None:
            who = programs.by_key(key, self._address)
        elif (holder := programs.by_tail(key, self._address)) is None:
            return anonymous, wanted.path
        else:
            # Taken for a name it would be published for all to see.
            who = holder
        return who, head or who.name.removeprefix(_PREFIX)

    # — publishing —

    async def _publish(self, wanted: Asked) -> None:
        who, name = await self._who(wanted)
        points = self._context.push_points
        stream = points.resolve(name, who)
        connected = self._session.connected
        info = PushInfo(self._protocol, self._address, connected.software if connected else "")
        self.role = "publish"
        await points.publish(stream, who, info, self._open)

    async def _open(self, publication: Publication) -> None:
        link = self._wire
        if link.is_bound:
            raise LinkDown("the connection has ended", code="source-ended")
        try:
            leg = link.bind_in(publication)
        except codecs.MediaError as exc:
            raise LinkDown(str(exc), code="source-ended") from exc
        # Only now does the sender begin: nothing of its first picture is lost.
        self._session.accept()
        self._flush()
        try:
            code = await leg.ended()
        except asyncio.CancelledError:
            self._session.end("push-ended", "the gateway ended it")
            self._flush()
            raise
        raise LinkDown("the sender has ended", code=code or "source-ended")

    # — playing —

    async def _play(self, wanted: Asked, stream_id: int) -> None:
        who, name = await self._who(wanted)
        stream = self._context.push_points.reading(name, who)
        connected = self._session.connected
        takes = needs(connected.takes if connected else frozenset())
        async with self._context.streams.view(stream, who, self._protocol) as viewing:
            self.role = "play"

            def told(suited: Suited) -> None:
                self._session.metadata(metadata(suited.tracks))
                self._flush()

            outflow = Outflow(self._context.media, self._wire, viewing, takes, self._config.queue, told)

            def accepted(suited: Suited | None) -> None:
                self._session.accept(metadata(suited.tracks) if suited is not None else None)
                self._flush()

            try:
                await outflow.run(stream_id, accepted)
            except codecs.MediaError as exc:
                raise LinkDown(str(exc), code="source-ended") from exc
