"""The adapter on fakes of the core, with cameras on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from adapters.onvif.config import OnvifConfig
from adapters.onvif.session import Onvif
from gateway.base.errors import LinkDown
from gateway.contract.device import Admitted
from gateway.contract.source import SourceUrl
from gateway.model.ids import DeviceId
from tests.unit.gb28181.fakes import FakeAttached, FakeDevices, FakeMessages, FakeStreams


class OnvifDevices(FakeDevices):
    kept = ""
    """What is remembered of every camera that is declared."""

    def declare(self, scheme: str, external_id: str, slug: str, name: str) -> Admitted:
        self.known[external_id] = Admitted(DeviceId(f"kit1/{slug}"), external_id, name, "kit-pass", self.kept)
        return self.known[external_id]


class FakeSources:
    """Keeps what was opened; an opening lasts until it is cancelled."""

    def __init__(self) -> None:
        self.opened: asyncio.Queue[SourceUrl] = asyncio.Queue()

    def parse(self, url: str) -> SourceUrl:
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return SourceUrl(parts.scheme, parts.hostname or "", parts.port or 0, path, unquote(parts.username or ""))

    async def open(self, url: SourceUrl, publication: Any) -> None:
        self.opened.put_nowait(url)
        await asyncio.get_running_loop().create_future()


class FakeReach:
    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def connect(self, host: str, port: int, *, timeout_s: float = 5.0, trusted: bool = False) -> socket.socket:
        assert trusted
        self.asked.append((host, port))
        made = socket.socket()
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, (host, port))
        except OSError as exc:
            made.close()
            raise LinkDown(f"{host}:{port}: {exc.strerror}", code="connect-refused") from exc
        except BaseException:
            made.close()
            raise
        return made


class Context:
    """contract.adapter.Context as far as this adapter looks at it."""

    gateway = "kit1"

    def __init__(self, tmp: Path) -> None:
        self.state_dir = tmp
        self.streams = FakeStreams()
        self.devices = OnvifDevices()
        self.messages = FakeMessages()
        self.sources = FakeSources()
        self.reach = FakeReach()
        self.is_ready = asyncio.Event()

    def ready(self) -> None:
        self.is_ready.set()


QUICK = {"check_every": "2s", "retry_first": "200ms", "retry_most": "1s", "timeout": "3s", "listen_hello": False}


@asynccontextmanager
async def adapter(tmp: Path, kept: str = "", **said: Any) -> AsyncIterator[Context]:
    context = Context(tmp)
    context.devices.kept = kept
    made = Onvif(OnvifConfig(**{**QUICK, **said}), context)  # type: ignore[arg-type]
    task = asyncio.create_task(made.run())
    try:
        await context.is_ready.wait()
        yield context
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def camera_of(context: Context, slug: str = "gate") -> FakeAttached:
    """Its hold, once it was attached."""
    async with asyncio.timeout(10):
        while DeviceId(f"kit1/{slug}") not in context.devices.attached:  # noqa: ASYNC110
            await asyncio.sleep(0)
    return context.devices.attached[DeviceId(f"kit1/{slug}")]
