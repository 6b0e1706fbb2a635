"""The adapter whose port another program holds: pulling goes on, and the reason is told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from adapters.rtsp.adapter import Rtsp
from adapters.rtsp.config import RtspConfig
from gateway.config.units import HostPort


async def test_without_its_port_sources_are_pulled_all_the_same() -> None:
    opened: list[str] = []
    told: list[str] = []
    ready = asyncio.Event()

    def scheme(name: str, _call: object) -> Callable[[], None]:
        opened.append(name)
        return lambda: opened.remove(name)

    context: Any = SimpleNamespace(
        sources=SimpleNamespace(scheme=scheme, push_scheme=scheme),
        kit_tls=lambda: None,
        ready=ready.set,
        lacking=lambda *problems: told.extend(f"{one} ({one.code})" for one in problems),
    )
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        run = asyncio.create_task(Rtsp(RtspConfig(listen=HostPort("127.0.0.1", port), listen_tls=None), context).run())
        async with asyncio.timeout(20):
            await ready.wait()
        assert not run.done() and {"rtsp", "rtsps"} <= set(opened)
        assert told == [f"listen: TCP 127.0.0.1:{port} can not be used: Address already in use (port-in-use)"]
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
    assert not opened
