"""WHIP and WHEP with GStreamer's webrtcbin: another ICE (libnice), DTLS and RTP than Chromium's and FFmpeg's.

What it does otherwise: its answers to our checks carry a USERNAME, its offer bundles with port 0 and `bundle-only`, its
ClientHello comes in two pieces of 256 bytes.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.peers.browser import outer_interface
from tests.peers.senders import PATIENCE_S, a_stage, live
from tests.peers.stage import Ports, Stage, ports

pytestmark = pytest.mark.peer

SCRIPT = Path(__file__).with_name("gst_webrtc.py")
CONFIG = """
[program.drone]
password = "the-drone-s-own"
publish = ["drone"]
[program.wall]
password = "look-at-it-1"
read = ["drone/*", "drone"]
"""


@pytest.fixture
def free() -> Iterator[Ports]:
    with outer_interface(), ports() as mine:
        yield mine


@pytest.fixture
async def stage(free: Ports, tmp_path: Path) -> AsyncIterator[Stage]:
    async with a_stage(tmp_path, free, CONFIG) as made:
        yield made


@asynccontextmanager
async def peer(way: str, url: str, key: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        "/usr/bin/python3", str(SCRIPT), way, url, key, str(folder / "tls" / "ca.crt"),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def told(process: asyncio.subprocess.Process) -> dict[str, int | str]:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
    found: dict[str, int | str] = json.loads(line)
    return found


async def test_webrtcbin_sends_and_plays(stage: Stage, free: Ports, tmp_path: Path) -> None:
    base = f"https://127.0.0.1:{free.api}"
    async with peer("send", f"{base}/whip/drone", "the-drone-s-own", tmp_path):
        await live(stage, "drone/main", "h264", "opus")
        async with peer("play", f"{base}/whep/drone", "look-at-it-1", tmp_path) as player, asyncio.timeout(PATIENCE_S):
            # A second's worth of sound at least, and of the picture's packets.
            while (seen := await told(player)).get("video", 0) < 50 or seen.get("audio", 0) < 50:  # type: ignore[operator]
                pass


async def test_a_program_plays_what_it_may_read_and_nothing_else(stage: Stage, free: Ports, tmp_path: Path) -> None:
    base = f"https://127.0.0.1:{free.api}"
    for name, key, code in (
        ("drone", "no-key-of-anybody", "program-password"),
        ("gate", "look-at-it-1", "read-denied"),
    ):
        async with peer("play", f"{base}/whep/{name}", key, tmp_path) as player:
            assert (await told(player))["code"] == code
