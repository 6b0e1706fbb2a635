"""The way by TCP and TLS: upgraded at the API's port, carried both ways, and refused in words."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.uplink.fallback import PATH, UPGRADE, dial_tcp
from gateway import codecs
from gateway.base.errors import GatewayError
from tests.unit.api.fakes import fake_services
from tests.unit.api.test_server import running


@pytest.fixture
def engine() -> Iterator[codecs.Engine]:
    made = codecs.Engine(threads=1)
    yield made
    made.close()


def ours() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)


@asynccontextmanager
async def center(state_dir: Path, got: asyncio.Queue[tuple[socket.socket, bytes, str]]) -> AsyncIterator[int]:
    async with running(fake_services(), state_dir) as api:
        undo = api._mounts.upgrade(PATH, UPGRADE, lambda *given: got.put_nowait(given))
        yield int(api.url.rpartition(":")[2])
        undo()


async def test_bytes_go_both_ways(tmp_path: Path, engine: codecs.Engine) -> None:
    loop = asyncio.get_running_loop()
    got: asyncio.Queue[tuple[socket.socket, bytes, str]] = asyncio.Queue()
    async with center(tmp_path, got) as port:
        plain, rest = await dial_tcp(engine, ours(), "127.0.0.1", port, "center.example")
        there, initial, address = await asyncio.wait_for(got.get(), 10)
        assert (rest, initial, address) == (b"", b"", "127.0.0.1")
        with plain, there:
            for here, far in ((plain, there), (there, plain)):
                await loop.sock_sendall(here, b"\x00\x05hello")
                assert await asyncio.wait_for(loop.sock_recv(far, 100), 10) == b"\x00\x05hello"
        # A center that takes no kits says so, and so does one that is not there.
    async with running(fake_services(), tmp_path) as api:
        with pytest.raises(GatewayError) as refused:
            await dial_tcp(engine, ours(), "127.0.0.1", int(api.url.rpartition(":")[2]), "127.0.0.1")
        assert "no upgrade" in str(refused.value)
    with pytest.raises(OSError):
        await dial_tcp(engine, ours(), "127.0.0.1", port, "127.0.0.1")


async def test_who_answers_no_tls_or_endless_words_is_let_go(engine: codecs.Engine) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        with pytest.raises((GatewayError, OSError)):
            await dial_tcp(engine, ours(), "127.0.0.1", server.sockets[0].getsockname()[1], "127.0.0.1")
