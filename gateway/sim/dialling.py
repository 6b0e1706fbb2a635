"""Sockets of the ball. Media by TCP as annex D of GB/T 28181 has it: it dials, three times or more, or is dialled."""

from __future__ import annotations

import asyncio
import socket

_CONNECT_TRIES, _CONNECT_GAP_S = 5, 1.0  # at least 3 times, at least 1 s apart
_ACCEPT_S = 30.0


async def connected(listener: socket.socket | None, target: tuple[str, int]) -> socket.socket | None:
    """The connection: the first that comes to `listener`, where there is one, else ours to `target`. None: it did not
    come about."""
    loop = asyncio.get_running_loop()
    if listener is not None:
        try:
            async with asyncio.timeout(_ACCEPT_S):
                sock, _ = await loop.sock_accept(listener)
        except TimeoutError:
            return None
        sock.setblocking(False)
        return sock
    for _ in range(_CONNECT_TRIES):
        sock = socket.socket(family_of(target[0]), socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(_CONNECT_GAP_S * 2):
                await loop.sock_connect(sock, target)
        except OSError:  # TimeoutError is one
            sock.close()
            await asyncio.sleep(_CONNECT_GAP_S)
        except asyncio.CancelledError:
            sock.close()
            raise
        else:
            return sock
    return None


def route_to(host: str) -> str:
    """The address of ours that packets to `host` leave from. Raises OSError when there is no way."""
    with socket.socket(family_of(host), socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))  # sends nothing
        return str(probe.getsockname()[0])


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def bound(kind: socket.SocketKind, host: str) -> socket.socket:
    sock = socket.socket(family_of(host), kind)
    try:
        sock.setblocking(False)
        sock.bind((host, 0))
    except OSError:
        sock.close()
        raise
    return sock
