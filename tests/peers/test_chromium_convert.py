"""Chromium, which takes no H.265 and shows no B-frames, sees a ball that sends them: the real daemon converts."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.paths.rtmp_rig import Program
from tests.peers.browser import Browser, launch, require
from tests.peers.programs import need
from tests.peers.stage import BALL, Stage, frames_grow, play, ports

pytestmark = pytest.mark.peer


MORE = """
[convert]
linger = "1s"
[program.drone-1]
password = "k3y-of-the-drone"
publish = ["drone-*"]
"""
TONE_HZ = 440

# How much louder than its surroundings a tone is in what the page plays, in dB.
EAR = """
window.__ear = async hz => {
  if (!window.__listens) {
    const context = new AudioContext(), analyser = context.createAnalyser();
    analyser.fftSize = 8192; analyser.smoothingTimeConstant = 0;
    context.createMediaStreamSource(document.querySelector('video').srcObject).connect(analyser);
    window.__listens = {context, analyser};
  }
  const {context, analyser} = window.__listens;
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  const at = Math.round(hz / context.sampleRate * analyser.fftSize);
  const near = Math.max(...bins.slice(at - 3, at + 4));
  const others = [...bins.slice(10, at - 20), ...bins.slice(at + 20, 600)].sort((a, b) => a - b);
  return near - others[others.length >> 1];
}
"""


class Hall:
    """A stage with a ball of one's own kind, and a browser."""

    def __init__(self, stage: Stage, browser: Browser) -> None:
        self.stage = stage
        self.browser = browser
        self.stream = ""

    async def open(self, *ball: str) -> None:
        stage = self.stage
        await stage.daemon()
        await stage.until("the gateway's start", stage.ready)
        await stage.admit()
        await self.ball(*ball)
        self.stream = str(await stage.until("the ball in the directory", stage.online))
        await stage.until("the stream's offer", lambda: stage.offered(self.stream))

    async def ball(self, *ball: str) -> None:
        stage = self.stage
        await stage.start(
            "ball", "sim", "ball", "--server", f"127.0.0.1:{stage.ports.sip}", "--id", BALL,
            "--password-file", str(stage.place / "kit-password"), "--json", *ball,
        )  # fmt: skip

    def renditions(self) -> list[dict[str, Any]]:
        return list(self.stage.client.get(f"/api/v1/streams/{self.stream}")["renditions"])

    async def rendition(self, **wanted: Any) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            return next((one for one in self.renditions() if wanted.items() <= one.items()), None)

        return dict(await self.stage.until(f"a rendition {wanted}", found))


@pytest.fixture
async def hall(tmp_path: Path) -> AsyncIterator[Hall]:
    require()
    async with AsyncExitStack() as stack:
        stage = Stage(tmp_path, stack.enter_context(ports()), more=MORE)
        stack.push_async_callback(stage.stop)
        yield Hall(stage, await stack.enter_async_context(launch()))


async def test_an_h265_ball_is_seen(hall: Hall) -> None:
    await hall.open("--codec", "h265", "--size", "1280x720")
    page, first_s = await play(hall.browser, hall.stage.link(hall.stream))
    await frames_grow(page)
    print(
        f"Chromium: first picture of an H.265 ball {first_s * 1000:.0f} ms after the offer, the ball's INVITE included"
    )
    one = await hall.rendition(state="running")
    assert one["why"] == ["convert-codec"] and one["video"].startswith("h265 1280x720 → h264"), one
    assert (one["viewers"], one["encoder"]) == (1, "libx264")
    # Sound of G.711 goes on as it is.
    assert one["audio"] == "as it is"
    assert await page.evaluate("document.querySelector('video').videoWidth") == 1280
    await page.close()
    await hall.stage.until("the conversion's end", lambda: hall.renditions() == [])


async def test_b_frames_are_taken_out(hall: Hall) -> None:
    await hall.open("--fault", "b-frames", "--size", "640x360")
    page, _ = await play(hall.browser, hall.stage.link(hall.stream))
    await frames_grow(page)
    one = await hall.rendition(state="running")
    assert one["why"] == ["convert-b-frames"], one


async def test_a_drone_with_b_frames_and_aac_is_seen_and_heard(hall: Hall) -> None:
    """FFmpeg publishes by RTMP what drones do; the page gets H.264 without B-frames and the tone as Opus."""
    need("ffmpeg")
    stage = hall.stage
    await stage.daemon()
    await stage.until("the gateway's start", stage.ready)
    url = f"rtmp://127.0.0.1:{stage.ports.rtmp}/live/drone-1?key=k3y-of-the-drone"
    sender = await Program.start(
        "ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25",
        "-f", "lavfi", "-i", f"sine=frequency={TONE_HZ}:sample_rate=48000", "-c:v", "libx264", "-preset", "veryfast",
        "-bf", "2", "-g", "50", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "96k", "-f", "flv", url,
    )  # fmt: skip
    try:

        def found() -> str:
            known = stage.client.get("/api/v1/streams")
            return next((s["id"] for s in known if s["id"].endswith("/drone-1/main") and s["state"] == "live"), "")

        hall.stream = str(await stage.until("the drone's picture", found))
        page, first_s = await play(hall.browser, stage.link(hall.stream))
        await frames_grow(page)
        print(f"Chromium: first picture of a live source with B-frames and AAC {first_s * 1000:.0f} ms after the offer")
        one = await hall.rendition(state="running")
        assert one["why"] == ["convert-b-frames", "convert-audio"] and one["audio"] == "aac → opus", one
        await page.evaluate(EAR)
        await page.wait_for(f"__ear({TONE_HZ}).then(db => db > 30)", what="the tone")
    finally:
        await sender.stop()


@pytest.mark.long
async def test_a_ball_that_comes_back_with_another_codec_is_seen_in_the_same_session(hall: Hall) -> None:
    await hall.open("--codec", "h264", "--size", "640x360")
    page, _ = await play(hall.browser, hall.stage.link(hall.stream))
    await frames_grow(page)
    assert hall.renditions() == []
    for codec, size in (("h265", "320x180"), ("h264", "640x360")):
        await hall.stage.kill("ball")
        await hall.ball("--codec", codec, "--size", size)
        await frames_grow(page, 60.0, f"pictures of a ball that now sends {codec}")
        await page.wait_for(f"document.querySelector('video').videoWidth === {size.split('x')[0]}", 20, size)
        if codec == "h265":
            assert (await hall.rendition(state="running"))["why"] == ["convert-codec"]
    await hall.stage.until("the conversion's end", lambda: hall.renditions() == [])
    assert await page.evaluate("window.__fieldgate.attempts") == 1


@pytest.mark.long
async def test_a_worker_that_is_killed_or_stopped_costs_no_viewer(hall: Hall) -> None:
    await hall.open("--codec", "h265", "--size", "640x360")
    page, _ = await play(hall.browser, hall.stage.link(hall.stream))
    await frames_grow(page)
    for how, code in ((signal.SIGKILL, "convert-worker-died"), (signal.SIGSTOP, "convert-worker-hung")):
        (worker,) = workers(hall.stage)
        os.kill(worker, how)
        await hall.rendition(code=code)
        await hall.rendition(state="running", code="")
        await frames_grow(page, what=f"pictures after {how.name}")
        assert workers(hall.stage) not in ([], [worker])
    # All of it in one session.
    assert await page.evaluate("window.__fieldgate.attempts") == 1


def workers(stage: Stage) -> list[int]:
    """Process ids of the daemon's conversion workers."""
    daemon = stage.children["gateway"].pid
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == daemon and b"gateway.convert" in line:
                found.append(int(entry.name))
    return found
