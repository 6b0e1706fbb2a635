"""H.264 encoders: which of them this machine really has, and how each is set for live pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

SOFTWARE = "libx264"
CLOCK_HZ = 90_000
MAX_PIXELS = 8192 * 4352
KEY_EVERY_S = 2.0


def hardware() -> list[str]:
    """Encoders whose device is there at all; whether they work shows only when a picture goes through.

    VA-API is not among them: it takes pictures that lie in the chip's memory, and PyAV can not lay them there.
    """
    found = []
    if Path("/dev/nvidiactl").exists():
        found.append("h264_nvenc")
    if any(Path("/dev/dri").glob("renderD*")):
        found.append("h264_qsv")
    if any(Path("/dev").glob("video1[0-9]")):
        found.append("h264_v4l2m2m")
    return [name for name in found if name in av.codecs_available]


def works(name: str) -> bool:
    """A picture really goes in and a key frame comes out."""
    try:
        encoder = open_encoder(name, 640, 360, fps=25.0, bitrate_bps=1_000_000, threads=1)
        for number in range(8):
            frame = VideoFrame(640, 360, _format(name, "yuv420p"))
            for plane in frame.planes:
                plane.update(bytes([128]) * plane.buffer_size)
            frame.pts, frame.time_base = number * 3600, Fraction(1, CLOCK_HZ)
            if any(packet.is_keyframe for packet in encoder.encode(frame)):
                return True
    except (av.FFmpegError, ValueError, OSError):
        return False
    return False


def choose(allowed: bool, told: Callable[[str], None], known_bad: frozenset[str] = frozenset()) -> str:
    """The encoder to use. `told` hears each one before it is tried: a driver may take the process with it."""
    if allowed:
        for name in hardware():
            if name in known_bad:
                continue
            told(name)
            if works(name):
                return name
    return SOFTWARE


def _format(name: str, source: str) -> str:
    """The pixel format to hand an encoder. A camera's full range stays full: the stream says so."""
    if name == SOFTWARE:
        return "yuvj420p" if source.startswith("yuvj") else "yuv420p"
    return "nv12" if name != "h264_v4l2m2m" else "yuv420p"


def rate_for(width: int, height: int, fps: float) -> int:
    """Bits per second that a picture of this size is worth at most: 1080p25 about 5 Mb/s."""
    return max(150_000, int(width * height * min(max(fps, 1.0), 60.0) * 0.1))


def open_encoder(
    name: str, width: int, height: int, *, fps: float, bitrate_bps: int, threads: int, source_format: str = "yuv420p"
) -> VideoCodecContext:
    """Opened; no B-frames, no delay, key frames where `PictureType.I` is asked for. Raises FFmpegError."""
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)  # noqa: S101 - for the type checker
    context.width, context.height = width, height
    context.pix_fmt = _format(name, source_format)
    context.time_base = Fraction(1, CLOCK_HZ)
    context.framerate = Fraction(round(fps * 1000), 1000)
    context.max_b_frames = 0
    rate = bitrate_bps or rate_for(width, height, fps)
    rate_k = max(rate // 1000, 32)
    if name == SOFTWARE:
        context.thread_count = threads
        x264 = f"scenecut=0:keyint=infinite:min-keyint=1:vbv-maxrate={rate_k}:vbv-bufsize={rate_k}"
        quality = {"crf": "24"} if not bitrate_bps else {}
        context.options = {
            "preset": "superfast", "tune": "zerolatency", "profile": "baseline", "forced-idr": "1", "x264-params": x264,
            **quality,
        }  # fmt: skip
        if bitrate_bps:
            context.bit_rate = rate
    else:
        context.bit_rate = rate
        context.gop_size = max(1, round(KEY_EVERY_S * fps))
        context.options = {
            "h264_nvenc": {"preset": "p3", "tune": "ull", "profile": "baseline", "forced-idr": "1", "zerolatency": "1"},
            "h264_qsv": {"preset": "veryfast", "profile": "baseline", "forced_idr": "1", "async_depth": "1"},
        }.get(name, {})
    context.open()
    return context


def threads() -> int:
    """Threads of one codec context: slices of one picture, no delay."""
    return max(1, min(4, len(os.sched_getaffinity(0))))


def is_intra(frame: VideoFrame) -> bool:
    return bool(frame.key_frame) or frame.pict_type in (PictureType.SI,)
