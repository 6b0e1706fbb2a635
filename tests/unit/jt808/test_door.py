"""The media port: it goes on when a connection could not be taken, and takes a terminal's from where that is."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from adapters.jt808 import door
from adapters.jt808.config import Jt808Config
from adapters.jt808.door import MediaDoor, listening
from adapters.jt808.line import MAX_WAITING, Line
from adapters.jt808.live import dialled_in
from adapters.jt808.protocol.messages import Live, Order
from gateway.base.errors import LinkDown
from gateway.config.units import HostPort


async def test_out_of_descriptors_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ACCEPT_AGAIN_S", 0.0)
    loop = asyncio.get_running_loop()
    accept, failures = loop.sock_accept, [OSError(errno.EMFILE, "Too many open files")] * 2

    async def short(sock: socket.socket) -> tuple[socket.socket, object]:
        if failures:
            raise failures.pop()
        return await accept(sock)

    monkeypatch.setattr(loop, "sock_accept", short)
    media = MediaDoor(listening(HostPort("127.0.0.1", 0), "media"))
    running = asyncio.create_task(media.run())
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", media.port)
        writer.write(b"no JT/T 1078 at all" * 1000)
        async with asyncio.timeout(10):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        assert not running.done() and not failures
        writer.close()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_one_that_came_as_the_door_was_shut_is_closed() -> None:
    media = MediaDoor(listening(HostPort("127.0.0.1", 0), "media"))
    ours, theirs = socket.socketpair()
    with theirs, media._listener:
        media._take(ours, "127.0.0.1")
        await media._callers.close()
        await asyncio.sleep(0)
        assert ours.fileno() < 0


PHONE = "13912345678"
HEAD = b"\x30\x31\x63\x64\x81\x62\x00\x01" + bytes.fromhex("013912345678") + b"\x01" + bytes(60)


class Terminal:
    """Its signalling line at 127.0.0.1; its picture comes from wherever it is said to."""

    phone, host, local_host = PHONE, "127.0.0.1", "127.0.0.1"

    def __init__(self, door: MediaDoor, *brings: str, welcome: bool) -> None:
        """`welcome`: it is not waited for that others' connections are closed."""
        self.welcome = welcome
        self._door = door
        self._brings = brings
        self._writers: list[asyncio.StreamWriter] = []

    async def order(self, order: int, body: bytes, wait_s: float) -> None:
        for host in self._brings:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._door.port, local_addr=(host, 0))
            self._writers.append(writer)
            writer.write(HEAD)
            if host != self.host and not self.welcome:
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await asyncio.wait_for(reader.readexactly(1), 10)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def a_door() -> AsyncIterator[MediaDoor]:
    media = MediaDoor(listening(HostPort("127.0.0.1", 0), "media"))
    running = asyncio.create_task(media.run())
    try:
        yield media
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def brought(media: MediaDoor, *hosts: str, anywhere: bool = False) -> str:
    """Whence the picture came that was taken."""
    terminal = Terminal(media, *hosts, welcome=anywhere)
    try:
        config = Jt808Config(dial_in=2.0, media_from_anywhere=anywhere)
        connection, head = await dialled_in(cast(Line, terminal), media, config, 1, Live.BOTH)
        with connection:
            assert head == HEAD
            return str(connection.getpeername()[0])
    finally:
        terminal.close()


async def test_a_picture_comes_from_where_the_terminal_is() -> None:
    async with a_door() as media:
        assert await brought(media, "127.0.0.2", "127.0.0.1") == "127.0.0.1", "a stranger who is first is not taken"
        with pytest.raises(LinkDown) as told:
            await brought(media, "127.0.0.2")
        assert await brought(media, "127.0.0.2", anywhere=True) == "127.0.0.2"
        assert told.value.code == "jt1078-other-address" and "127.0.0.2" in str(told.value)


async def test_an_address_of_ipv4_is_one_however_it_came() -> None:
    async with a_door() as media:
        waiting = media.wait(PHONE, 1, "::ffff:127.0.0.1")
        _, writer = await asyncio.open_connection("127.0.0.1", media.port)
        writer.write(HEAD)
        connection, _ = await asyncio.wait_for(waiting.brought, 10)
        connection.close()
        writer.close()


async def test_orders_without_an_answer_have_a_reason_and_a_bound() -> None:
    """A terminal that takes orders and says nothing: each wait ends, and only so many wait at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    ours.setblocking(False)
    with theirs, ours:
        line = Line(ours, "10.0.0.9:4000", 60.0)
        with pytest.raises(LinkDown) as silent:
            await line.order(Order.LIVE, b"", 0.01)
        waiting = [asyncio.create_task(line.order(Order.LIVE, b"", 60.0)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(LinkDown, match="wait for answers") as many:
            await line.order(Order.LIVE, b"", 60.0)
        line.close()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert (silent.value.code, many.value.code) == ("jt808-no-answer", "jt808-no-answer")
    assert {one.code for one in ended if isinstance(one, LinkDown)} == {"device-offline"} and len(ended) == MAX_WAITING
