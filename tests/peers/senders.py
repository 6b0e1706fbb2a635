"""A daemon with sources and outputs of its configuration, programs that send to it, and what of them it tells."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from tests.peers.stage import Ports, Stage

PATIENCE_S = 40.0


@asynccontextmanager
async def a_stage(folder: Path, free: Ports, config: str) -> AsyncIterator[Stage]:
    made = Stage(folder, free, more=config)
    await made.daemon()
    try:
        await made.until("ready", made.ready)
        yield made
    finally:
        await made.stop()


@contextmanager
def running(*line: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def stream(stage: Stage, name: str) -> dict[str, Any]:
    return next((one for one in stage.client.get("/api/v1/streams") if one["id"].endswith(f"/{name}")), {})


async def live(stage: Stage, name: str, *codecs: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        one = stream(stage, name)
        found = {track["codec"] for track in one.get("tracks", ())}
        return one if one.get("state") == "live" and found == set(codecs) else None

    return dict(await stage.until(f"{name} live", look, PATIENCE_S))


async def looked_at(url: str) -> tuple[set[str], int]:
    """Codecs, and packets of two seconds, by FFmpeg."""
    words = "ffprobe -v error -of json -show_entries packet=stream_index:stream=codec_name -read_intervals %+2"
    process = await asyncio.create_subprocess_exec(*words.split(), url, stdout=subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    found = json.loads(out)
    return {one["codec_name"] for one in found.get("streams", ())}, len(found.get("packets", ()))
