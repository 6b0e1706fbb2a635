"""The RTSP adapter in a real core on the real media plane; FFmpeg, GStreamer and PyAV as the other side."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.rtsp.adapter import Rtsp
from adapters.rtsp.config import RtspConfig
from gateway.contract.adapter import KitTls
from gateway.core.context import AdapterContext
from tests.paths.door_rig import KEY, PATIENCE_S, TECHNICIAN, VECTORS, Program, Rig, frames, rig_of

__all__ = [
    "CONFIG",
    "DRONE",
    "KEY",
    "PATIENCE_S",
    "TECHNICIAN",
    "VECTORS",
    "WALL",
    "Program",
    "Rig",
    "a_rig",
    "frames",
    "reader",
    "sender",
]

DRONE = f"drone-1:{KEY}"
WALL = "wall:look-at-it"

CONFIG: dict[str, Any] = {
    "security": {"pull_allow": ["127.0.0.0/8"]},
    "program": {
        "drone-1": {"password": KEY, "publish": ["drone-*"]},
        "wall": {"password": "look-at-it", "read": ["drone-*"]},
    },
}


@asynccontextmanager
async def a_rig(
    folder: Path, *, tls: KitTls | None = None, rtsp: dict[str, Any] | None = None, **config: Any
) -> AsyncIterator[Rig]:
    def make(listen: dict[str, Any], context: AdapterContext) -> Rtsp:
        return Rtsp(RtspConfig.model_validate(listen | (rtsp or {})), context)

    async with rig_of("rtsp", make, folder, tls, CONFIG | config) as rig:
        yield rig


def sender(
    url: str,
    *more: str,
    seconds: float = 60,
    b_frames: int = 0,
    audio: str = "aac -b:a 64k",
    video: str = "libx264 -preset ultrafast",
    udp: bool = False,
) -> list[str]:
    """FFmpeg with H.264 and AAC, in real time."""
    line = f"ffmpeg -hide_banner -v warning -re -f lavfi -i testsrc2=size=320x240:rate=25:duration={seconds}"
    if audio:
        line += f" -f lavfi -i sine=frequency=440:sample_rate=48000:duration={seconds} -c:a {audio}"
    line += f" -c:v {video} -bf {b_frames} -g 25 -pix_fmt yuv420p"
    return [*line.split(), *more, "-f", "rtsp", "-rtsp_transport", "udp" if udp else "tcp", url]


def reader(url: str, seconds: float = 2.0, *, udp: bool = False) -> list[str]:
    """FFmpeg that decodes what it reads and tells each frame by its checksum line."""
    way = "udp" if udp else "tcp"
    line = f"ffmpeg -hide_banner -v error -rtsp_transport {way} -i {url} -t {seconds} -map 0 -f framehash -hash crc32 -"
    return line.split()
