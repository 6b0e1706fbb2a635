"""A connection to the API's port that becomes something else: answered, carried both ways, bounded."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.api import upgrades
from gateway.core.services import Services
from tests.unit.api.test_server import running, trust

ASK = b"GET /uplink HTTP/1.1\r\nHost: kit\r\nConnection: Upgrade\r\nUpgrade: toy/1\r\n\r\n"


class Taker:
    """What an adapter would be: takes a socket and what came behind the request."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[tuple[socket.socket, bytes, str]] = asyncio.Queue()

    def __call__(self, sock: socket.socket, rest: bytes, address: str) -> None:
        self.got.put_nowait((sock, rest, address))


@contextlib.asynccontextmanager
async def dialled(
    port: int, context: ssl.SSLContext
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


async def test_bytes_go_both_ways(services: Services, tmp_path: Path) -> None:
    loop, taker = asyncio.get_running_loop(), Taker()
    async with running(services, tmp_path) as api:
        port = int(api.url.rpartition(":")[2])
        undo = api._mounts.upgrade("/uplink", "toy/1", taker)
        async with dialled(port, trust(tmp_path)) as (reader, writer):
            writer.write(ASK + b"early")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            assert head.startswith(b"HTTP/1.1 101 ") and b"upgrade: toy/1" in head.lower()
            sock, rest, address = await asyncio.wait_for(taker.got.get(), 10)
            assert (rest, address) == (b"early", "127.0.0.1")
            with sock:
                # More than any buffer on the way holds, both ways at once.
                data = bytes(range(256)) * 20_000
                sending = asyncio.create_task(loop.sock_sendall(sock, data))
                writer.write(data)
                there = bytearray()
                while len(there) < len(data):
                    there += await asyncio.wait_for(loop.sock_recv(sock, 1 << 20), 20)
                assert bytes(there) == data
                assert await asyncio.wait_for(reader.readexactly(len(data)), 20) == data
                await sending
            assert await asyncio.wait_for(reader.read(), 10) == b""
        undo()
        async with dialled(port, trust(tmp_path)) as (reader, writer):
            writer.write(ASK)
            assert (await asyncio.wait_for(reader.readline(), 10)).split()[1] == b"404"


async def test_the_far_side_ends_it(services: Services, tmp_path: Path) -> None:
    loop, taker = asyncio.get_running_loop(), Taker()
    async with running(services, tmp_path) as api:
        api._mounts.upgrade("/uplink", "toy/1", taker)
        async with dialled(int(api.url.rpartition(":")[2]), trust(tmp_path)) as (_, writer):
            writer.write(ASK)
            sock, _, _ = await asyncio.wait_for(taker.got.get(), 10)
        with sock:
            assert await asyncio.wait_for(loop.sock_recv(sock, 100), 10) == b""


async def test_what_was_not_asked_for_stays_http(services: Services, tmp_path: Path, monkeypatch: object) -> None:
    taker = Taker()
    async with running(services, tmp_path) as api:
        port = int(api.url.rpartition(":")[2])
        api._mounts.upgrade("/uplink", "toy/1", taker)
        for ask in (
            ASK.replace(b"toy/1", b"other/1"),
            ASK.replace(b"/uplink", b"/downlink"),
            ASK.replace(b"GET", b"POST"),
            ASK.replace(b"Connection: Upgrade\r\n", b""),
        ):
            async with dialled(port, trust(tmp_path)) as (reader, writer):
                writer.write(ask)
                assert (await asyncio.wait_for(reader.readline(), 10)).split()[1] in (b"404", b"405")
        assert taker.got.empty()


async def test_there_is_a_most(services: Services, tmp_path: Path) -> None:
    taker, most = Taker(), upgrades.MOST
    upgrades.MOST = 1
    try:
        async with running(services, tmp_path) as api:
            port = int(api.url.rpartition(":")[2])
            api._mounts.upgrade("/uplink", "toy/1", taker)
            async with dialled(port, trust(tmp_path)) as (_, first):
                first.write(ASK)
                sock, _, _ = await asyncio.wait_for(taker.got.get(), 10)
                async with dialled(port, trust(tmp_path)) as (reader, second):
                    second.write(ASK)
                    assert (await asyncio.wait_for(reader.readline(), 10)).split()[1] == b"404"
                sock.close()
    finally:
        upgrades.MOST = most
