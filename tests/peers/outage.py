"""A publisher that is killed and comes back, and viewers of every kind that stay the whole time."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.paths.rtmp_rig import Program
from tests.peers.browser import Page
from tests.peers.stage import Failed, Stage

MORE = """
[program.drone-1]
password = "k3y-of-the-drone"
publish = ["drone-*"]
[program.wall]
password = "look-at-it-1"
read = ["drone-*"]
"""
DRONE, WALL, WALL_PASSWORD = "drone-1:k3y-of-the-drone", "wall", "look-at-it-1"
STREAM = "drone-1/main"
OUTPUTS = ("rtsp", "rtmp", "srt")

# `log`: each picture that is shown: when, its size. `backs`: where time went back, or a picture had none: at which of
# two places, from what to what, when. "came": as the pictures came out of the network, before any decoder; "shown": as
# the browser put them on its screen.
WATCH = """
(() => {
  const shown = window.__shown = {count: 0, came: 0, at: 0, wide: 0, backs: [], connections: 0, log: []};
  const watch = where => {
    let last = null;
    return (is, more) => {
      const told = Number.isInteger(is);
      // RTP's own time, which wraps at 32 bits: mediaTime is what the browser makes of it and of its play-out delay.
      if (!told || (last !== null && ((is - last.is) | 0) < 0))
        shown.backs.push({where, at: Date.now(), was: last, is: told ? is : null, ...more});
      if (told) last = {is, at: Date.now(), ...more};
    };
  };
  const real = window.RTCPeerConnection;
  window.RTCPeerConnection = function (config, ...more) {
    const pc = new real({...config, encodedInsertableStreams: true}, ...more);
    pc.addEventListener('track', ({receiver, track}) => {
      const {readable, writable} = receiver.createEncodedStreams(), came = watch('came');
      const transform = (frame, on) => {
        if (track.kind === 'video') {
          shown.came += 1;
          came(frame.getMetadata().rtpTimestamp ?? frame.timestamp, {type: frame.type, bytes: frame.data.byteLength});
        }
        on.enqueue(frame);
      };
      readable.pipeThrough(new TransformStream({transform})).pipeTo(writable).catch(() => undefined);
    });
    return pc;
  };
  window.RTCPeerConnection.prototype = real.prototype;
  let source = null, video = null, seen = null;
  const next = (now, data) => {
    if (video.srcObject !== source) { source = video.srcObject; shown.connections += 1; seen = watch('shown'); }
    seen(data.rtpTimestamp, {wide: data.width, media: data.mediaTime, number: data.presentedFrames});
    shown.count += 1; shown.at = Date.now(); shown.wide = data.width; shown.log.push([shown.at, data.width]);
    video.requestVideoFrameCallback(next);
  };
  setInterval(() => {
    const found = document.querySelector('video');
    if (found && found !== video) { video = found; video.requestVideoFrameCallback(next); }
  }, 5);
})();
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the publisher sends."""

    codec: str
    wide: int
    high: int

    def line(self, stage: Stage) -> list[str]:
        encoder = {
            "h264": "libx264 -preset ultrafast -tune zerolatency -profile:v baseline",
            "h265": "libx265 -preset ultrafast -tune zerolatency -x265-params log-level=error:bframes=0",
        }[self.codec]
        line = (
            f"ffmpeg -hide_banner -v error -re -f lavfi -i testsrc2=size={self.wide}x{self.high}:rate=25 -f lavfi -i "
            f"sine=frequency=440:sample_rate=48000 -c:v {encoder} -g 25 -pix_fmt yuv420p -b:v 600k -c:a aac -b:a 64k "
            f"-f rtsp -rtsp_transport tcp rtsp://{DRONE}@127.0.0.1:{stage.ports.rtsp}/drone-1"
        )
        return line.split()


def read_url(stage: Stage, output: str) -> str:
    match output:
        case "rtsp":
            return f"rtsp://{WALL}:{WALL_PASSWORD}@127.0.0.1:{stage.ports.rtsp}/drone-1"
        case "rtmp":
            return f"rtmp://127.0.0.1:{stage.ports.rtmp}/live/drone-1?user={WALL}&pass={WALL_PASSWORD}"
        case "srt":
            words = f"#!::r=drone-1,m=request,u={WALL},s={WALL_PASSWORD}"
            return f"srt://127.0.0.1:{stage.ports.srt}?streamid={words}&latency=60"
    raise ValueError(output)


@dataclass
class Viewer:
    """A program that reads, and what it told."""

    output: str
    process: asyncio.subprocess.Process
    pictures: list[dict[str, Any]] = field(default_factory=list)
    backs: list[dict[str, Any]] = field(default_factory=list)
    began: float = 0.0
    probed: float = 0.0
    end: str = ""

    @classmethod
    async def start(cls, stage: Stage, output: str) -> Viewer:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.peers.onlooker", read_url(stage, output),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        viewer = cls(output, process)
        viewer._reading = asyncio.create_task(viewer._read())
        return viewer

    _reading: asyncio.Task[None] | None = None

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            told = json.loads(line)
            if "at" in told:
                self.pictures.append(told)
            elif "back" in told:
                self.backs.append(told)
            elif "end" in told:
                self.end = told["end"]
            else:
                self.began, self.probed = told["began"], told["probed"]

    async def sees(self, after: float, wide: int = 0, limit_s: float = 30.0) -> float:
        """The moment of its first picture (of this width) after that moment."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            for one in reversed(self.pictures):
                if one["at"] <= after:
                    break
            found = next((p for p in self.pictures if p["at"] > after and wide in (0, p["wide"])), None)
            if found is not None:
                return float(found["at"])
            if self.process.returncode is not None or self.end:
                break
            await asyncio.sleep(0.02)
        raise Failed(f"{self.output}: no picture; it says {self.end or self.pictures[-1:] or 'nothing'}")

    async def stop(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        if self._reading is not None:
            await self._reading


class Scene:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.publisher: Program | None = None
        self.viewers: list[Viewer] = []

    def _state(self) -> str:
        found = (s for s in self.stage.client.get("/api/v1/streams") if s["id"].endswith(f"/{STREAM}"))
        return str(next(found, {"state": ""})["state"])

    async def publish(self, kind: Kind) -> float:
        """The moment at which the gateway says live: its first key frame is here."""
        self.publisher = await Program.start(*kind.line(self.stage))
        await self.stage.until("the drone's picture", lambda: self._state() == "live")
        return time.monotonic()

    async def lose(self) -> None:
        """SIGKILL, and the gateway has noticed."""
        assert self.publisher is not None
        self.publisher.process.kill()
        await self.publisher.process.wait()
        await self.stage.until("the outage is noticed", lambda: self._state() != "live")

    async def view(self, output: str) -> Viewer:
        viewer = await Viewer.start(self.stage, output)
        self.viewers.append(viewer)
        return viewer

    async def close(self) -> None:
        for viewer in self.viewers:
            await viewer.stop()
        if self.publisher is not None:
            with suppress(ProcessLookupError):
                self.publisher.process.kill()
            await self.publisher.process.wait()


async def page_sees(page: Page, after_unix_ms: float, wide: int = 0, limit_s: float = 30.0) -> float:
    """Unix milliseconds of the page's first picture (of this width) after that moment."""
    size = f"&& one[1] === {wide}" if wide else ""
    found = f"__shown.log.find(one => one[0] > {after_unix_ms} {size})"
    await page.wait_for(f"!!{found}", limit_s, "a picture in the page")
    return float(await page.evaluate(f"{found}[0]"))
