"""RTSP through HTTP (Apple's tunnelling, ONVIF Streaming Specification §5.1.1.3): what comes is read from a GET, what
goes is written in base64 into a POST that never ends."""

from __future__ import annotations

import asyncio
import base64
import socket
from urllib.parse import urlsplit

from adapters.rtsp.link import Link
from gateway.base.errors import LinkDown, PeerError, RemoteProtocolError
from gateway.contract.media import Media
from gateway.wire.textmsg import find_head_end

MAX_HEAD_BYTES = 16 * 1024
_LENGTH = 32767
"""Of the POST's body, as QuickTime said it; servers read on."""


def tunnel_heads(uri: str, cookie: str) -> tuple[bytes, bytes]:
    """The GET's and the POST's heads."""
    parts = urlsplit(uri)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    common = f"Host: {parts.netloc}\r\nx-sessioncookie: {cookie}\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n"
    get = f"GET {path} HTTP/1.0\r\n{common}Accept: application/x-rtsp-tunnelled\r\n\r\n"
    post = (
        f"POST {path} HTTP/1.0\r\n{common}Content-Type: application/x-rtsp-tunnelled\r\n"
        f"Content-Length: {_LENGTH}\r\nExpires: Sun, 9 Jan 1972 00:00:00 GMT\r\n\r\n"
    )
    return get.encode(), post.encode()


class TunnelLink(Link):
    takes_frames = False

    def __init__(self, media: Media, get: socket.socket, post: socket.socket, initial: bytes) -> None:
        super().__init__(media, get)
        self._reader.feed(initial)
        self._post = post

    @classmethod
    async def open(
        cls, media: Media, get: socket.socket, post: socket.socket, heads: tuple[bytes, bytes], patience_s: float
    ) -> TunnelLink:
        """Raises PeerError (`rtsp-tunnel`), LinkDown."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience_s):
                await loop.sock_sendall(get, heads[0])
                data = b""
                while (end := find_head_end(data)) is None:
                    more = await loop.sock_recv(get, 4096)
                    if not more or len(data) > MAX_HEAD_BYTES:
                        raise RemoteProtocolError("no HTTP answer to the tunnel's GET", code="rtsp-tunnel")
                    data += more
                status = data.split(b" ", 2)[1:2]
                if not data.startswith(b"HTTP/") or status != [b"200"]:
                    words = data.split(b"\r\n", 1)[0][:80].decode("latin-1")
                    raise PeerError(f"the server takes no RTSP over HTTP: {words}", status=words, code="rtsp-tunnel")
                await loop.sock_sendall(post, heads[1])
        except TimeoutError:
            raise LinkDown("no answer to the tunnel's GET", code="rtsp-silent") from None
        except OSError as exc:
            raise LinkDown(f"the tunnel broke: {exc.strerror or exc}", code="link-down") from exc
        return cls(media, get, post, data[end:])

    async def send(self, data: bytes) -> None:
        try:
            async with self._writing:
                await asyncio.get_running_loop().sock_sendall(self._post, base64.b64encode(data))
        except OSError as exc:
            self.ended = True
            raise LinkDown(f"the tunnel broke: {exc.strerror or exc}", code="link-down") from exc
