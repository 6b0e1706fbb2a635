"""AMF0 (Adobe AMF0 specification), both ways, bounded. AMF3 is met only as a wrapper: commands of type 17 hold AMF0
behind one byte, and a value that switches to AMF3 (marker 0x11) ends what is read.

Python's values: float, bool, str, None (null, undefined and what has no meaning here), dict (objects, ECMA arrays,
typed objects) and list (strict arrays).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from gateway.base.errors import RemoteProtocolError

Value: TypeAlias = "float | bool | str | dict[str, Value] | list[Value] | None"

MAX_DEPTH = 8
MAX_VALUES = 2048
"""Of one message, at all depths."""

# Markers (§2.1); reading has further ones.
_NUMBER, _BOOLEAN, _STRING, _OBJECT, _NULL, _STRICT, _LONG_STRING = 0, 1, 2, 3, 5, 10, 12


class _Amf3Follows(Exception):
    """The rest is AMF3."""


def decode(data: bytes) -> list[Value]:
    """The values of one message. Raises RemoteProtocolError."""
    reader = _Reader(data)
    values: list[Value] = []
    try:
        while reader.at < len(data):
            values.append(reader.value(0))
    except _Amf3Follows:
        pass
    return values


def encode(*values: Value | Sequence[Value] | Mapping[str, Value] | int) -> bytes:
    """Raises ValueError on what AMF0 can not say: a bug of ours."""
    out = bytearray()
    for value in values:
        _write(out, value)
    return bytes(out)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._values = 0
        self.at = 0

    def _take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self._data):
            raise RemoteProtocolError("an AMF0 value is cut short", code="rtmp-amf")
        out = self._data[self.at : end]
        self.at = end
        return out

    def _number(self, form: str, size: int) -> int:
        return int(struct.unpack(form, self._take(size))[0])

    def _text(self, size: int) -> str:
        return self._take(size).decode("utf-8", "replace")

    def value(self, depth: int) -> Value:
        self._values += 1
        if depth > MAX_DEPTH or self._values > MAX_VALUES:
            raise RemoteProtocolError("AMF0 values are too deep, or too many", code="rtmp-amf")
        marker = self._take(1)[0]
        match marker:
            case 0:
                return float(struct.unpack(">d", self._take(8))[0])
            case 1:
                return self._take(1) != b"\0"
            case 2:
                return self._text(self._number(">H", 2))
            case 3:
                return self._pairs(depth)
            case 5 | 6 | 13:
                return None
            case 7:
                self._take(2)
                return None
            case 8:
                # The count is a hint that many senders get wrong.
                self._take(4)
                return self._pairs(depth)
            case 10:
                count = self._number(">I", 4)
                if count > MAX_VALUES:
                    raise RemoteProtocolError("an AMF0 array is too long", code="rtmp-amf")
                return [self.value(depth + 1) for _ in range(count)]
            case 11:
                return float(struct.unpack(">dh", self._take(10))[0])
            case 12 | 15:
                return self._text(self._number(">I", 4))
            case 16:
                self._take(self._number(">H", 2))
                return self._pairs(depth)
            case 17:
                raise _Amf3Follows
        raise RemoteProtocolError(f"an AMF0 value of the unknown type {marker}", code="rtmp-amf")

    def _pairs(self, depth: int) -> dict[str, Value]:
        out: dict[str, Value] = {}
        while True:
            name = self._text(self._number(">H", 2))
            if self._data[self.at : self.at + 1] == b"\x09":
                self.at += 1
                # A name before the end is a mistake of the sender's; it names nothing.
                return out
            if not name and self.at >= len(self._data):
                # Some encoders forget the end of their last object.
                return out
            out[name] = self.value(depth + 1)


def _write(out: bytearray, value: object) -> None:
    if value is None:
        out.append(_NULL)
    elif isinstance(value, bool):
        out += bytes((_BOOLEAN, value))
    elif isinstance(value, int | float):
        out += struct.pack(">Bd", _NUMBER, float(value))
    elif isinstance(value, str):
        text = value.encode("utf-8", "replace")
        if len(text) > 0xFFFF:
            out += struct.pack(">BI", _LONG_STRING, len(text)) + text
        else:
            out += struct.pack(">BH", _STRING, len(text)) + text
    elif isinstance(value, Mapping):
        out.append(_OBJECT)
        for name, inner in value.items():
            text = str(name).encode("utf-8", "replace")[:0xFFFF]
            out += struct.pack(">H", len(text)) + text
            _write(out, inner)
        out += b"\0\0\x09"
    elif isinstance(value, Sequence):
        out += struct.pack(">BI", _STRICT, len(value))
        for inner in value:
            _write(out, inner)
    else:
        raise ValueError(f"AMF0 has no {type(value).__name__}")
