"""What a source's URL asks of the worker, checked. Sans-IO.

`v4l2:/dev/v4l/by-id/…#size=1280x720&fps=25&format=mjpeg&audio=hw:CARD=Mic`, `alsa:hw:1,0`
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from gateway.base.errors import RemoteProtocolError
from gateway.base.url import SourceUrl

FORMATS = ("h264", "mjpeg", "yuyv422", "nv12", "yuv420p", "uyvy422", "rgb24", "bgr24")
_ALSA = re.compile(r"[A-Za-z0-9_:=,.-]{1,96}")
_SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")


@dataclass(frozen=True, slots=True)
class Input:
    """One input of FFmpeg's: `kind` is its format (v4l2, alsa; a test gives lavfi)."""

    kind: str
    name: str
    options: dict[str, str]


@dataclass(frozen=True, slots=True)
class Recipe:
    """`bitrate_bps` counts for pictures that are encoded here; 0: by their size."""

    video: Input | None = None
    audio: Input | None = None
    bitrate_bps: int = 0

    def as_text(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_text(text: str) -> Recipe:
        told = json.loads(text)
        inputs = {key: Input(**told[key]) if told[key] else None for key in ("video", "audio")}
        return Recipe(**inputs, bitrate_bps=int(told["bitrate_bps"]))


def recipe_of(url: SourceUrl, node: str, formats: tuple[str, ...]) -> Recipe:
    """`node` is the device of a `v4l2` URL now. Raises RemoteProtocolError (`bad-url`)."""
    if url.scheme == "alsa":
        return Recipe(audio=_audio(url.path))
    options = dict[str, str]()
    wanted = url.options.get("format", "")
    if wanted and wanted not in FORMATS:
        raise _bad(f"#format= is one of {', '.join(FORMATS)}")
    if wanted or formats:
        options["input_format"] = wanted or formats[0]
    if size := url.options.get("size", ""):
        if not _SIZE.fullmatch(size):
            raise _bad("#size= is written 1280x720")
        options["video_size"] = size
    if fps := url.options.get("fps", ""):
        if not re.fullmatch(r"\d{1,3}", fps) or int(fps) == 0:
            raise _bad("#fps= is a number of pictures a second")
        options["framerate"] = fps
    rate = url.options.get("bitrate", "0")
    if not (rate.isascii() and rate.isdecimal() and len(rate) <= 9):
        raise _bad("#bitrate= is a number of bits a second")
    sound = url.options.get("audio", "")
    return Recipe(Input("v4l2", node, options), _audio(sound) if sound else None, int(rate))


def _audio(name: str) -> Input:
    if not _ALSA.fullmatch(name):
        raise _bad("an ALSA device is written hw:1,0 or hw:CARD=Mic,DEV=0")
    # Names of hardware are exact about rates; "plug" takes what the card has and gives what is asked for.
    name = f"plug{name}" if name.startswith("hw:") else name
    return Input("alsa", name, {"sample_rate": "48000", "channels": "1"})


def _bad(why: str) -> RemoteProtocolError:
    return RemoteProtocolError(why, code="bad-url")
