"""One RTSP connection as the event loop sees it: a socket until media flows on it, then a leg or a subscription."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from gateway import codecs
from gateway.base.errors import LinkDown, RemoteProtocolError
from gateway.contract.media import Media
from gateway.wire.rtsp import Message, RtspReader, parse_message

MAX_WAITING = 64
"""Messages that nobody has looked at yet; who sends more is not read further."""
_RECEIVE = 16 * 1024


class Link:
    """Close it in `finally`. `tls` says that the socket is the plain end of TLS."""

    takes_frames = True
    """What the media plane has to say (receiver reports) may go on it."""

    def __init__(self, media: Media, sock: socket.socket, *, tls: bool = False) -> None:
        self._media = media
        self._sock: socket.socket | None = sock
        self._tls = tls
        self._reader = RtspReader()
        self._handle: int | None = None
        self._events: asyncio.Queue[codecs.WireEvent] = asyncio.Queue(MAX_WAITING + 1)
        self._writing = asyncio.Lock()
        self.ended = False

    @property
    def is_bound(self) -> bool:
        """Media flows on it: the media plane has the socket."""
        return self._handle is not None

    def local_host(self) -> str:
        """Our address on it."""
        assert self._sock is not None  # noqa: S101  (asked before it is handed over)
        return str(self._sock.getsockname()[0]).removeprefix("::ffff:").partition("%")[0]

    def peer_host(self) -> str:
        assert self._sock is not None  # noqa: S101  (as above)
        return str(self._sock.getpeername()[0]).removeprefix("::ffff:").partition("%")[0]

    async def send(self, data: bytes) -> None:
        """Raises LinkDown."""
        if self._handle is not None:
            self._media.engine.send_text(self._handle, data)
            return
        if self._sock is None:
            raise LinkDown("the connection has ended", code="source-ended")
        try:
            async with self._writing:
                await asyncio.get_running_loop().sock_sendall(self._sock, data)
        except OSError as exc:
            self.ended = True
            raise self._broke(exc) from exc

    async def receive(self) -> Message:
        """The next message. Raises LinkDown when the connection has ended, RemoteProtocolError (`rtsp-broken`)."""
        if self._handle is not None:
            return await self._told()
        while (found := self._reader.next()) is None:
            if self._sock is None:
                raise LinkDown("the connection has ended", code="source-ended")
            try:
                data = await asyncio.get_running_loop().sock_recv(self._sock, _RECEIVE)
            except OSError as exc:
                self.ended = True
                raise self._broke(exc) from exc
            if not data:
                self.ended = True
                raise self._over()
            self._reader.feed(data)
        return found

    async def _told(self) -> Message:
        event = await self._events.get()
        if event.state == "closed":
            self.ended = True
            if event.code == "protocol":
                raise RemoteProtocolError(event.detail or "bytes that are no RTSP", code="rtsp-broken")
            raise LinkDown(event.detail or "the connection was closed", code=event.code or "source-ended")
        return parse_message(event.data)

    def hand_over(self, bind: Callable[[int, bytes], int]) -> int:
        """`bind(fd, what was read already)` gives the leg or subscription that has it from now on. Raises LinkDown."""
        if self._sock is None:
            raise LinkDown("the connection has ended", code="source-ended")
        sock, self._sock = self._sock, None
        try:
            handle = bind(sock.detach(), self._reader.rest)
        except codecs.MediaError as exc:
            raise LinkDown(str(exc), code="source-ended") from exc
        self._handle = handle
        self._media.on_wire(handle, self._heard)
        return handle

    def close(self) -> None:
        """What the media plane has of it is closed by whoever holds that."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        if self._handle is not None:
            self._media.forget_wire(self._handle)

    def _heard(self, event: codecs.WireEvent) -> None:
        # Full: what a peer says faster than it is answered is left out, its end is not.
        if event.state == "closed" or self._events.qsize() < MAX_WAITING:
            self._events.put_nowait(event)

    def _fault(self) -> str:
        return self._media.engine.tls_fault(self._sock.fileno()) if self._tls and self._sock is not None else ""

    def _over(self) -> LinkDown:
        if fault := self._fault():
            return LinkDown(f"TLS: {fault}", code="tls-failed")
        return LinkDown("the connection was closed by the other side", code="source-ended")

    def _broke(self, exc: OSError) -> LinkDown:
        if fault := self._fault():
            return LinkDown(f"TLS: {fault}", code="tls-failed")
        return LinkDown(f"the connection broke: {exc.strerror or exc}", code="link-down")
