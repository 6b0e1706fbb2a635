"""A kit's paths follow its interfaces: an address that changes, a link that goes and comes back. The news of the kernel
are made here; sockets are real ones on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.uplink import paths
from adapters.uplink.config import UplinkConfig
from adapters.uplink.paths import Paths
from gateway.model.pairing import PairedCenter
from gateway.net.rtnetlink import Interface
from tests.unit.uplink.rig import until

CENTER = PairedCenter("county", bytes(32), hosts=("127.0.0.1",), udp_port=8444, tcp_port=8443)


class Engine:
    """Writes down from where each path leaves, and whither."""

    def __init__(self) -> None:
        self.did: list[tuple[Any, ...]] = []

    def bundle_path(self, _bundle: int, fd: int, host: str, port: int, *, path: int, name: str, **_: Any) -> None:
        with socket.socket(fileno=fd) as sock:
            self.did.append((path, name, sock.getsockname()[0], host, port))

    def bundle_drop_path(self, _bundle: int, path: int) -> None:
        self.did.append(("dropped", path))


def interface(*v4: str) -> Interface:
    return Interface(1, "lo", True, 1500, list(v4), [], bool(v4))


async def test_sockets_follow_addresses_that_change_go_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    news: asyncio.Queue[list[Interface]] = asyncio.Queue()

    async def changes() -> AsyncIterator[list[Interface]]:
        while True:
            yield await news.get()

    monkeypatch.setattr(paths, "changes", changes)
    engine, heard = Engine(), list[int]()
    made = Paths(SimpleNamespace(engine=engine), 7, CENTER, UplinkConfig(fallback=False))  # type: ignore[arg-type]
    made.on_change = lambda: heard.append(1)
    running = asyncio.create_task(made.run())

    async def told(*found: Interface) -> list[tuple[Any, ...]]:
        """What is done about it."""
        before, known = len(engine.did), len(heard)
        news.put_nowait(list(found))
        await until("it is heard", lambda: len(heard) > known)
        return engine.did[before:]

    try:
        await until("the center's address is known", lambda: heard)
        first = (0, "lo", "127.0.0.2", "127.0.0.1", 8444)
        assert await told(interface("127.0.0.2")) == [first]
        assert await told(interface("127.0.0.2")) == [], "nothing has changed"
        # Another network: the old socket goes, one from the new address takes its number.
        dropped = [("dropped", 0), ("dropped", 1)]
        assert await told(interface("127.0.0.3")) == [*dropped, (0, "lo", "127.0.0.3", "127.0.0.1", 8444)]
        assert await told() == dropped and made.wished == []
        assert await told(interface()) == [], "without an address it is no link"
        assert await told(interface("127.0.0.2")) == [first]
        assert made.interface("lo") == made.interface("lo-tcp") == "lo" and made.interface("other") == ""
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
