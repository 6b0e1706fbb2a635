"""A NAT in a box between the ball's SIP socket and the platform, for the faults that need one.

The ball talks to the inner port and believes that it is the platform; outside everything comes from a port that
changes at `rebind`, after which nothing sent to the old one arrives. It also slips junk in from that same port.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Address = tuple[str, int]
JUNK = (b"jaK\0", b"\r\n\r\n", b"\x00\xff" * 20, b"REGISTER sip:\x00 SIP/2.0\r\nVia: \xff\r\n\r\n")


class _Side(asyncio.DatagramProtocol):
    def __init__(self, heard: Callable[[bytes, Address], None]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._heard(data, addr)

    def error_received(self, exc: Exception) -> None:
        """An ICMP error: the platform is down; the ball's own timers notice."""


class Nat:
    """UDP only. `inner` is the address to use in place of the platform's."""

    def __init__(self, server: Address) -> None:
        self._server = server
        self._client: Address | None = None
        self._in: asyncio.DatagramTransport | None = None
        self._out: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._in, _ = await loop.create_datagram_endpoint(lambda: _Side(self._from_ball), local_addr=("127.0.0.1", 0))
        await self.rebind()

    async def rebind(self) -> None:
        """Go on from a new port."""
        loop = asyncio.get_running_loop()
        old = self._out
        self._out, _ = await loop.create_datagram_endpoint(lambda: _Side(self._from_server), remote_addr=self._server)
        if old is not None:
            old.close()

    @property
    def inner(self) -> Address:
        assert self._in is not None  # noqa: S101 - open() comes first
        host, port = self._in.get_extra_info("sockname")[:2]
        return host, port

    def junk(self) -> None:
        """What some devices send to the SIP port for reasons of their own."""
        if self._out is not None:
            for datagram in JUNK:
                self._out.sendto(datagram)

    def close(self) -> None:
        for side in (self._in, self._out):
            if side is not None:
                side.close()
        self._in = self._out = None

    def _from_ball(self, data: bytes, addr: Address) -> None:
        self._client = addr
        if self._out is not None:
            self._out.sendto(data)

    def _from_server(self, data: bytes, addr: Address) -> None:
        if self._in is not None and self._client is not None:
            self._in.sendto(data, self._client)
