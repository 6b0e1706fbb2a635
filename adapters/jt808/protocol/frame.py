"""Frames of JT/T 808: flags and escapes, check code, header of either generation, split messages put together.

7E  header  body  check  7E        7E → 7D 02, 7D → 7D 01 between the flags (JT/T 808-2019 §4.4)

header  2011, 2013:  id u16, properties u16, phone BCD[6],  serial u16 [, parts u16, part u16]
        2019:        id u16, properties u16 (bit 14 set), version u8, phone BCD[10], serial u16 [, parts, part]
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import xor

from gateway.base.errors import RemoteProtocolError

MAX_BODY = 1023
MAX_FRAME = 2 * (MAX_BODY + 32)
"""Escaped at worst; what is longer is no frame."""

MAX_PARTS = 255
MAX_ASSEMBLIES = 4
MAX_WHOLE = 64 * 1024
_SPLIT, _V2019, _ENCRYPTED = 1 << 13, 1 << 14, 0x1C00


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message. `phone`: the terminal's number without leading zeros; `version` 0: 2011 or 2013."""

    id: int
    phone: str
    serial: int
    body: bytes
    version: int = 0

    @property
    def is_2019(self) -> bool:
        return self.version > 0


def escape(data: bytes) -> bytes:
    return data.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02")


def unescape(data: bytes) -> bytes:
    """Raises RemoteProtocolError on an escape that means nothing."""
    out = bytearray()
    parts = data.split(b"\x7d")
    out += parts[0]
    for part in parts[1:]:
        if part[:1] == b"\x01":
            out += b"\x7d" + part[1:]
        elif part[:1] == b"\x02":
            out += b"\x7e" + part[1:]
        else:
            raise RemoteProtocolError("7D is followed by neither 01 nor 02")
    return bytes(out)


def check_code(data: bytes) -> int:
    return reduce(xor, data, 0)


def bcd(digits: str, length: int) -> bytes:
    """`digits` right-aligned in `length` bytes."""
    return bytes.fromhex(digits.rjust(2 * length, "0")[-2 * length :])


def encode(message: Message) -> bytes:
    """The frame of an order or answer; ours fit one part. Raises ValueError for a body that does not."""
    if len(message.body) > MAX_BODY:
        raise ValueError(f"a body of {len(message.body)} bytes does not fit a frame")
    properties = len(message.body) | (_V2019 if message.is_2019 else 0)
    head = struct.pack(">HH", message.id, properties)
    head += bytes([message.version]) + bcd(message.phone, 10) if message.is_2019 else bcd(message.phone, 6)
    whole = head + struct.pack(">H", message.serial & 0xFFFF) + message.body
    return b"\x7e" + escape(whole + bytes([check_code(whole)])) + b"\x7e"


@dataclass(frozen=True, slots=True)
class Part:
    message: Message
    parts: int = 1
    part: int = 1


def decode(frame: bytes) -> Part:
    """What stands between two flags. Raises RemoteProtocolError."""
    data = unescape(frame)
    if len(data) < 13 or check_code(data[:-1]) != data[-1]:
        raise RemoteProtocolError("a frame that is too short, or its check code is wrong")
    data = data[:-1]
    identity, properties = struct.unpack_from(">HH", data)
    if properties & _ENCRYPTED:
        raise RemoteProtocolError("an encrypted message: encryption was not agreed on", code="jt808-encrypted")
    version, at = 0, 4
    if properties & _V2019:
        version, at = max(data[4], 1), 5
    length = 10 if version else 6
    digits = data[at : at + length].hex()
    at += length
    if len(data) < at + 2 or not digits.isdecimal():
        raise RemoteProtocolError("a header without a phone number")
    serial = int.from_bytes(data[at : at + 2])
    at += 2
    parts = part = 1
    if properties & _SPLIT:
        if len(data) < at + 4:
            raise RemoteProtocolError("a split message without its numbers")
        parts, part = struct.unpack_from(">HH", data, at)
        at += 4
        if not 1 <= part <= parts <= MAX_PARTS:
            raise RemoteProtocolError(f"part {part} of {parts}")
    # The length that is told is not insisted on: its sum is right, so it is whole, and some count the header too.
    body = data[at:]
    if len(body) > MAX_BODY:
        raise RemoteProtocolError(f"{len(body)} bytes of body")
    return Part(Message(identity, digits.lstrip("0") or "0", serial, body, version), parts, part)


class FrameReader:
    """Bytes of a connection in, whole messages out. Bounded: garbage between frames is skipped and counted."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._split: OrderedDict[tuple[str, int, int], dict[int, bytes]] = OrderedDict()
        self.skipped = 0
        self.bad = 0
        self.last_fault = ""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Bad frames are counted (`bad`, `last_fault`) and passed over; nothing is raised."""
        self._held += data
        while (at := self._held.find(b"\x7e")) >= 0:
            chunk = bytes(self._held[:at])
            del self._held[: at + 1]
            if not chunk:
                continue  # the end of one frame and the start of the next
            try:
                part = decode(chunk)
            except RemoteProtocolError as exc:
                self.bad += 1
                self.last_fault = str(exc)
                continue
            whole = self._joined(part)
            if whole is not None:
                yield whole
        if len(self._held) > MAX_FRAME:
            self.skipped += len(self._held)
            self._held.clear()

    def _joined(self, part: Part) -> Message | None:
        if part.parts == 1:
            return part.message
        # The first part's serial number names the whole: those of the others follow it.
        key = (part.message.phone, part.message.id, (part.message.serial - part.part + 1) & 0xFFFF)
        pieces = self._split.setdefault(key, {})
        pieces[part.part] = part.message.body
        if sum(map(len, pieces.values())) > MAX_WHOLE:
            del self._split[key]
            self.bad += 1
            self.last_fault = "a split message of more than 64 KiB"
            return None
        if len(pieces) < part.parts:
            while len(self._split) > MAX_ASSEMBLIES:
                self._split.popitem(last=False)
                self.bad += 1
                self.last_fault = "parts of a split message never came"
            return None
        del self._split[key]
        first = part.message
        body = b"".join(pieces[number] for number in range(1, part.parts + 1))
        return Message(first.id, first.phone, first.serial, body, first.version)
