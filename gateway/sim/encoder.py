"""The ball's encoders: real H.264 or H.265 (x264, x265 through PyAV) and a G.711A tone, only while someone looks.

`LiveEncoder` renders and encodes in a thread of its own; `Replay` encodes one group of pictures once a process
and plays it again and again for any number of balls. Both hand `Frame`s to their sinks in the event loop.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Protocol

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.stream import VideoStream

from gateway.sim.head import Head
from gateway.sim.ps import PsOptions, mux
from gateway.sim.scene import Scene

CLOCK_HZ = 90_000
_START = 90_000  # the first DTS, so that a stream with B-frames never goes below 0


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """What the encoder is set to. `bitrate` in bit/s, `gop_s` seconds between key frames nobody asked for."""

    codec: str = "h264"
    width: int = 1280
    height: int = 720
    fps: int = 25
    bitrate: int = 2_000_000
    gop_s: float = 2.0
    b_frames: int = 0
    audio: bool = True

    @property
    def gop(self) -> int:
        return max(1, round(self.gop_s * self.fps))


@dataclass(frozen=True, slots=True)
class Frame:
    """One coded picture (Annex B) and the G.711A beside it; times in 90 kHz ticks since the encoder started."""

    data: bytes
    key: bool
    pts: int
    dts: int
    audio: bytes = b""
    _packs: dict[PsOptions, bytes] = field(default_factory=dict, compare=False, repr=False)

    def pack(self, options: PsOptions) -> bytes:
        """As a program stream pack; made once for all who ask with the same options."""
        made = self._packs.get(options)
        if made is None:
            made = mux(self.data, self.audio, self.pts, self.dts, key=self.key, options=options)
            self._packs[options] = made
        return made


Sink = Callable[[Frame], None]


class Source(Protocol):
    """Where frames come from. Sinks are called in the event loop that `attach` was called in."""

    @property
    def running(self) -> bool:
        """Whether it moves the head by itself now."""

    def attach(self, sink: Sink) -> None: ...

    def detach(self, sink: Sink) -> None: ...

    def want_key(self) -> None:
        """The next picture is to be a key frame."""


class VideoEncoder:
    """One PyAV codec context, set for low delay. Not for several threads."""

    def __init__(self, settings: VideoSettings) -> None:
        self.settings = settings
        name = {"h264": "libx264", "h265": "libx265"}[settings.codec]
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, VideoCodecContext)  # noqa: S101 - for the type checker: these are video codecs
        context.width, context.height, context.pix_fmt = settings.width, settings.height, "yuv420p"
        context.time_base = Fraction(1, settings.fps)
        context.framerate = Fraction(settings.fps, 1)
        context.bit_rate = settings.bitrate
        context.gop_size = settings.gop
        context.max_b_frames = settings.b_frames
        context.thread_count = 1
        context.options = self._options(settings)
        self._context = context
        self._number = 0

    @staticmethod
    def _options(settings: VideoSettings) -> dict[str, str]:
        # A control ball holds its rate: a key frame may take about half a second's worth of it.
        rate_k = max(32, settings.bitrate // 1000)
        if settings.codec == "h265":
            x265 = (
                f"keyint={settings.gop}:min-keyint=1:scenecut=0:open-gop=0:bframes={settings.b_frames}:repeat-headers=1:"
                f"vbv-maxrate={rate_k}:vbv-bufsize={rate_k}:pools=none:frame-threads=1:log-level=none"
            )
            tune = {} if settings.b_frames else {"tune": "zerolatency"}
            return {"preset": "ultrafast", "forced-idr": "1", "x265-params": x265, **tune}
        x264 = f"scenecut=0:keyint={settings.gop}:min-keyint=1:vbv-maxrate={rate_k}:vbv-bufsize={rate_k}"
        if settings.b_frames:
            x264 += f":bframes={settings.b_frames}:b-adapt=0:rc-lookahead=4:sync-lookahead=0"
            return {"preset": "ultrafast", "profile": "main", "forced-idr": "1", "x264-params": x264}
        return {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "profile": "baseline",
            "forced-idr": "1",
            "x264-params": x264,
        }

    def encode(self, picture: av.VideoFrame, *, key: bool) -> list[Frame]:
        """Encode one picture; gives at once what is ready (one frame, later when there are B-frames)."""
        picture.pts = self._number
        picture.pict_type = PictureType.I if key else PictureType.NONE
        self._number += 1
        return [self._frame(packet) for packet in self._context.encode(picture)]

    def _frame(self, packet: av.Packet[VideoStream]) -> Frame:
        tick = CLOCK_HZ // self.settings.fps
        pts, dts = packet.pts or 0, packet.dts or 0
        audio = b""
        if self.settings.audio:
            begin = (pts * 8000) // self.settings.fps
            audio = tone(begin, (pts + 1) * 8000 // self.settings.fps - begin)
        return Frame(bytes(packet), bool(packet.is_keyframe), _START + pts * tick, _START + dts * tick, audio)


@lru_cache(maxsize=1)
def _tone_second() -> bytes:
    """One second of G.711A: a soft hum, and a pip of 880 Hz in its first fifth. ITU-T G.711 §3.3."""
    out = bytearray()
    for n in range(8000):
        level = 500.0 * math.sin(math.tau * 120 * n / 8000)
        if n < 1600:
            level += 9000.0 * math.sin(math.tau * 880 * n / 8000)
        out.append(alaw(round(level)))
    return bytes(out)


def alaw(sample: int) -> int:
    """One 16-bit linear sample as a G.711 A-law byte."""
    sign = 0x80 if sample >= 0 else 0
    size = min(32767, sample if sample >= 0 else -sample - 1) >> 3  # 12 bits of size: A-law knows 13 with the sign
    if size < 32:
        code = size >> 1
    else:
        segment = size.bit_length() - 5
        code = segment << 4 | (size >> segment) & 0x0F
    return (sign | code) ^ 0x55


def tone(begin: int, count: int) -> bytes:
    """`count` samples of the tone from sample `begin` on; the same second for ever."""
    second = _tone_second()
    at = begin % len(second)
    return (second * (2 + count // len(second)))[at : at + count]


class LiveEncoder:
    """Renders what the head sees and encodes it, in a thread that lives while there is a sink."""

    def __init__(self, settings: VideoSettings, head: Head, title: str) -> None:
        self.settings, self.head, self.title = settings, head, title
        self._sinks: list[Sink] = []
        self._key = threading.Event()
        self._stop: threading.Event | None = None
        self.frames = 0

    @property
    def running(self) -> bool:
        return self._stop is not None

    def attach(self, sink: Sink) -> None:
        self._sinks.append(sink)
        self._key.set()  # a new viewer starts with a picture, as good devices do
        if self._stop is None:
            self._stop = threading.Event()
            loop = asyncio.get_running_loop()
            threading.Thread(
                target=self._work, args=(loop, self._stop), name=f"encoder {self.title}", daemon=True
            ).start()

    def detach(self, sink: Sink) -> None:
        if sink in self._sinks:
            self._sinks.remove(sink)
        if not self._sinks and self._stop is not None:
            self._stop.set()
            self._stop = None

    def want_key(self) -> None:
        self._key.set()

    def _work(self, loop: asyncio.AbstractEventLoop, stop: threading.Event) -> None:
        encoder = VideoEncoder(self.settings)
        scene = Scene(self.settings.width, self.settings.height, self.title)
        period = 1.0 / self.settings.fps
        due = time.monotonic()
        number = 0
        while not stop.is_set():
            view = self.head.advance(period)
            clock = datetime.now().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
            key = self._key.is_set()
            if key:  # only then: a wish that comes between the two lines must not be lost
                self._key.clear()
            for frame in encoder.encode(scene.render(number, clock, view), key=key):
                try:
                    loop.call_soon_threadsafe(self._deliver, frame, stop)
                except RuntimeError:  # the loop closed while the picture was made
                    return
            number += 1
            due = max(due + period, time.monotonic() - period)  # after a stall: go on, never chase it
            stop.wait(max(0.0, due - time.monotonic()))

    def _deliver(self, frame: Frame, stop: threading.Event) -> None:
        if stop.is_set():
            return
        self.frames += 1
        for sink in tuple(self._sinks):
            sink(frame)


@lru_cache(maxsize=4)
def one_gop(settings: VideoSettings) -> tuple[Frame, ...]:
    """One group of pictures, panning slowly there and back so that the end joins the beginning."""
    encoder = VideoEncoder(settings)
    scene = Scene(settings.width, settings.height, "REPLAY")
    frames: list[Frame] = []
    head = Head()
    start = head.view
    for number in range(settings.gop):
        swing = 3.0 * math.sin(math.tau * number / settings.gop)
        view = type(start)(start.pan + swing, start.tilt, start.zoom)
        frames.extend(encoder.encode(scene.render(number, "REPLAY", view), key=number == 0))
    return tuple(frames)


class Replay:
    """Plays one prepared group of pictures to every sink; one timer serves any number of balls."""

    def __init__(self, settings: VideoSettings) -> None:
        self.settings = settings
        self._sinks: dict[Sink, bool] = {}  # in order of coming; whether it has had its key frame
        self._task: asyncio.Task[None] | None = None

    def attach(self, sink: Sink) -> None:
        self._sinks[sink] = False
        if self._task is None:
            self._task = asyncio.create_task(self._play(), name="replay")

    def detach(self, sink: Sink) -> None:
        self._sinks.pop(sink, None)
        if not self._sinks and self._task is not None:
            self._task.cancel()
            self._task = None

    @property
    def running(self) -> bool:
        return False  # its picture was made long ago: the head is moved elsewhere

    def want_key(self) -> None:
        """Can't be obeyed: the group was encoded long ago; the next one begins within `gop_s`."""

    def _endless(self) -> Iterator[Frame]:
        gop = one_gop(self.settings)
        tick = CLOCK_HZ // self.settings.fps
        turn = 0
        while True:
            shift = turn * len(gop) * tick
            for frame in gop:
                yield Frame(frame.data, frame.key, frame.pts + shift, frame.dts + shift, frame.audio)
            turn += 1

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(one_gop, self.settings)
        period = 1.0 / self.settings.fps
        due = loop.time()
        for frame in self._endless():
            for sink, started in tuple(self._sinks.items()):
                if not started and frame.key:
                    self._sinks[sink] = started = True
                if started:
                    sink(frame)
            due = max(due + period, loop.time() - period)
            await asyncio.sleep(max(0.0, due - loop.time()))
