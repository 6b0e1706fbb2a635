"""The whole daemon with RTMP: GStreamer and FFmpeg publish and read; first pictures are timed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.paths.rtmp_rig import KEY, Program, frames, reader, sender
from tests.peers.programs import need
from tests.peers.stage import Stage, ports

pytestmark = pytest.mark.peer

MORE = """
[program.drone-1]
password = "k3y-of-the-drone"
publish = ["drone-*"]
[program.wall]
password = "look-at-it"
read = ["drone-*"]
"""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    with ports() as free:
        stage = Stage(tmp_path, free, more=MORE)
        try:
            await stage.daemon()
            await stage.until("the gateway's start", stage.ready)
            yield stage
        finally:
            await stage.stop()


def url(stage: Stage, path: str) -> str:
    return f"rtmp://127.0.0.1:{stage.ports.rtmp}/live/{path}"


WALL = "drone-1?user=wall&pass=look-at-it"


async def live(stage: Stage) -> dict[str, Any]:
    def found() -> Any:
        all_streams = stage.client.get("/api/v1/streams")
        return next((s for s in all_streams if s["id"].endswith("/drone-1/main") and s["state"] == "live"), None)

    return dict(await stage.until("the drone's picture", found))


GST_SEND = (
    "gst-launch-1.0 -q videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! "
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! h264parse ! mux. "
    "audiotestsrc is-live=true freq=440 ! audio/x-raw,rate=48000 ! avenc_aac ! aacparse ! mux. "
    "flvmux name=mux streamable=true ! rtmp2sink location={url}"
)
GST_READ = (
    "gst-launch-1.0 -q rtmp2src location={url} ! flvdemux name=d d.video ! queue ! h264parse ! avdec_h264 ! "
    "fakesink num-buffers=50 sync=false"
)


async def test_a_picture_that_is_not_carried_is_named(stage: Stage) -> None:
    need("ffmpeg")
    line = "ffmpeg -v error -re -f lavfi -i testsrc2=size=320x240:rate=25 -c:v flv -g 25 -t 60 -f flv"
    publisher = await Program.start(*line.split(), url(stage, f"drone-1?key={KEY}"))

    def told() -> Any:
        all_streams = stage.client.get("/api/v1/streams")
        return any(s["code"] == "source-codec" and "H.263" in s["detail"] for s in all_streams)

    await stage.until("its codec by name", told)
    await publisher.stop()


async def test_gstreamer_publishes_and_both_read(stage: Stage) -> None:
    need("gst-launch-1.0", "ffmpeg")
    publisher = await Program.start(*GST_SEND.format(url=url(stage, f"drone-1?key={KEY}")).split())
    status = await live(stage)
    assert {t["codec"] for t in status["tracks"]} == {"h264", "aac"}
    said = await (await Program.start(*reader(url(stage, WALL)))).said()
    assert frames(said).get(0, 0) >= 40, said
    assert frames(said).get(1, 0) >= 80, said
    player = await Program.start(*GST_READ.format(url=url(stage, WALL)).split())
    assert await player.said() == ""
    assert player.process.returncode == 0
    await publisher.stop()


async def test_ffmpeg_publishes_and_gstreamer_reads(stage: Stage) -> None:
    need("gst-launch-1.0", "ffmpeg")
    publisher = await Program.start(*sender(url(stage, f"drone-1?key={KEY}"), b_frames=2))
    await live(stage)
    player = await Program.start(*GST_READ.format(url=url(stage, WALL)).split())
    assert await player.said() == ""
    assert player.process.returncode == 0
    await publisher.stop()


async def test_the_first_picture_of_a_live_source_comes_at_once(stage: Stage) -> None:
    """From connecting to the first decoded frame; the limit leaves room for FFmpeg's own start on a busy machine."""
    need("ffmpeg")
    publisher = await Program.start(*sender(url(stage, f"drone-1?key={KEY}"), "-g", "250"))
    await live(stage)
    await asyncio.sleep(3)
    line = ["ffmpeg", "-v", "error", "-i", url(stage, WALL), "-frames:v", "1", "-an", "-f", "framehash", "-"]
    began = time.perf_counter()
    said = await (await Program.start(*line)).said()
    took = time.perf_counter() - began
    # Key frames are ten seconds apart: it came from the cached group.
    assert frames(said).get(0, 0) == 1, said
    assert took < 5, f"{took:.1f} s"
    print(f"first picture after {took * 1000:.0f} ms")
    await publisher.stop()
