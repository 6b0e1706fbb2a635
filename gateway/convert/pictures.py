"""Pictures in, H.264 pictures out: decode, leave out, scale, encode. No clock here: the caller hands time in."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter

from gateway.convert.encoders import (
    CLOCK_HZ,
    KEY_EVERY_S,
    MAX_PIXELS,
    SOFTWARE,
    is_intra,
    open_encoder,
    rate_for,
    threads,
)
from gateway.convert.recipe import Recipe
from gateway.convert.records import WHOLE, Track, Unit

DECODERS = {"h264": "h264", "h265": "hevc", "mjpeg": "mjpeg", "mpeg2video": "mpeg2video"}
SPARSE_FPS = 1.5
"""Of sources with key frames at least that often only those are decoded for so slow a picture."""
SKIP_BEHIND_S, DROP_BEHIND_S = 0.5, 3.0
"""Behind by the one: pictures are decoded only, but for one a second; by the other: all up to the next key frame go."""
WISH_S = 0.5
_PROFILES = {66: "baseline", 77: "main", 100: "high"}


class Out(Protocol):
    def track(self, track: Track) -> None: ...
    def unit(self, unit: Unit) -> None: ...


def split(data: bytes) -> list[bytes]:
    """NAL units of a byte stream (H.264 annex B), without start codes."""
    return [part for piece in data.split(b"\0\0\1")[1:] if (part := piece.rstrip(b"\0"))]


def fitting(width: int, height: int, lines: int) -> tuple[int, int]:
    """The size that fits `lines` (of the shorter side), even both ways, never larger than it was."""
    side = min(width, height)
    factor = lines / side if 0 < lines < side else 1.0
    return max(2, int(width * factor) & ~1), max(2, int(height * factor) & ~1)


class Pictures:
    """`encoder` tells which one to use, when the first picture is there; `made` hears in words what is made of what."""

    def __init__(self, recipe: Recipe, out: Out, encoder: Callable[[], str], made: Callable[[str, str], None]) -> None:
        self._recipe = recipe
        self._out = out
        self._which = encoder
        self._made = made
        self._track: Track | None = None
        self._decoder: VideoCodecContext | None = None
        self._encoder: VideoCodecContext | None = None
        self._shape: tuple[int, int, str] = (0, 0, "")
        self._scaler = VideoReformatter()
        self._waits_for_key = True
        self._catching = False
        self._kept: VideoFrame | None = None
        self._wish = True
        self._wished_at = -WISH_S
        self._keyed_pts = 0
        self._last_pts: int | None = None
        self._last_in: int | None = None
        self._last_key_in: int | None = None
        self._sparse = False
        self._due: float | None = None
        self._interval = 3600.0
        self.fed = 0
        self.made = 0
        self.errors = 0
        self.skipped = 0

    def track(self, track: Track) -> None:
        if self._track is None or track.codec != self._track.codec:
            self._decoder = self._open_decoder(track)
            self._waits_for_key = True
            self._told = ""
        self._track = track

    def want_key(self, now: float) -> None:
        """A viewer needs one: the next picture is, unless one was just made for another."""
        if now - self._wished_at >= WISH_S:
            self._wished_at = now
            self._wish = True

    def feed(self, unit: Unit, behind_s: float) -> None:
        """`behind_s`: for how long there has always been input that waited."""
        if self._decoder is None or self._track is None or unit.codec != self._track.codec:
            return
        self.fed += 1
        self._watch_keys(unit)
        if behind_s > DROP_BEHIND_S and not unit.key:
            self._waits_for_key = True
        if (self._waits_for_key or self._sparse) and not unit.key:
            self.skipped += 1
            return
        self._waits_for_key = False
        if self._catching and not unit.cached:
            self._kept = None
        self._catching = unit.cached
        for frame in self._decode(unit):
            if self._catching:
                self._measure(frame)
                self._kept = frame
            else:
                self._take(frame, behind_s)

    def quiet(self) -> None:
        """Nothing more waits: the last of the cached pictures is the present one."""
        self._catching = False
        if self._kept is not None:
            frame, self._kept = self._kept, None
            self._take(frame, 0.0)

    def _open_decoder(self, track: Track) -> VideoCodecContext:
        context = av.CodecContext.create(DECODERS[track.codec], "r")
        assert isinstance(context, VideoCodecContext)  # noqa: S101 - for the type checker
        context.thread_count = threads()
        context.thread_type = "SLICE"
        context.options = {"max_pixels": str(MAX_PIXELS)}
        if track.codec not in WHOLE and not track.b_frames:
            context.flags |= av.codec.context.Flags.low_delay
        return context

    def _watch_keys(self, unit: Unit) -> None:
        if not unit.key or not self._recipe.fps or self._recipe.fps > SPARSE_FPS:
            return
        if self._last_key_in is not None:
            self._sparse = 0 < unit.pts - self._last_key_in <= 1.5 * CLOCK_HZ / self._recipe.fps
        self._last_key_in = unit.pts

    def _decode(self, unit: Unit) -> list[VideoFrame]:
        assert self._decoder is not None and self._track is not None  # noqa: S101
        data = unit.decodable()
        if unit.key and self._track.sets and not _has_sets(unit):
            data = b"".join(b"\0\0\0\1" + one for one in self._track.sets) + data
        packet = av.Packet(data)
        packet.pts, packet.dts, packet.time_base = unit.pts, unit.dts, Fraction(1, CLOCK_HZ)
        try:
            return self._decoder.decode(packet)
        except (av.FFmpegError, ValueError):
            self.errors += 1
            return []

    def _measure(self, frame: VideoFrame) -> None:
        pts = frame.pts
        if pts is not None and self._last_in is not None and 0 < pts - self._last_in < 2 * CLOCK_HZ:
            self._interval += (pts - self._last_in - self._interval) / 8
        self._last_in = pts

    def _take(self, frame: VideoFrame, behind_s: float) -> None:
        """A decoded picture: left out, or made."""
        if frame.pts is None:
            self.errors += 1
            return
        self._measure(frame)
        since = CLOCK_HZ if self._last_pts is None else frame.pts - self._last_pts
        if since <= 0:
            return  # time never goes back
        if behind_s > SKIP_BEHIND_S and since < CLOCK_HZ:
            self.skipped += 1
            return
        if self._recipe.fps:
            step = CLOCK_HZ / self._recipe.fps
            if self._due is not None and frame.pts < self._due - 0.3 * self._interval:
                return
            # On the grid, but never two close together after one that was late.
            self._due = max((frame.pts if self._due is None else self._due) + step, frame.pts + 0.9 * step)
        self._encode(frame, frame.pts)

    def _encode(self, frame: VideoFrame, pts: int) -> None:
        width, height = fitting(frame.width, frame.height, self._recipe.height)
        source = frame.format.name
        if self._encoder is None or self._shape != (width, height, source):
            self._open_encoder(frame, width, height, source)
        encoder = self._encoder
        assert encoder is not None  # noqa: S101
        if (frame.width, frame.height, source) != (width, height, encoder.pix_fmt):
            frame = self._scaler.reformat(frame, width, height, encoder.pix_fmt)
        # On a key frame of the source (of Motion JPEG each is one), when one is wished for, and at least so often.
        begins = self._track is not None and self._track.codec != "mjpeg" and is_intra(frame)
        key = self._wish or begins or pts - self._keyed_pts >= KEY_EVERY_S * CLOCK_HZ
        frame.pict_type = PictureType.I if key else PictureType.NONE
        frame.pts, frame.time_base = pts, Fraction(1, CLOCK_HZ)
        if key:
            self._wish, self._keyed_pts = False, pts
        self._last_pts = pts
        for packet in encoder.encode(frame):
            self._packet(bytes(packet), pts if packet.pts is None else packet.pts, bool(packet.is_keyframe))

    def _open_encoder(self, frame: VideoFrame, width: int, height: int, source: str) -> None:
        assert self._track is not None  # noqa: S101
        fps = self._recipe.fps or CLOCK_HZ / self._interval
        more = {"fps": fps, "bitrate_bps": self._recipe.bitrate_bps, "source_format": source}
        name = self._which()
        try:
            self._encoder = open_encoder(name, width, height, threads=threads(), **more)  # type: ignore[arg-type]
        except (av.FFmpegError, ValueError):
            if name == SOFTWARE:
                raise
            name = SOFTWARE
            self._encoder = open_encoder(name, width, height, threads=threads(), **more)  # type: ignore[arg-type]
        self._shape = (width, height, source)
        self._wish = True
        size = f"{frame.width}x{frame.height}"
        to = size if (width, height) == (frame.width, frame.height) else f"{width}x{height}"
        self._made(f"{self._track.codec} {size} → h264 {to}", name)

    def _packet(self, data: bytes, pts: int, key: bool) -> None:
        nalus = [one for one in split(data) if one[0] & 0x1F not in (6, 9, 12)]
        sps = next((one for one in nalus if one[0] & 0x1F == 7), None)
        if sps is not None and len(sps) > 4:
            sets = tuple(one for one in nalus if one[0] & 0x1F in (7, 8))
            name = _PROFILES.get(sps[1], f"profile-{sps[1]}")
            self._out.track(
                Track(
                    "h264", CLOCK_HZ, self._shape[0], self._shape[1], 0, int.from_bytes(sps[1:4], "big"), 0, False,
                    f"{name}@{sps[3] // 10}.{sps[3] % 10}", sets,
                )
            )  # fmt: skip
        self.made += 1
        self._out.unit(Unit("h264", tuple(nalus), pts, pts, key))

    @property
    def rate_bps(self) -> int:
        """What it is held to."""
        width, height, _ = self._shape
        return self._recipe.bitrate_bps or rate_for(width, height, CLOCK_HZ / self._interval)


def _has_sets(unit: Unit) -> bool:
    if unit.codec == "h264":
        return any(part and part[0] & 0x1F == 7 for part in unit.parts)
    return any(part and part[0] >> 1 & 0x3F == 33 for part in unit.parts)
