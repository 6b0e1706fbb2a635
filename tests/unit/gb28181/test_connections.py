"""Who is let in on a call's TCP media port. 127.0.0.1 is the device, other addresses of loopback are strangers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.gb28181 import connections
from adapters.gb28181.connections import MAX_WAITING, MediaDoor, first_ssrc
from tests.unit.gb28181.fakes import FakeLeg
from tests.unit.gb28181.scripted import HOST, RTP

SSRC = 200000007
STRANGER = "127.0.0.2"
FRAMED = len(RTP).to_bytes(2, "big") + RTP
OTHER = FRAMED[:10] + bytes(4) + FRAMED[14:]


class Port:
    def __init__(self, wait_s: float) -> None:
        self.leg = FakeLeg(None)
        self.packets: int | None = 0
        self.step = 0
        self.listener = socket.create_server((HOST, 0))
        self.listener.setblocking(False)
        self.sockets: list[socket.socket] = []
        self.door = MediaDoor(
            self.leg,
            self.listener,
            known=lambda: [HOST],
            ssrcs=frozenset({SSRC}),
            packets=self._packets,
            stranger_wait_s=wait_s,
        )

    def _packets(self) -> int | None:
        if self.packets is not None:
            self.packets += self.step
        return self.packets

    async def connect(self, source: str = HOST, data: bytes = b"") -> socket.socket:
        sock = socket.socket()
        sock.bind((source, 0))
        sock.setblocking(False)
        self.sockets.append(sock)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, self.listener.getsockname())
        if data:
            await loop.sock_sendall(sock, data)
        return sock

    async def attached(self, sock: socket.socket, count: int = 1) -> None:
        async with asyncio.timeout(5):
            while len(self.leg.tcp) < count:
                self.leg.attached.clear()
                await self.leg.attached.wait()
        assert self.leg.tcp[-1].getpeername() == sock.getsockname()


async def closed(sock: socket.socket) -> None:
    try:
        async with asyncio.timeout(5):
            assert await asyncio.get_running_loop().sock_recv(sock, 10) == b""
    except ConnectionError:
        pass


@asynccontextmanager
async def opened(monkeypatch: pytest.MonkeyPatch, *, wait_s: float = 0.05) -> AsyncIterator[Port]:
    monkeypatch.setattr(connections, "QUIET_S", 0.1)
    port = Port(wait_s)
    running = asyncio.create_task(port.door.run())
    try:
        yield port
        assert not running.done(), "whatever came, the port is still open"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        port.leg.close()
        for sock in [port.listener, *port.sockets]:
            sock.close()


@pytest.mark.parametrize(
    ("data", "ssrc"),
    [
        (FRAMED, SSRC),
        (b"$\0" + FRAMED, SSRC),
        (OTHER, 0),
        (FRAMED[:13], None),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", None),
        (b"", None),
        ((28).to_bytes(2, "big") + b"\x80\xc8\x00\x06" + SSRC.to_bytes(4, "big") + bytes(20), SSRC),
    ],
)
def test_what_a_connection_begins_with(data: bytes, ssrc: int | None) -> None:
    assert first_ssrc(data) == ssrc


async def test_the_device_is_taken_with_its_first_bytes_and_nobody_before(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch) as port:
        idle = await port.connect()
        device = await port.connect(data=FRAMED)
        await port.attached(device)
        assert len(port.leg.tcp) == 1, "one that only knocks is not handed over"
        assert idle.fileno() >= 0


async def test_what_plays_is_not_cut_by_a_newer_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch) as port:
        device = await port.connect(data=FRAMED)
        await port.attached(device)
        port.packets, port.step = 1, 25
        for source in (STRANGER, HOST):
            await closed(await port.connect(source, FRAMED))
        await port.attached(device)
        assert len(port.leg.tcp) == 1


async def test_two_at_once_do_not_replace_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is looked at before the media plane has counted what the first brought."""
    async with opened(monkeypatch) as port:
        first = await port.connect(data=FRAMED)
        await port.attached(first)
        port.step = 1
        await closed(await port.connect(data=FRAMED))
        assert len(port.leg.tcp) == 1


async def test_the_device_connects_anew_when_its_old_connection_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch) as port:
        await port.attached(await port.connect(data=FRAMED))
        port.packets = 1
        await port.attached(await port.connect(data=FRAMED), 2)


async def test_a_stranger_with_another_stream_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch) as port:
        for junk in (OTHER, b"GET / HTTP/1.1\r\nHost: gateway\r\nUser-Agent: scan\r\nAccept: */*\r\n\r\n"):
            await closed(await port.connect(STRANGER, junk))
        assert port.leg.tcp == []
        await port.attached(await port.connect(data=OTHER))


async def test_another_outer_address_with_the_stream_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch) as port:
        await port.attached(await port.connect(STRANGER, FRAMED))


async def test_within_its_time_the_device_comes_before_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch, wait_s=0.5) as port:
        stranger = await port.connect(STRANGER, FRAMED)
        device = await port.connect(data=FRAMED)
        await port.attached(device)
        port.packets, port.step = 1, 25
        await closed(stranger)
        assert len(port.leg.tcp) == 1


async def test_any_number_of_strangers_leaves_the_port_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch) as port:
        for _ in range(3 * MAX_WAITING):
            await port.connect(STRANGER)
        await port.attached(await port.connect(data=FRAMED))


async def test_a_silent_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SPEAK_S", 0.1)
    async with opened(monkeypatch) as port:
        await closed(await port.connect(STRANGER))
