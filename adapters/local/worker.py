"""`python -m adapters.local.worker CONTROL OUT RECIPE`: reads cameras and microphones, writes a frame port.

H.264 and MJPEG of a camera are passed as they are; raw pictures are made H.264, sound Opus. A process of its own: a
driver that hangs or takes its process with it costs this source alone. Ends with the daemon, with its socket, or when
the device is gone: then it says `unplugged` on the control socket.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
from av.audio.resampler import AudioResampler
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter

from adapters.local.recipe import Input, Recipe
from gateway.convert.__main__ import settle
from gateway.convert.encoders import CLOCK_HZ, KEY_EVERY_S, SOFTWARE, choose, open_encoder, threads
from gateway.convert.pictures import split
from gateway.convert.records import Track, Unit, Writer

MEMORY_BYTES = 1_500_000_000
OPUS_HZ = 48_000
OPUS_BPS = 64_000
BEAT_S = 1.0
WRITE_S = 5.0
PASSED = ("h264", "mjpeg")


class Clock:
    """One time line for picture and sound: the device's own times, tied to our clock by the first of each."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def tie(self, hz: int) -> Callable[[int | None, Fraction], int]:
        """A device's pts → the time line in `hz`."""
        offset: float | None = None

        def place(pts: int | None, base: Fraction) -> int:
            nonlocal offset
            now = time.monotonic() - self.began
            if pts is None:
                return round(now * hz)
            at = float(pts * base)
            if offset is None or abs(at + offset - now) > 2.0:  # it began anew, or its clock runs away
                offset = now - at
            return max(0, round((at + offset) * hz))

        return place


class Out:
    """The frame port, written by two threads; units only ever grow in time."""

    def __init__(self, port: socket.socket) -> None:
        port.settimeout(WRITE_S)
        self._writer = Writer(port)
        self._lock = threading.Lock()
        self._last = {True: -1, False: -1}

    def track(self, track: Track) -> None:
        with self._lock:
            self._writer.track(track)

    def unit(self, codec: str, parts: tuple[bytes, ...], pts: int, key: bool) -> None:
        capture = int(time.time() * 1e6)
        with self._lock:
            video = codec in ("h264", "mjpeg")
            pts = max(pts, self._last[video] + 1)
            self._last[video] = pts
            self._writer.unit(Unit(codec, parts, pts, pts, key, capture=capture))


def video(
    given: Input, bitrate_bps: int, out: Out, clock: Clock, tell: Callable[..., None], want: threading.Event
) -> None:
    """Until the device ends. Raises what FFmpeg raises."""
    with av.open(given.name, format=given.kind, options=given.options, timeout=(10.0, 5.0)) as container:
        stream = container.streams.video[0]
        name, place = stream.codec_context.name, clock.tie(CLOCK_HZ)
        size = (stream.codec_context.width, stream.codec_context.height)
        if name in PASSED:
            tell("made", video=f"{name} {size[0]}x{size[1]}, as it is")
            for packet in container.demux(stream):
                if packet.size:
                    _passed(
                        name, bytes(packet), size, place(packet.pts, packet.time_base or Fraction(1, CLOCK_HZ)), out
                    )
            return
        encoder = Encoder(out, float(stream.average_rate or 25), bitrate_bps, tell, want)
        for frame in container.decode(stream):
            if isinstance(frame, VideoFrame):
                encoder.take(frame, place(frame.pts, frame.time_base or Fraction(1, CLOCK_HZ)))


def _passed(name: str, data: bytes, size: tuple[int, int], pts: int, out: Out) -> None:
    if name == "mjpeg":
        out.track(Track("mjpeg", CLOCK_HZ, *size))
        out.unit("mjpeg", (data,), pts, True)
        return
    nalus = [one for one in split(data) if one[0] & 0x1F not in (6, 9, 12)]
    _h264(nalus, size, pts, out)


def _h264(nalus: list[bytes], size: tuple[int, int], pts: int, out: Out) -> None:
    sps = next((one for one in nalus if one[0] & 0x1F == 7), b"")
    if len(sps) > 4:
        sets = tuple(one for one in nalus if one[0] & 0x1F in (7, 8))
        out.track(Track("h264", CLOCK_HZ, *size, 0, int.from_bytes(sps[1:4], "big"), 0, False, "", sets))
    key = any(one[0] & 0x1F == 5 for one in nalus)
    if nalus:
        out.unit("h264", tuple(nalus), pts, key)


class Encoder:
    """Raw pictures to H.264."""

    def __init__(
        self, out: Out, fps: float, bitrate_bps: int, tell: Callable[..., None], want: threading.Event
    ) -> None:
        self._out = out
        self._fps = min(max(fps, 1.0), 60.0)
        self._bitrate_bps = bitrate_bps
        self._tell = tell
        self._want = want
        self._context: VideoCodecContext | None = None
        self._shape = (0, 0, "")
        self._scaler = VideoReformatter()
        self._keyed = -10 * CLOCK_HZ

    def take(self, frame: VideoFrame, pts: int) -> None:
        shape = (frame.width & ~1, frame.height & ~1, frame.format.name)
        if self._context is None or self._shape != shape:
            self._open(shape)
        context = self._context
        assert context is not None  # noqa: S101  (just opened)
        if (frame.width, frame.height, frame.format.name) != (*shape[:2], context.pix_fmt):
            frame = self._scaler.reformat(frame, shape[0], shape[1], context.pix_fmt)
        key = self._want.is_set() or pts - self._keyed >= KEY_EVERY_S * CLOCK_HZ
        if key:
            self._want.clear()
            self._keyed = pts
        frame.pict_type = PictureType.I if key else PictureType.NONE
        frame.pts, frame.time_base = pts, Fraction(1, CLOCK_HZ)
        for packet in context.encode(frame):
            nalus = [one for one in split(bytes(packet)) if one[0] & 0x1F not in (6, 9, 12)]
            _h264(nalus, shape[:2], pts if packet.pts is None else packet.pts, self._out)

    def _open(self, shape: tuple[int, int, str]) -> None:
        name = choose(True, lambda tried: self._tell("trying", encoder=tried))
        more: dict[str, Any] = {"fps": self._fps, "bitrate_bps": self._bitrate_bps, "threads": threads()}
        try:
            self._context = open_encoder(name, shape[0], shape[1], source_format=shape[2], **more)
        except (av.FFmpegError, ValueError):
            if name == SOFTWARE:
                raise
            name = SOFTWARE
            self._context = open_encoder(name, shape[0], shape[1], source_format=shape[2], **more)
        self._shape = shape
        self._keyed = -10 * CLOCK_HZ
        self._tell("made", video=f"{shape[2]} {shape[0]}x{shape[1]} → h264 by {name}")


def audio(given: Input, out: Out, clock: Clock, tell: Callable[..., None]) -> None:
    """Until the device ends: Opus of 20 ms, one channel."""
    with av.open(given.name, format=given.kind, options=given.options, timeout=(10.0, 5.0)) as container:
        stream = container.streams.audio[0]
        place = clock.tie(OPUS_HZ)
        encoder = av.CodecContext.create("libopus", "w")
        encoder.sample_rate, encoder.layout, encoder.format = OPUS_HZ, "mono", "s16"
        encoder.bit_rate = OPUS_BPS
        encoder.time_base = Fraction(1, OPUS_HZ)
        encoder.options = {"application": "lowdelay", "frame_duration": "20"}
        encoder.open()
        resampler = AudioResampler("s16", "mono", OPUS_HZ, frame_size=OPUS_HZ // 50)
        out.track(Track("opus", OPUS_HZ, sample_rate_hz=OPUS_HZ, channels=1))
        tell("made", audio=f"{stream.codec_context.name} → opus")
        next_pts = -1
        for frame in container.decode(stream):
            at = place(frame.pts, frame.time_base or Fraction(1, OPUS_HZ))
            # Samples come without a gap; the device's times only correct them where they have drifted apart.
            if next_pts < 0 or abs(at - next_pts) > OPUS_HZ // 5:
                next_pts = at
            frame.pts = None
            for even in resampler.resample(frame):
                even.pts, even.time_base = next_pts, Fraction(1, OPUS_HZ)
                next_pts += even.samples
                for packet in encoder.encode(even):
                    out.unit("opus", (bytes(packet),), max(0, packet.pts or 0), True)


class Control:
    def __init__(self, port: socket.socket) -> None:
        self._port = port
        self._lock = threading.Lock()

    def tell(self, event: str, **more: Any) -> None:
        with self._lock, suppress(OSError):
            self._port.send(json.dumps({"ev": event} | more).encode())

    def orders(self) -> Iterator[str]:
        while True:
            try:
                data = self._port.recv(4096)
            except OSError:
                return
            if not data:
                return
            yield str(json.loads(data).get("do", ""))


def main(arguments: list[str]) -> int:
    control_fd, out_fd, text = arguments
    settle(MEMORY_BYTES)
    av.logging.set_level(None)
    recipe, control = Recipe.from_text(text), Control(socket.socket(fileno=int(control_fd)))
    out, clock, want = Out(socket.socket(fileno=int(out_fd))), Clock(), threading.Event()
    over = threading.Event()

    def part(kind: str, work: Callable[[], None]) -> None:
        try:
            work()
            control.tell("unplugged", kind=kind, detail="it ended")
        except (BrokenPipeError, ConnectionResetError):
            control.tell("let-go", kind=kind)  # the media plane did
        except (av.FFmpegError, OSError, ValueError, IndexError) as exc:
            control.tell("unplugged", kind=kind, errno=getattr(exc, "errno", 0) or 0, detail=str(exc)[:200])
        if kind == "video" or recipe.video is None:
            over.set()  # a picture goes on without its sound

    def beat() -> None:
        while True:
            control.tell("beat")
            time.sleep(BEAT_S)

    def obey() -> None:
        for order in control.orders():
            if order == "key":
                want.set()
        over.set()

    work: list[Callable[[], None]] = [beat, obey]
    if (seen := recipe.video) is not None:
        work.append(lambda: part("video", lambda: video(seen, recipe.bitrate_bps, out, clock, control.tell, want)))
    if (heard := recipe.audio) is not None:
        work.append(lambda: part("audio", lambda: audio(heard, out, clock, control.tell)))
    for one in work:
        threading.Thread(target=one, daemon=True).start()
    over.wait()
    os._exit(0)  # a thread that hangs in a driver is not waited for


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
