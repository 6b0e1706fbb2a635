"""How the ball's media connections come about."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.sim import dialling
from gateway.sim.dialling import bound, connected, route_to


async def test_it_dials_until_somebody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialling, "_CONNECT_GAP_S", 0.05)
    with bound(socket.SOCK_STREAM, route_to("127.0.0.1")) as waiting:
        target = waiting.getsockname()
        assert await connected(None, target) is None, "nobody listens: it gives up after so many times"
        monkeypatch.setattr(dialling, "_CONNECT_TRIES", 10_000)
        dials = asyncio.create_task(connected(None, target))
        await asyncio.sleep(0)
        waiting.listen(1)
        sock = await dials
        assert sock is not None and sock.getpeername() == target
        sock.close()


async def test_it_is_dialled_or_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with bound(socket.SOCK_STREAM, "127.0.0.1") as listener:
        listener.listen(1)
        with socket.create_connection(listener.getsockname()) as caller:
            sock = await connected(listener, ("", 0))
            assert sock is not None and sock.getpeername() == caller.getsockname()
            sock.close()
        monkeypatch.setattr(dialling, "_ACCEPT_S", 0.01)
        assert await connected(listener, ("", 0)) is None
