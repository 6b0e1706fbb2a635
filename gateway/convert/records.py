"""The worker's side of the frame port (docs/frame-port.md): records to tracks and units, and back."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

CODECS = (
    "h264", "h265", "aac", "pcma", "pcmu", "opus", "g722", "l16", "mjpeg", "mpeg2video", "mp2", "ac3", "eac3",
)  # fmt: skip
VIDEO = ("h264", "h265", "mjpeg", "mpeg2video")
WHOLE = ("mjpeg", "mpeg2video")
"""Of these a unit is the bytes that a decoder takes, not NAL units."""
KEY, AFTER_LOSS, FIRST, LAST, CACHED = 1, 2, 4, 8, 16
UNKNOWN = -(1 << 63)
FRAGMENT_BYTES = 60_000
MAX_UNIT_BYTES = 8 << 20

_HEAD = struct.Struct("!BBBBHHqqqII")
_TRACK = struct.Struct("!IIIIIBBB")


class BadRecord(ValueError):
    """What came is not as documented."""


@dataclass(frozen=True, slots=True)
class Track:
    """`sets`: parameter sets without start codes, or AAC's AudioSpecificConfig."""

    codec: str
    clock_hz: int
    width: int = 0
    height: int = 0
    sample_rate_hz: int = 0
    profile_level_id: int = 0
    channels: int = 1
    b_frames: bool = False
    profile: str = ""
    sets: tuple[bytes, ...] = ()
    generation: int = 0

    @property
    def is_video(self) -> bool:
        return self.codec in VIDEO


@dataclass(frozen=True, slots=True)
class Unit:
    """One picture (its NAL units) or audio frame. Times in the track's clock."""

    codec: str
    parts: tuple[bytes, ...]
    pts: int
    dts: int
    key: bool = False
    after_loss: bool = False
    cached: bool = False
    capture: int = UNKNOWN

    @property
    def is_video(self) -> bool:
        return self.codec in VIDEO

    def annexb(self) -> bytes:
        return b"".join(b"\0\0\0\1" + part for part in self.parts)

    def decodable(self) -> bytes:
        return b"".join(self.parts) if self.codec in WHOLE else self.annexb()


class Reader:
    """Joins fragments. Feed it records; it holds at most one whole."""

    def __init__(self) -> None:
        self._whole = bytearray()
        self._total = -1

    def push(self, record: bytes) -> Track | Unit | None:
        """None: more fragments are to come. Raises BadRecord."""
        if len(record) < _HEAD.size:
            raise BadRecord("a record shorter than its header")
        magic, version, kind, codec, flags, generation, pts, dts, capture, total, offset = _HEAD.unpack_from(record)
        if magic != 0xF6 or version != 1 or codec >= len(CODECS) or total > MAX_UNIT_BYTES:
            raise BadRecord("not a record of version 1")
        if flags & FIRST:
            self._whole.clear()
            self._total = total
        if total != self._total or offset != len(self._whole) or offset + len(record) - _HEAD.size > total:
            self._total = -1
            raise BadRecord("a fragment that does not fit")
        self._whole += memoryview(record)[_HEAD.size :]
        if not flags & LAST:
            return None
        data, self._total = bytes(self._whole), -1
        self._whole.clear()
        name = CODECS[codec]
        if kind == 0:
            return _read_track(name, generation, data)
        return Unit(
            name,
            _read_parts(data),
            pts,
            dts,
            bool(flags & KEY),
            bool(flags & AFTER_LOSS),
            bool(flags & CACHED),
            capture,
        )


def _read_track(codec: str, generation: int, data: bytes) -> Track:
    try:
        clock, width, height, rate, profile_level, channels, b_frames, length = _TRACK.unpack_from(data)
        at = _TRACK.size + length
        profile, count = data[_TRACK.size : at].decode(errors="replace"), data[at]
        sets, at = [], at + 1
        for _ in range(count):
            (length,) = struct.unpack_from("!H", data, at)
            sets.append(data[at + 2 : at + 2 + length])
            at += 2 + length
    except (struct.error, IndexError) as exc:
        raise BadRecord("a track that ends early") from exc
    return Track(
        codec, clock, width, height, rate, profile_level, channels, bool(b_frames), profile, tuple(sets), generation
    )


def _read_parts(data: bytes) -> tuple[bytes, ...]:
    parts, at = [], 0
    while at + 4 <= len(data):
        (length,) = struct.unpack_from("!I", data, at)
        parts.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    if at != len(data):
        raise BadRecord("a unit whose parts do not fit")
    return tuple(parts)


class Writer:
    """Writes into a stream; a full socket is waited for, up to its time-out (OSError)."""

    def __init__(self, port: socket.socket) -> None:
        self._port = port
        self._tracks: dict[bool, Track] = {}
        self.units = 0

    def track(self, track: Track) -> None:
        """Told only when it differs from the one before."""
        before = self._tracks.get(track.is_video)
        track = replace(track, generation=before.generation if before else 1)
        if track == before:
            return
        if before is not None:
            track = replace(track, generation=before.generation + 1 & 0xFFFF)
        self._tracks[track.is_video] = track
        profile = track.profile.encode()[:255]
        data = _TRACK.pack(
            track.clock_hz, track.width, track.height, track.sample_rate_hz, track.profile_level_id, track.channels,
            track.b_frames, len(profile),
        )  # fmt: skip
        sets = b"".join(struct.pack("!H", len(one)) + one for one in track.sets)
        self._send(0, track, 0, 0, 0, UNKNOWN, data + profile + bytes([len(track.sets)]) + sets)

    def unit(self, unit: Unit) -> None:
        """Of the track told before; one of another codec is left out."""
        track = self._tracks.get(unit.is_video)
        if track is None or track.codec != unit.codec:
            return
        self.units += 1
        flags = KEY * unit.key | AFTER_LOSS * unit.after_loss
        self._send(1, track, flags, unit.pts, unit.dts, unit.capture, _joined(unit.parts))

    def _send(self, kind: int, track: Track, flags: int, pts: int, dts: int, capture: int, data: bytes) -> None:
        if len(data) > MAX_UNIT_BYTES:
            return
        codec = CODECS.index(track.codec)
        for at in range(0, len(data) or 1, FRAGMENT_BYTES):
            part = data[at : at + FRAGMENT_BYTES]
            edge = (FIRST if at == 0 else 0) | (LAST if at + len(part) == len(data) else 0)
            head = _HEAD.pack(
                0xF6, 1, kind, codec, flags | edge, track.generation, pts, dts, capture, len(data), at
            )  # fmt: skip
            self._port.send(head + part)


def wish() -> bytes:
    """The one record that goes against the stream: who reads it asks its source for a key frame."""
    return _HEAD.pack(0xF6, 1, 2, 0, FIRST | LAST, 0, 0, 0, UNKNOWN, 0, 0)


def _joined(parts: Sequence[bytes]) -> bytes:
    return b"".join(struct.pack("!I", len(part)) + part for part in parts)
