"""The media port goes on when a connection could not be taken."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from adapters.jt808 import door
from adapters.jt808.door import MediaDoor, listening
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
