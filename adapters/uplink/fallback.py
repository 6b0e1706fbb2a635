"""The way by TCP, where a network lets no UDP out: TLS to the center's API port, then an upgrade of HTTP to the bundle.

    GET /uplink HTTP/1.1            →
    Upgrade: fieldgate-bundle/1
                                    ←  101 Switching Protocols
    then datagrams of the bundle, each behind its length in two bytes (as RFC 4571)

TLS is there for the firewall's sake: who the center is the bundle's own handshake proves, whatever the certificate
says.
"""

from __future__ import annotations

import asyncio
import socket

from gateway import codecs
from gateway.base.errors import LinkDown, PeerError

PATH = "/uplink"
UPGRADE = "fieldgate-bundle/1"
CONNECT_S = 10.0
MOST_HEAD = 8192


async def dial_tcp(
    engine: codecs.Engine, sock: socket.socket, address: str, port: int, host: str
) -> tuple[socket.socket, bytes]:
    """The plain end of a connection that was upgraded, and what came behind the answer. `sock` is bound, and is closed.

    Raises OSError, LinkDown, PeerError.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_S):
            try:
                await loop.sock_connect(sock, (address, port))
            except BaseException:
                sock.close()
                raise
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain = socket.socket(fileno=engine.tls_client(sock.detach(), host, verify=False))
            try:
                plain.setblocking(False)
                return plain, await _upgrade(plain, host, port)
            except BaseException:
                plain.close()
                raise
    except TimeoutError:
        raise LinkDown(f"{address}:{port} did not answer", code="connect-timeout") from None


async def _upgrade(plain: socket.socket, host: str, port: int) -> bytes:
    loop, got = asyncio.get_running_loop(), b""
    named = f"[{host}]" if ":" in host else host
    request = f"GET {PATH} HTTP/1.1\r\nHost: {named}:{port}\r\nConnection: Upgrade\r\nUpgrade: {UPGRADE}\r\n\r\n"
    await loop.sock_sendall(plain, request.encode("ascii", "replace"))
    while b"\r\n\r\n" not in got:
        data = await loop.sock_recv(plain, 4096)
        if not data or len(got) > MOST_HEAD:
            raise LinkDown("the center ended the connection", code="link-down")
        got += data
    head, _, rest = got.partition(b"\r\n\r\n")
    if head.split(b" ")[1:2] != [b"101"]:
        raise PeerError(f"no upgrade: {head[:60]!r}")
    return rest
