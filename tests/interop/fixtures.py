"""What every program of the matrix sends: a test picture with a counter and a 1 kHz tone, encoded once.

One Matroska file for each pair of codecs, in a cache folder: 640 × 360, 25 pictures a second, a key frame each second,
60 s. The codecs are made by FFmpeg; nothing of ours touches them.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

TONE_HZ = 1000
SECONDS = 60
_CACHE = Path(__file__).resolve().parents[2] / ".make" / "interop"

_VIDEO = {
    "h264": "-c:v libx264 -preset ultrafast -tune zerolatency -profile:v baseline -bf 0 -g 25 -b:v 800k",
    "h264b": "-c:v libx264 -preset veryfast -profile:v main -bf 2 -b_strategy 0 -g 25 -b:v 800k -sc_threshold 0",
    "h265": "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=25:min-keyint=25:bframes=0 -b:v 800k",
}
_AUDIO = {
    "aac": "-c:a aac -ar 48000 -ac 1 -b:a 64k",
    "pcma": "-c:a pcm_alaw -ar 8000 -ac 1",
    "opus": "-c:a libopus -ar 48000 -ac 2 -b:a 64k",  # FFmpeg's own WHIP takes stereo only
}


def _ffmpeg(*words: str) -> None:
    subprocess.run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", *words], check=True)


def _made(path: Path, *words: str) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.mkv")
        _ffmpeg(*words, "-f", "matroska", str(part))
        part.replace(path)
    return path


def fixture(video: str, audio: str) -> Path:
    """The file with these codecs, made at the first asking."""
    picture = f"testsrc2=size=640x360:rate=25:duration={SECONDS}"
    seen = _made(_CACHE / f"{video}.mkv", "-f", "lavfi", "-i", picture, *_VIDEO[video].split(), "-pix_fmt", "yuv420p")
    if audio == "none":
        return seen
    tone = f"sine=frequency={TONE_HZ}:sample_rate=48000:duration={SECONDS}"
    heard = _made(_CACHE / f"{audio}.mka.mkv", "-f", "lavfi", "-i", tone, *_AUDIO[audio].split())
    return _made(_CACHE / f"{video}-{audio}.mkv", "-i", str(seen), "-i", str(heard), "-c", "copy")


def wav() -> Path:
    """The tone for Chromium's fake microphone, which plays it over and over."""
    path = _CACHE / "tone.wav"
    if not path.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        _ffmpeg("-f", "lavfi", "-i", f"sine=frequency={TONE_HZ}:sample_rate=48000:duration=10", "-ac", "1", str(path))
    return path
