"""The media plane's CMAF records (`open_container_out`, gateway/codecs.pyi), taken off a stream of bytes. Sans-IO."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from gateway.base.errors import RemoteProtocolError

MOST = 32_000_000
"""Bytes of one record: a part of one key frame at most."""
_HEAD = struct.Struct(">IBBHqI")
_KEY = 1


class Kind(IntEnum):
    INIT = 0
    PART = 1
    SEGMENT_END = 2
    DISCONTINUITY = 3


@dataclass(frozen=True, slots=True)
class Record:
    """`begin` and `duration` in 90 kHz."""

    kind: Kind
    key: bool
    begin: int
    duration: int
    data: bytes


class Records:
    """Feed bytes as they come, take whole records."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Record]:
        """Raises RemoteProtocolError on a record that can not be one of the media plane's."""
        self._held += data
        while len(self._held) >= _HEAD.size:
            length, kind, flags, _, begin, duration = _HEAD.unpack_from(self._held)
            if not _HEAD.size - 4 <= length <= MOST or kind > Kind.DISCONTINUITY:
                raise RemoteProtocolError(f"a CMAF record of kind {kind} with {length} bytes")
            if len(self._held) < 4 + length:
                return
            body = bytes(self._held[_HEAD.size : 4 + length])
            del self._held[: 4 + length]
            yield Record(Kind(kind), bool(flags & _KEY), begin, duration, body)
