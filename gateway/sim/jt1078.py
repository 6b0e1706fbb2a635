"""Frames of JT/T 1078-2016 (table 19), as a vehicle terminal writes them on its connection."""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAX_DATA = 950
"""The standard's own bound of one packet's data."""

H264, H265, G711A = 98, 99, 6
_KEY, _DELTA, _AUDIO = 0, 1, 3
_WHOLE, _FIRST, _LAST, _MIDDLE = 0, 1, 2, 3


class Jt1078Writer:
    """One camera's frames. `sim` is the terminal's number in BCD: six bytes, in the habit of 2019 ten."""

    def __init__(self, sim: bytes, channel: int, codec: int) -> None:
        self._sim = sim
        self._channel = channel
        self._codec = codec
        self._sequence = 0
        self._last_ms = 0
        self._key_ms = 0

    def video(self, data: bytes, *, key: bool, at_ms: int) -> Iterator[bytes]:
        if key:
            self._key_ms = at_ms
        ages = struct.pack(">HH", min(at_ms - self._key_ms, 0xFFFF), min(at_ms - self._last_ms, 0xFFFF))
        self._last_ms = at_ms
        pieces = [data[at : at + MAX_DATA] for at in range(0, len(data), MAX_DATA)] or [b""]
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            mark = _WHOLE if len(pieces) == 1 else _FIRST if number == 0 else _LAST if last else _MIDDLE
            kind = _KEY if key else _DELTA
            yield self._head(self._codec, last, kind, mark, at_ms) + ages + struct.pack(">H", len(piece)) + piece

    def audio(self, samples: bytes, *, at_ms: int) -> Iterator[bytes]:
        for at in range(0, len(samples), 320):
            piece = samples[at : at + 320]
            yield self._head(G711A, True, _AUDIO, _WHOLE, at_ms + at // 8) + struct.pack(">H", len(piece)) + piece

    def _head(self, payload: int, last: bool, kind: int, mark: int, at_ms: int) -> bytes:
        sequence, self._sequence = self._sequence, (self._sequence + 1) & 0xFFFF
        head = b"\x30\x31\x63\x64\x81" + bytes([payload | (0x80 if last else 0)]) + struct.pack(">H", sequence)
        return head + self._sim + bytes([self._channel, kind << 4 | mark]) + struct.pack(">Q", at_ms)
