"""The ball's encoders: real H.264 or H.265 (x264, x265 through PyAV) and a G.711A tone, only while someone looks.

`LiveEncoder` renders and encodes in a thread of its own and hands `Frame`s to its sinks in the event loop.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Protocol

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.stream import VideoStream

from gateway.sim.head import Head
from gateway.sim.ps import PsOptions, mux
from gateway.sim.scene import Scene
from gateway.sim.sound import tone

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
Microphone = Callable[[int, int], bytes]
"""`(begin, count)`: so many samples of G.711A from sample `begin` on, 8 kHz."""


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

    def __init__(self, settings: VideoSettings, microphone: Microphone = tone) -> None:
        self.settings, self._microphone = settings, microphone
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
            audio = self._microphone(begin, (pts + 1) * 8000 // self.settings.fps - begin)
        return Frame(bytes(packet), bool(packet.is_keyframe), _START + pts * tick, _START + dts * tick, audio)


class LiveEncoder:
    """Renders what the head sees and encodes it, in a thread that lives while there is a sink."""

    def __init__(self, settings: VideoSettings, head: Head, title: str, microphone: Microphone = tone) -> None:
        self.settings, self.head, self.title, self.microphone = settings, head, title, microphone
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
        encoder = VideoEncoder(self.settings, self.microphone)
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
