"""What is sent: numbered pictures of realistic sizes, a call's packets, orders, stills; each with the time it was sent.

Times are CLOCK_MONOTONIC in nanoseconds, the same clock in both namespaces: what takes how long is a subtraction.
"""

from __future__ import annotations

import math
import random
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

FPS = 25
PICTURE_BPS = 4e6
KEY_EVERY = 2 * FPS
KEY_TIMES = 5.0  # a key picture against one between, as H.264 of a moving camera has it
VOICE_PPS = 50
# RTP's header and 20 ms of Opus at 16 kb/s: what a call over thin links is made of.
VOICE_BYTES = 12 + 40
STILL_BYTES = 12_000  # a JPEG of 640 x 360, well compressed
CONTROL_BYTES = 160

_HEAD = struct.Struct("!4sBBIQII")  # mark, kind, key, number, sent, length of all, sum of what follows
_MARK = b"FGu1"
_RECORD = struct.Struct("!BBIQQI")
_NOISE = random.Random(7).randbytes(1 << 20)


class Kind(IntEnum):
    PICTURE = 0
    VOICE = 1
    VOICE_BACK = 2
    CONTROL = 3
    CONTROL_BACK = 4
    STILL = 5


@dataclass(frozen=True)
class Item:
    """`at_ns`: when it was received; 0 in a sender's log."""

    kind: Kind
    key: bool
    number: int
    sent_ns: int
    at_ns: int
    length: int


def pack(kind: Kind, number: int, length: int, sent_ns: int, *, key: bool = False) -> bytes:
    """An item of `length` bytes; a voice packet is too small for a sum and goes without."""
    if length < _HEAD.size:
        length = _HEAD.size
    begin = number * 7919 % (len(_NOISE) - length)
    body = _NOISE[begin : begin + length - _HEAD.size]
    return _HEAD.pack(_MARK, kind, key, number, sent_ns, length, zlib.crc32(body)) + body


def unpack(data: bytes | memoryview, at_ns: int) -> Item:
    """Raises ValueError when it is not what was sent, to the byte."""
    mark, kind, key, number, sent_ns, length, total = _HEAD.unpack_from(data)
    if mark != _MARK or length != len(data) or zlib.crc32(data[_HEAD.size :]) != total:
        raise ValueError(f"an item of {len(data)} bytes is not what was sent")
    return Item(Kind(kind), bool(key), number, sent_ns, at_ns, length)


class Sizes:
    """Sizes of pictures by seed: their mean is the rate, a key picture is KEY_TIMES one between."""

    def __init__(self, seed: int, bps: float = PICTURE_BPS) -> None:
        self._random = random.Random(seed)
        mean = bps / 8 / FPS
        self._between = mean * KEY_EVERY / (KEY_EVERY - 1 + KEY_TIMES)

    def next(self, key: bool) -> int:
        spread = math.exp(self._random.gauss(-0.02, 0.2))
        return int(self._between * (KEY_TIMES if key else 1.0) * min(spread, 2.0))


class Log:
    """What an end sent or received, in memory until the end of the run: writing would cost time in between."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, item: Item) -> None:
        self._parts.append(
            _RECORD.pack(item.kind, item.key, item.number, item.sent_ns, item.at_ns, item.length),
        )

    def write(self, path: Path) -> None:
        path.write_bytes(b"".join(self._parts))

    @staticmethod
    def read(path: Path) -> list[Item]:
        return [
            Item(Kind(kind), bool(key), number, sent_ns, at_ns, length)
            for kind, key, number, sent_ns, at_ns, length in _RECORD.iter_unpack(path.read_bytes())
        ]
