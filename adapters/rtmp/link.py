"""One RTMP connection as the event loop sees it: the handshake over a plain socket, then a wire of the media plane."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from adapters.rtmp.protocol.handshake import ClientHandshake, ServerHandshake
from adapters.rtmp.protocol.messages import Outgoing
from gateway import codecs
from gateway.base.errors import LinkDown, RemoteProtocolError
from gateway.contract.media import IngestLeg, Media, Publication

MAX_WAITING = 256
"""Messages that nobody has looked at yet; further ones are left out."""
_RECEIVE = 4096


async def shake_as_server(sock: socket.socket) -> bytes:
    """Until C2 is in; returns what came behind it. Raises RemoteProtocolError, LinkDown."""
    shake = ServerHandshake()
    await _shake(sock, shake)
    return shake.rest


async def shake_as_client(sock: socket.socket) -> bytes:
    shake = ClientHandshake()
    with _told():
        await asyncio.get_running_loop().sock_sendall(sock, shake.hello())
    await _shake(sock, shake)
    return shake.rest


async def _shake(sock: socket.socket, shake: ServerHandshake | ClientHandshake) -> None:
    loop = asyncio.get_running_loop()
    while not shake.done:
        with _told():
            data = await loop.sock_recv(sock, _RECEIVE)
        if not data:
            raise LinkDown("the peer closed the connection during the handshake", code="source-ended")
        answer = shake.receive(data)
        if answer:
            with _told():
                await loop.sock_sendall(sock, answer)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise LinkDown(f"the connection broke: {exc.strerror or exc}", code="link-down") from exc


class Link:
    """A wire, and then the leg or the subscription that it was bound as. Close it in `finally`."""

    def __init__(self, media: Media, sock: socket.socket, initial: bytes) -> None:
        self._media = media
        self._events: asyncio.Queue[codecs.WireEvent] = asyncio.Queue(MAX_WAITING + 1)
        self._bound = False
        self.ended: codecs.WireEvent | None = None
        self.handle = media.engine.open_rtmp(sock.detach(), initial=initial)
        media.on_wire(self.handle, self._heard)

    @property
    def is_bound(self) -> bool:
        return self._bound

    def send(self, messages: Iterable[Outgoing]) -> None:
        """In their order; on a connection that has ended they go nowhere."""
        for message in messages:
            self._media.engine.rtmp_send(
                self.handle,
                type_id=message.type_id,
                stream_id=message.stream_id,
                data=message.data,
                chunk_stream=message.chunk_stream,
            )

    async def message(self) -> codecs.WireEvent:
        """The next one. Raises LinkDown when the connection has ended, RemoteProtocolError when the peer broke it."""
        event = await self._events.get()
        if event.state == "closed":
            self.ended = event
            words = event.detail or "the peer closed the connection"
            if event.code == "protocol":
                raise RemoteProtocolError(words, code="rtmp-broken")
            raise LinkDown(words, code=event.code or "source-ended")
        return event

    def bind_in(self, publication: Publication) -> IngestLeg:
        """Raises MediaError when it has ended."""
        engine = self._media.engine
        self._rebound(engine.bind_in(self.handle, publication.handle, stall_ms=publication.stall_ms))
        return publication.leg(self.handle)

    def bind_out(self, stream: int, *, message_stream: int, enhanced: bool, queue_bytes: int) -> int:
        engine = self._media.engine
        self._rebound(
            engine.bind_out(
                self.handle, stream, message_stream=message_stream, enhanced=enhanced, queue_bytes=queue_bytes
            )
        )
        return self.handle

    def _rebound(self, handle: int) -> None:
        self._media.forget_wire(self.handle)
        self.handle = handle
        self._bound = True
        self._media.on_wire(handle, self._heard)

    def close(self) -> None:
        """What it was bound as is closed by whoever has that."""
        self._media.forget_wire(self.handle)
        if not self._bound:
            self._media.engine.close_wire(self.handle)

    def _heard(self, event: codecs.WireEvent) -> None:
        # Full: what a peer says faster than it is read is left out, its end is not.
        if event.state == "closed" or self._events.qsize() < MAX_WAITING:
            self._events.put_nowait(event)
