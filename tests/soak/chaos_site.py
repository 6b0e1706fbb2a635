"""The mixed site of the chaos soak: a source of every kind with the program that feeds it, and viewers that stay.

Every sender is a program as a technician would start it. One that ends by itself (a file is over) is started again;
one that a disturbance took away stays away until the disturbance brings it back.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.fixtures import fixture
from tests.interop.senders import PASSWORD, USER, Gates
from tests.interop.watchers import read_url
from tests.peers.stage import BALL, Stage

READERS = ("rtsp", "rtmp", "srt")
AGAIN_S = 1.0


def large() -> Path:
    """H.264 of 1280x720, made once beside the matrix's own."""
    path = fixture("h264", "none").with_name("h264-720.mkv")
    if not path.exists():
        part = path.with_suffix(".part.mkv")
        words = "-f lavfi -i testsrc2=size=1280x720:rate=25:duration=60 -c:v libx264 -preset ultrafast -bf 0 -g 25"
        line = ["ffmpeg", "-v", "error", "-y", *words.split(), "-pix_fmt", "yuv420p", "-b:v", "1M", "-f", "matroska"]
        subprocess.run([*line, str(part)], check=True)
        part.replace(path)
    return path


@dataclass
class Source:
    """One source and its feeding programs, servers first; `variants` are what it can be replaced by."""

    kind: str
    name: str
    lines: list[list[list[str]]]
    port: int = 0
    udp: bool = False
    pushed: bool = True
    config: str = ""
    stream: str = ""
    variant: int = 0
    wanted: bool = False
    busy: bool = False
    running: list[asyncio.subprocess.Process] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    log: Path = Path(os.devnull)

    async def start(self) -> None:
        self.wanted = True
        with self.log.open("ab") as log:
            for line in self.lines[self.variant]:
                self.running.append(
                    await asyncio.create_subprocess_exec(
                        *line, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | self.env
                    )
                )

    async def kill(self) -> None:
        self.wanted = False
        for one in self.running:
            with contextlib.suppress(ProcessLookupError):
                one.kill()
        for one in self.running:
            await one.wait()
        self.running.clear()

    def signal(self, number: signal.Signals, *, last: bool = False) -> None:
        """To all its programs, or to the last alone: a web server goes on, its encoder does not."""
        for one in self.running[-1:] if last else self.running:
            if one.returncode is None:
                one.send_signal(number)

    async def keep(self) -> None:
        """As a service manager would: what ended by itself is started again."""
        while True:
            await asyncio.sleep(AGAIN_S)
            if self.wanted and any(one.returncode is not None for one in self.running):
                await self.kill()
                await self.start()


@dataclass
class Viewer:
    """A program that reads one stream; `excused` while a disturbance of its own lasts."""

    output: str
    source: str
    url: str
    process: asyncio.subprocess.Process | None = None
    at: float = 0.0
    frames: int = 0
    end: str = ""
    excused: bool = False
    reading: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return f"{self.output} of {self.source}"

    async def start(self) -> None:
        self.end, self.at = "", 0.0
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.peers.onlooker", self.url, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self.reading = asyncio.create_task(self._read(self.process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            told = json.loads(line)
            if "at" in told:
                self.at, self.frames = told["at"], self.frames + 1
            elif "end" in told:
                self.end = told["end"]
        self.end = self.end or "it died"

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    async def stop(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGKILL)
            await self.process.wait()
        if self.reading is not None:
            await self.reading

    async def shows(self, after: float, limit_s: float) -> bool:
        until = time.monotonic() + limit_s
        while time.monotonic() < until and not self.end:
            if self.at > after:
                return True
            await asyncio.sleep(0.1)
        return False


def _ffmpeg(path: Path, *words: str) -> list[str]:
    return ["ffmpeg", "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", str(path), "-c", "copy", *words]


def _url(way: str, name: str, gates: Gates) -> str:
    match way:
        case "rtsp":
            return f"rtsp://{USER}:{PASSWORD}@127.0.0.1:{gates.rtsp}/{name}"
        case "rtmp":
            return f"rtmp://127.0.0.1:{gates.rtmp}/live/{name}?user={USER}&pass={PASSWORD}"
        case _:
            words = f"%23!::r={name},m=publish,u={USER},s={PASSWORD}"
            return f"srt://127.0.0.1:{gates.srt}?streamid={words}&latency=120000"


def sources(stage: Stage, gates: Gates, folder: Path) -> list[Source]:
    """One of each kind. Ports of the test's own come from the end of the stage's block."""
    base = stage.ports.rtp[1] + 1
    small, h265, b_frames = fixture("h264", "aac"), fixture("h265", "aac"), fixture("h264b", "aac")

    def pushed(name: str, way: str, *words: str, files: list[Path]) -> list[list[list[str]]]:
        return [[_ffmpeg(one, *words, _url(way, name, gates))] for one in files]

    rtsp = ("-f", "rtsp", "-rtsp_transport", "tcp")
    cloud = folder / "cloud"
    cloud.mkdir()
    hls = ("-f", "hls", "-hls_time", "2", "-hls_list_size", "5", "-hls_flags", "delete_segments")
    web = [sys.executable, "-m", "http.server", str(base + 3), "--bind", "127.0.0.1", "--directory", str(cloud)]
    launch = f"( filesrc location={small} ! matroskademux name=d d.video_0 ! queue ! h264parse ! rtph264pay name=pay0 )"
    ball = [
        sys.executable, "-m", "gateway", "sim", "ball", "--server", f"127.0.0.1:{stage.ports.sip}", "--id", BALL,
        "--json", "--password-file", str(folder / "kit-password"), "--size", "640x360", "--gop", "1s",
    ]  # fmt: skip
    whip_url = f"{gates.http}/whip/whip"
    whip = [sys.executable, "-m", "tests.interop.sender8", str(fixture("h264", "opus")), whip_url, "whip"]
    made = [
        Source("RTSP published", "cam", pushed("cam", "rtsp", *rtsp, files=[small, large(), h265]), stage.ports.rtsp),
        Source("H.265 converted", "conv", pushed("conv", "rtsp", *rtsp, files=[h265]), stage.ports.rtsp),
        Source("RTMP, B-frames", "rtmp", pushed("rtmp", "rtmp", "-f", "flv", files=[b_frames]), stage.ports.rtmp),
        Source("RTMP", "drone", pushed("drone", "rtmp", "-f", "flv", files=[small, large()]), stage.ports.rtmp),
        Source("SRT published", "srt", pushed("srt", "srt", "-f", "mpegts", files=[small, large(), h265]),
               stage.ports.srt, udp=True),
        Source("SRT listener", "box", [[_ffmpeg(small, "-f", "mpegts", f"srt://127.0.0.1:{base + 1}")]], base + 1,
               udp=True, pushed=False, config=f"srt://127.0.0.1:{base + 1}?mode=listener"),
        Source("SRT caller", "mast", [[_ffmpeg(small, "-f", "mpegts", f"srt://127.0.0.1:{base + 2}?mode=listener")]],
               pushed=False, config=f"srt://127.0.0.1:{base + 2}"),
        Source("MPEG-TS UDP", "ts",
               [[_ffmpeg(one, "-f", "mpegts", f"udp://127.0.0.1:{base}?pkt_size=1316")]
                for one in (small, large(), h265)],
               base, udp=True, pushed=False, config=f"udp://127.0.0.1:{base}"),
        Source("HLS pulled", "town", [[web, _ffmpeg(small, *hls, str(cloud / "live.m3u8"))]], pushed=False,
               config=f"http://127.0.0.1:{base + 3}/live.m3u8"),
        Source("RTSP pulled", "gate",
               [[["/usr/bin/python3", "tests/interop/gst_server.py", str(gates.pulled), "gate", launch]]],
               pushed=False, config=f"rtsp://127.0.0.1:{gates.pulled}/gate#transport=tcp"),
        Source("GB/T 28181", BALL, [[[*ball, "--codec", "h264"]], [[*ball, "--codec", "h265"]]], stage.ports.sip,
               udp=True, pushed=False),
        Source("WHIP", "whip", [[whip]], stage.ports.webrtc, udp=True),
    ]  # fmt: skip
    for one in made:
        one.env = {"WHIP_TOKEN": PASSWORD}
        one.log = folder / f"sender-{one.name}.log"
        one.stream = "" if one.name == BALL else f"kit1/{one.name}/main"
    return made


def config(made: list[Source], push_policy: str) -> str:
    text = (
        f"[program.{USER}]\npassword = '{PASSWORD}'\npublish = ['*']\npush_policy = '{push_policy}'\n"
        "[program.reader]\npassword = 'interop-reader-1'\nread = ['*']\n[security]\npull_allow = ['127.0.0.0/8']\n"
    )
    for one in made:
        if one.config:
            text += f"[source.{one.name}]\nurl = '{one.config}'\non_demand = false\n"
    return text


def viewers(made: list[Source], gates: Gates, hls: str) -> list[Viewer]:
    """RTSP of every stream, RTMP and SRT of some, HLS of the one with B-frames."""
    found = []
    for one in made:
        path = one.stream.removeprefix("kit1/").removesuffix("/main")
        found.append(Viewer("rtsp", one.name, read_url("rtsp", path, gates, "")))
        if one.name in ("cam", "drone", "srt"):
            output = {"cam": "srt", "drone": "rtmp", "srt": "srt"}[one.name]
            found.append(
                Viewer(
                    output, one.name, read_url(output, path, gates, "").replace("%23", "#").replace("=120000", "=120")
                )
            )
    found.append(Viewer("hls", "rtmp", hls))
    return found
