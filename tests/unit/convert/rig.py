"""A source made with PyAV on the real media plane, the worker as a process of its own, and what it makes, decoded."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.video.frame import VideoFrame

from gateway import codecs
from gateway.convert.pictures import split
from gateway.convert.recipe import Recipe
from gateway.convert.records import WHOLE, Reader, Track, Unit, Writer

PATIENCE_S = 60.0


def picture(width: int, height: int, number: int) -> VideoFrame:
    """Grey that changes with `number`, with a bar that moves."""
    frame = VideoFrame(width, height, "yuv420p")
    for at, plane in enumerate(frame.planes):
        lines = [bytearray([128 if at else 40 + number % 100]) * plane.line_size for _ in range(plane.height)]
        if at == 0:
            for y in range(plane.height):
                lines[y][(number * 4) % (width - 8) : (number * 4) % (width - 8) + 8] = b"\xeb" * 8
        plane.update(b"".join(lines))
    return frame


class Camera:
    """Writes coded pictures and sound into a stream of the media plane over a frame port."""

    def __init__(
        self,
        engine: codecs.Engine,
        stream: int,
        codec: str = "h265",
        size: tuple[int, int] = (640, 360),
        *,
        fps: int = 25,
        gop: int = 50,
        b_frames: int = 0,
        audio: str = "",
    ) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.leg = engine.open_frames_in(stream, theirs.detach())
        self.port = ours
        self.writer = Writer(ours)
        self.fps, self.gop, self.b_frames = fps, gop, b_frames
        self.number = 0
        self.samples = 0
        self.set(codec, size)
        if audio:
            self.set_audio(audio)

    def set(self, codec: str, size: tuple[int, int]) -> None:
        self.codec, self.size = codec, size
        name = {"h264": "libx264", "h265": "libx265", "mjpeg": "mjpeg", "mpeg2video": "mpeg2video"}[codec]
        context: Any = av.CodecContext.create(name, "w")
        context.width, context.height = size
        context.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        context.time_base, context.framerate = Fraction(1, self.fps), Fraction(self.fps)
        context.gop_size, context.max_b_frames = self.gop, self.b_frames
        context.options = {
            "h264": {"preset": "ultrafast", "x264-params": f"scenecut=0:bframes={self.b_frames}:b-adapt=0"},
            "h265": {"preset": "ultrafast", "x265-params": "log-level=none:repeat-headers=1:bframes=0:pools=1"},
        }.get(codec, {})
        if not self.b_frames and codec not in WHOLE:
            context.options = context.options | {"tune": "zerolatency"}
        self.context = context
        self.told = False

    def set_audio(self, codec: str) -> None:
        name, rate, form = {
            "aac": ("aac", 48_000, "fltp"), "pcma": ("pcm_alaw", 8_000, "s16"), "opus": ("libopus", 48_000, "s16"),
            "g722": ("g722", 16_000, "s16"), "mp2": ("mp2", 48_000, "s16"), "ac3": ("ac3", 48_000, "fltp"),
            "eac3": ("eac3", 48_000, "fltp"),
        }[codec]  # fmt: skip
        context: Any = av.CodecContext.create(name, "w")
        context.sample_rate, context.layout, context.format = rate, "mono", form
        context.time_base = Fraction(1, rate)
        context.open()
        self.audio, self.rate, self.sound = codec, rate, context
        self.samples = self.number * rate // self.fps
        clock = 8_000 if codec == "g722" else rate
        sets = (bytes(context.extradata),) if codec == "aac" else ()
        self.clock = clock
        self.writer.track(Track(codec, clock, sample_rate_hz=rate, sets=sets))

    def shoot(self, count: int = 1, *, real_time: bool = False) -> None:
        for _ in range(count):
            frame = picture(*self.size, self.number)
            if self.codec == "mjpeg":
                frame = frame.reformat(format="yuvj420p")
            frame.pts, frame.time_base = self.number, Fraction(1, self.fps)
            for packet in self.context.encode(frame):
                self._send(packet)
            self.number += 1
            if hasattr(self, "sound"):
                self._hum()
            if real_time:
                time.sleep(1 / self.fps)

    def _send(self, packet: Any) -> None:
        data, scale = bytes(packet), 90_000 // self.fps
        parts = (data,) if self.codec in WHOLE else tuple(split(data))
        kinds = {"h264": ((7, 8), 0, 0x1F), "h265": ((32, 33, 34), 1, 0x3F)}.get(self.codec)
        if not self.told:
            sets = tuple(p for p in parts if kinds and p[0] >> kinds[1] & kinds[2] in kinds[0])
            track = Track(self.codec, 90_000, *self.size, b_frames=self.b_frames > 0, sets=sets)
            self.writer.track(track)
            self.told = True
        self.writer.unit(Unit(self.codec, parts, packet.pts * scale, packet.dts * scale, bool(packet.is_keyframe)))

    def _hum(self) -> None:
        """440 Hz up to the picture's time."""
        from av.audio.frame import AudioFrame

        size = self.sound.frame_size or self.rate // 50
        while self.samples + size <= self.number * self.rate // self.fps:
            values = [math.sin(math.tau * 440 * (self.samples + i) / self.rate) * 0.5 for i in range(size)]
            frame = AudioFrame(format=self.sound.format.name, layout="mono", samples=size)
            planar = self.sound.format.name == "fltp"
            data = struct.pack(f"<{size}f", *values) if planar else struct.pack(
                f"<{size}h", *(round(v * 32767) for v in values)
            )  # fmt: skip
            plane = frame.planes[0]
            plane.update(data + bytes(plane.buffer_size - len(data)))
            frame.sample_rate, frame.pts, frame.time_base = self.rate, self.samples, Fraction(1, self.rate)
            for packet in self.sound.encode(frame):
                pts = self.samples * self.clock // self.rate
                self.writer.unit(Unit(self.audio, (bytes(packet),), pts, pts, True))
            self.samples += size

    def close(self) -> None:
        self.port.close()


@dataclass
class Seen:
    """What came out of a frame port so far."""

    port: socket.socket
    tracks: list[Track] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)

    def until(self, what: str, question: Any, patience_s: float = PATIENCE_S) -> None:
        reader = self.__dict__.setdefault("reader", Reader())
        deadline = time.monotonic() + patience_s
        while not question(self):
            self.port.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                record = self.port.recv(64 << 10)
            except TimeoutError:
                raise AssertionError(f"{what}: not in time; tracks {self.tracks}, {len(self.units)} units") from None
            assert record, f"{what}: the port was closed"
            item = reader.push(record)
            if isinstance(item, Track):
                self.tracks.append(item)
            elif item is not None:
                self.units.append(item)

    def pictures(self) -> list[Unit]:
        return [unit for unit in self.units if unit.is_video]

    def sounds(self) -> list[Unit]:
        return [unit for unit in self.units if not unit.is_video]

    def decoded(self) -> list[VideoFrame]:
        context: Any = av.CodecContext.create({"h264": "h264", "h265": "hevc"}[self.pictures()[0].codec], "r")
        return [frame for unit in self.pictures() for frame in context.decode(av.Packet(unit.annexb()))]


def reads(engine: codecs.Engine, stream: int) -> Seen:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    engine.open_frames_out(stream, theirs.detach())
    return Seen(ours)


class Works:
    """The worker as a process, between two streams."""

    def __init__(self, engine: codecs.Engine, source: int, target: int, recipe: Recipe, **more: Any) -> None:
        given, taken = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        made, put = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(PATIENCE_S)
        engine.open_frames_out(source, given.detach())
        engine.open_frames_in(target, made.detach())
        given_more = json.dumps({"recipe": json.loads(recipe.to_text())} | more)
        with theirs, taken, put:
            numbers = [str(one.fileno()) for one in (theirs, taken, put)]
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway.convert", "pictures", *numbers, given_more],
                pass_fds=(theirs.fileno(), taken.fileno(), put.fileno()),
            )

    def told(self, event: str, question: Any = lambda e: True) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            record: dict[str, Any] = json.loads(self.control.recv(64 << 10) or b'{"ev": "gone"}')
            if record["ev"] == event and question(record):
                return record
            assert record["ev"] != "gone", "the worker is gone"
        raise AssertionError(f"{event}: not in time")

    def ask(self, order: str) -> None:
        self.control.send(json.dumps({"do": order}).encode())

    def close(self) -> None:
        self.control.close()
        self.process.wait(10)


@contextlib.contextmanager
def plane() -> Iterator[codecs.Engine]:
    engine = codecs.Engine(threads=1)
    try:
        yield engine
    finally:
        engine.close()
