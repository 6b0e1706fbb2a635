"""The RTMP adapter in a real core on the real media plane; FFmpeg, GStreamer and PyAV as the other side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.rtmp.adapter import Rtmp
from adapters.rtmp.config import RtmpConfig
from adapters.rtmp.protocol import amf
from adapters.rtmp.protocol.handshake import BLOCK
from gateway.contract.adapter import KitTls
from gateway.core.context import AdapterContext
from tests.paths.door_rig import KEY, PATIENCE_S, TECHNICIAN, VECTORS, Program, Rig, frames, rig_of

__all__ = [
    "CONFIG",
    "KEY",
    "PATIENCE_S",
    "TECHNICIAN",
    "VECTORS",
    "Program",
    "Raw",
    "Rig",
    "a_rig",
    "frames",
    "reader",
    "sender",
]

CONFIG: dict[str, Any] = {
    "security": {"pull_allow": ["127.0.0.0/8"]},
    "program": {
        "drone-1": {"password": KEY, "publish": ["drone-*"]},
        "drone-2": {"password": "of-another", "publish": ["drone-*"]},
        "wall": {"password": "look-at-it", "read": ["drone-*"]},
    },
}


@asynccontextmanager
async def a_rig(
    folder: Path, *, tls: KitTls | None = None, rtmp: dict[str, Any] | None = None, **config: Any
) -> AsyncIterator[Rig]:
    def make(listen: dict[str, Any], context: AdapterContext) -> Rtmp:
        return Rtmp(RtmpConfig.model_validate(listen | (rtmp or {})), context)

    async with rig_of("rtmp", make, folder, tls, CONFIG | config) as rig:
        yield rig


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
