"""A daemon for the CLI to talk to: the real API over fakes, on a local socket, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.api.mounts import Mounts
from gateway.api.server import ApiServer
from gateway.config.root import Api
from gateway.core.services import Services


@contextmanager
def serving(services: Services, state_dir: Path) -> Iterator[None]:
    ready, ended = threading.Event(), threading.Event()
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    async def run() -> None:
        api = ApiServer(
            services,
            Mounts(),
            Api(listen="127.0.0.1", port=0, tls=False),
            state_dir=state_dir,
            addresses=lambda: ["127.0.0.1"],
        )
        task = asyncio.create_task(api.run(ready.set))
        stop.append((asyncio.get_running_loop(), task))
        await asyncio.wait({task})

    def body() -> None:
        try:
            asyncio.run(run())
        finally:
            ended.set()

    threading.Thread(target=body, daemon=True).start()
    assert ready.wait(10)
    try:
        yield
    finally:
        loop, task = stop[0]
        loop.call_soon_threadsafe(task.cancel)
        assert ended.wait(10)
