"""Sockets for media: where ours stand, and connections that we make."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

DIALS = 3
DIAL_PAUSE_S = 1.0
"""GB/T 28181-2022 annex D: the connecting side tries at least three times, at least a second apart."""

DIAL_TIMEOUT_S = 2.0


def bound_to(udp: socket.socket) -> str:
    """The one address that media arrives at; empty where it is every address."""
    host = str(udp.getsockname()[0])
    return "" if ipaddress.ip_address(host).is_unspecified else host


async def dial(places: Sequence[tuple[str, int]]) -> socket.socket | None:
    """A connected non-blocking socket to the first place that takes one; None after three rounds."""
    for attempt in range(DIALS):
        if attempt:
            await asyncio.sleep(DIAL_PAUSE_S)
        for host, port in places:
            connection = await _connect(host, port)
            if connection is not None:
                return connection
    return None


async def _connect(host: str, port: int) -> socket.socket | None:
    connection = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    connection.setblocking(False)
    try:
        async with asyncio.timeout(DIAL_TIMEOUT_S):
            await asyncio.get_running_loop().sock_connect(connection, (host, port))
    except (OSError, TimeoutError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    return connection
