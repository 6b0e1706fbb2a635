"""What is plugged in: V4L2 capture devices and ALSA capture cards, read from /dev, /sys and /proc.

Every device has a name that stays with it (`/dev/v4l/by-id/…`, `hw:CARD=…`), since numbers change with the order of
plugging. `Places` are other folders in tests; formats are asked for by ioctl, which a folder of a test does not answer.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# linux/videodev2.h
_VIDIOC_QUERYCAP = 0x80685600
_VIDIOC_ENUM_FMT = 0xC0405602
_CAPTURE, _META = 0x00000001, 0x00800000
_DEVICE_CAPS = 0x80000000
_MOST_FORMATS = 64
FORMATS = {"H264": "h264", "MJPG": "mjpeg", "JPEG": "mjpeg", "YUYV": "yuyv422", "NV12": "nv12", "YU12": "yuv420p"}
FORMATS |= {"UYVY": "uyvy422", "RGB3": "rgb24", "BGR3": "bgr24", "HEVC": "hevc"}
_BEST = ("h264", "mjpeg")
_CARD = re.compile(r"^\s*(\d+) \[(\S+)\s*\]: .* - (.*)$")
_PCM = re.compile(r"^(\d+)-(\d+): (.*)$")


@dataclass(frozen=True, slots=True)
class Places:
    dev: Path = Path("/dev")
    sys: Path = Path("/sys")
    proc: Path = Path("/proc")


@dataclass(frozen=True, slots=True)
class LocalDevice:
    """`url` adopts it as a source; `formats` as FFmpeg names them, empty when they could not be asked for."""

    kind: str  # "video", "audio"
    name: str
    url: str
    path: str
    formats: tuple[str, ...] = ()


def listed(places: Places | None = None) -> Sequence[LocalDevice]:
    """Cameras, then microphones."""
    places = places or Places()
    return [*cameras(places), *microphones(places)]


def cameras(places: Places) -> Sequence[LocalDevice]:
    """Nodes that capture pictures: a UVC camera has a second one for metadata, which is left out."""
    lasting: dict[str, str] = {}
    for folder in ("by-path", "by-id"):  # the better name last
        for link in sorted((places.dev / "v4l" / folder).glob("*")):
            lasting[link.resolve().name] = str(link)
    found = []
    for node in sorted(places.dev.glob("video[0-9]*"), key=lambda one: (len(one.name), one.name)):
        captures, formats = _asked(node)
        if captures is False:
            continue
        about = places.sys / "class" / "video4linux" / node.name
        if captures is None and _text(about / "index") not in ("", "0"):
            continue
        path = lasting.get(node.name, str(node))
        found.append(LocalDevice("video", _text(about / "name") or node.name, f"v4l2:{path}", path, formats))
    return found


def microphones(places: Places) -> Sequence[LocalDevice]:
    """Capture devices of every card (/proc/asound)."""
    return [one for one, _ in _microphones(places)]


def _microphones(places: Places) -> Sequence[tuple[LocalDevice, str]]:
    """With the numbers of their cards."""
    cards: dict[str, tuple[str, str]] = {}
    for line in _text(places.proc / "asound" / "cards").splitlines():
        if (card := _CARD.match(line)) is not None:
            cards[card[1]] = (card[2], card[3].strip())
    found = []
    for line in _text(places.proc / "asound" / "pcm").splitlines():
        one = _PCM.match(line)
        if one is None or "capture" not in one[3] or str(int(one[1])) not in cards:
            continue
        number = str(int(one[1]))
        short, title = cards[number]
        path = f"hw:CARD={short},DEV={int(one[2])}"
        found.append((LocalDevice("audio", title, f"alsa:{path}", path), number))
    return found


def _short(one: LocalDevice) -> str:
    return one.path.partition("CARD=")[2].partition(",")[0]


def there(scheme: str, path: str, places: Places) -> bool:
    """Whether a source's device is plugged in now."""
    if scheme == "v4l2":
        return node_of(path, places) is not None
    card = card_of(path)
    if not card:
        return True  # a name of ALSA's own configuration: who opens it finds out
    return any(card in (_short(one), number) for one, number in _microphones(places))


def node_of(path: str, places: Places) -> Path | None:
    """The node that a path leads to, if it is there and is a video device of this machine; else None."""
    try:
        node = Path(path).resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    inside = node.parent == places.dev.resolve() and re.fullmatch(r"video\d{1,4}", node.name)
    return node if inside else None


def card_of(path: str) -> str:
    """`hw:1,0`, `plughw:CARD=Mic,DEV=0` → the card's number or name; "" for names of ALSA's own configuration."""
    found = re.match(r"(?:plug)?hw:(?:CARD=)?([A-Za-z0-9_-]{1,32})", path)
    return found[1] if found else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\n")[:65536]
    except OSError:
        return ""


def _asked(node: Path) -> tuple[bool | None, tuple[str, ...]]:
    """Whether it captures pictures, None when it can not be asked; and its formats, the best to pass on first."""
    try:
        fd = os.open(node, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None, ()
    try:
        about = bytearray(104)
        fcntl.ioctl(fd, _VIDIOC_QUERYCAP, about)
        capabilities = int.from_bytes(about[84:88], "little")
        if capabilities & _DEVICE_CAPS:
            capabilities = int.from_bytes(about[88:92], "little")
        if not capabilities & _CAPTURE or capabilities & _META:
            return False, ()
        found = []
        with suppress(OSError):
            for number in range(_MOST_FORMATS):
                one = bytearray(64)
                one[0:8] = number.to_bytes(4, "little") + (1).to_bytes(4, "little")
                fcntl.ioctl(fd, _VIDIOC_ENUM_FMT, one)
                found.append(FORMATS.get(one[44:48].decode("ascii", "replace"), ""))
        known = [name for name in dict.fromkeys(found) if name]
        return True, tuple(sorted(known, key=lambda name: _BEST.index(name) if name in _BEST else len(_BEST)))
    except OSError:
        return None, ()
    finally:
        os.close(fd)
