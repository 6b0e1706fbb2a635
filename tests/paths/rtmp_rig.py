"""The RTMP adapter in a real core on the real media plane; FFmpeg, GStreamer and PyAV as the other side."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from adapters.rtmp.adapter import Rtmp
from adapters.rtmp.config import RtmpConfig
from adapters.rtmp.protocol import amf
from adapters.rtmp.protocol.handshake import BLOCK
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

CONFIG: dict[str, Any] = {
    "security": {"pull_allow": ["127.0.0.0/8"]},
    "program": {
        "drone-1": {"password": KEY, "publish": ["drone-*"]},
        "drone-2": {"password": "of-another", "publish": ["drone-*"]},
        "wall": {"password": "look-at-it", "read": ["drone-*"]},
    },
}


@dataclass
class Rig:
    core: Core
    engine: codecs.Engine
    adapter: Rtmp
    run: asyncio.Task[None]

    @property
    def port(self) -> int:
        return self.adapter.ports["rtmp"]

    def url(self, path: str) -> str:
        return f"rtmp://127.0.0.1:{self.port}/{path}"

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
async def a_rig(
    folder: Path, *, tls: KitTls | None = None, rtmp: dict[str, Any] | None = None, **config: Any
) -> AsyncIterator[Rig]:
    """Ends orderly; no stream, leg, wire or task is left behind."""
    settings, problems = from_tree(
        CONFIG | {"gateway": {"id": "fieldgate", "state_dir": str(folder)}, "adapter": {}} | config, Installed()
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
        talk=nothing,
        calls=nothing,
        sources=core.sources,
        reach=core.reach,
        programs=core.programs,
        push_points=core.push_points,
        informants=nothing,
        tls=lambda: tls,
    )
    listen = {"listen": "127.0.0.1:0"} | ({"listen_tls": "127.0.0.1:0"} if tls else {})
    adapter = Rtmp(RtmpConfig.model_validate(listen | (rtmp or {})), context)
    run = asyncio.create_task(adapter.run())
    rig = Rig(core, engine, adapter, run)
    try:
        await rig.until(lambda: "rtmp" in adapter.ports)
        yield rig
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await core.quiesce()
        await core.close()
        with contextlib.suppress(codecs.MediaError):
            assert engine.engine_stats()["streams"] == 0
        plane.stop()


class Raw:
    """A connection of ours that says what it likes, in chunks of 128 bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, rig: Rig, *, shake: bool = True) -> Raw:
        raw = cls(*await asyncio.open_connection("127.0.0.1", rig.port))
        if shake:
            raw.writer.write(b"\x03" + bytes(BLOCK))
            answer = await raw.reader.readexactly(1 + 2 * BLOCK)
            raw.writer.write(answer[1 : 1 + BLOCK])
        return raw

    def chunk(self, kind: int, body: bytes, stream_id: int = 0, *, time_ms: int = 0) -> None:
        head = b"\x03" + time_ms.to_bytes(3) + len(body).to_bytes(3) + bytes((kind,)) + stream_id.to_bytes(4, "little")
        out = head + body[:128]
        for at in range(128, len(body), 128):
            out += b"\xc3" + body[at : at + 128]
        self.writer.write(out)

    def command(self, *values: Any, stream_id: int = 0) -> None:
        self.chunk(20, amf.encode(*values), stream_id)

    def publish(self, name: str, app: str = "live") -> None:
        self.command("connect", 1, {"app": app, "flashVer": "test"})
        self.command("createStream", 2, None)
        self.command("publish", 3, None, name, "live", stream_id=1)

    async def until(self, what: bytes) -> bytes:
        """Everything up to `what`."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readuntil(what)

    async def closed(self) -> bytes:
        """What still came before the end."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


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


def sender(url: str, *more: str, seconds: float = 60, b_frames: int = 0, audio: bool = True) -> list[str]:
    """FFmpeg with H.264 and AAC, in real time."""
    line = f"ffmpeg -hide_banner -v warning -re -f lavfi -i testsrc2=size=320x240:rate=25:duration={seconds}"
    if audio:
        line += f" -f lavfi -i sine=frequency=440:sample_rate=48000:duration={seconds} -c:a aac -b:a 64k"
    line += f" -c:v libx264 -preset ultrafast -bf {b_frames} -g 25 -pix_fmt yuv420p"
    return [*line.split(), *more, "-f", "flv", url]


def reader(url: str, seconds: float = 2.0) -> list[str]:
    """FFmpeg that decodes what it reads and tells each frame by its checksum line."""
    return f"ffmpeg -hide_banner -v error -i {url} -t {seconds} -map 0 -f framehash -hash crc32 -".split()


def frames(said: str) -> dict[int, int]:
    """Track → decoded frames of `reader`."""
    found: dict[int, int] = {}
    for line in said.splitlines():
        head = line.partition(",")[0].strip()
        if head.isdecimal():
            found[int(head)] = found.get(int(head), 0) + 1
    return found
