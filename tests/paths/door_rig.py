"""One adapter with ports of its own (RTMP, RTSP) in a real core on the real media plane, and programs of others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from gateway import codecs
from gateway.base.clock import Clock
from gateway.config.load import from_tree
from gateway.contract.adapter import KitTls
from gateway.core.context import AdapterContext
from gateway.core.core import Core
from gateway.core.mediaplane import MediaPlane
from gateway.core.secrets import Secrets
from gateway.model.ids import StreamId
from gateway.model.principal import Principal, Role
from gateway.registry import Installed
from gateway.store.store import Store

TECHNICIAN = Principal("tina", Role.TECHNICIAN, "s-tina")
PATIENCE_S = 20.0
KEY = "k3y-of-the-drone"
VECTORS = Path(__file__).parents[1] / "vectors" / "media"


class Listening(Protocol):
    """The adapter."""

    @property
    def ports(self) -> Mapping[str, int]: ...
    async def run(self) -> None: ...


@dataclass
class Rig:
    core: Core
    engine: codecs.Engine
    adapter: Any
    run: asyncio.Task[None]
    scheme: str

    @property
    def port(self) -> int:
        return self.adapter.ports[self.scheme]

    def url(self, path: str, user: str = "") -> str:
        """`user` with its password."""
        return f"{self.scheme}://{user}{'@' if user else ''}127.0.0.1:{self.port}/{path}"

    async def until(self, true: Callable[[], Any], what: str = "") -> Any:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (found := true()):
                    if self.run.done():
                        self.run.result()
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"never: {what or true}") from None
        return found

    def status(self, name: str) -> Any:
        return self.core.streams.status(StreamId(f"fieldgate/{name}"))

    def state(self, name: str) -> str:
        try:
            return str(self.status(name).state)
        except Exception:
            return ""


@asynccontextmanager
async def rig_of(
    scheme: str,
    make: Callable[[dict[str, Any], AdapterContext], Listening],
    folder: Path,
    tls: KitTls | None,
    config: dict[str, Any],
) -> AsyncIterator[Rig]:
    """`make` is given where the adapter listens. Ends orderly; no stream, leg, wire or task is left behind."""
    settings, problems = from_tree(
        {"gateway": {"id": "fieldgate", "state_dir": str(folder)}, "adapter": {}} | config, Installed()
    )
    assert settings is not None, problems
    engine, clock = codecs.Engine(), Clock()
    secrets = Secrets(folder)
    store = Store(folder, secrets.audit_key())
    plane = MediaPlane(engine, lambda: settings.media.rtp_ports)
    plane.start()
    core = Core(lambda: settings, folder, store, secrets, plane, clock)
    core.start()
    nothing = cast(Any, None)
    context = AdapterContext(
        gateway="fieldgate",
        state_dir=folder,
        media=plane,
        streams=core.streams,
        devices=core.devices,
        messages=nothing,
        http=nothing,
        talk=core.talk,
        calls=nothing,
        sources=core.sources,
        reach=core.reach,
        programs=core.programs,
        push_points=core.push_points,
        grants=core.grants,
        informants=nothing,
        fleet=nothing,
        home=nothing,
        outbox=nothing,
        inbox=nothing,
        links=nothing,
        meshes=nothing,
        texts=nothing,
        kit=core.standing,
        tls=lambda: tls,
    )
    listen = {"listen": "127.0.0.1:0"} | ({"listen_tls": "127.0.0.1:0"} if tls else {})
    adapter = make(listen, context)
    run = asyncio.create_task(adapter.run())
    rig = Rig(core, engine, adapter, run, scheme)
    try:
        await rig.until(lambda: scheme in adapter.ports)
        yield rig
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await core.quiesce()
        await core.close()
        with contextlib.suppress(codecs.MediaError):
            assert engine.engine_stats()["streams"] == 0
        plane.stop()


class Program:
    """A program of others, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, *line: str) -> Program:
        return cls(
            await asyncio.create_subprocess_exec(
                *line,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        )

    async def said(self) -> str:
        """Until it ends by itself."""
        async with asyncio.timeout(PATIENCE_S * 2):
            out, _ = await self.process.communicate()
        return out.decode(errors="replace")

    async def stop(self) -> str:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
        return await self.said()


def frames(said: str) -> dict[int, int]:
    """Track → decoded frames of `reader`."""
    found: dict[int, int] = {}
    for line in said.splitlines():
        head = line.partition(",")[0].strip()
        if head.isdecimal():
            found[int(head)] = found.get(int(head), 0) + 1
    return found
