"""pcapng, written and read (draft-ietf-opsawg-pcapng-03): sections, interfaces, packets, statistics. Little-endian out.

The reader takes what any program wrote, either byte order; blocks it does not know are passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gateway.base.errors import RemoteProtocolError

ETHERNET = 1
RAW_IP = 101
LOOP_NULL = 0
MAX_BLOCK = 16 * 1024 * 1024
MAX_INTERFACES = 1024

_SHB, _IDB, _ISB, _EPB, _SPB, _OPB = 0x0A0D0D0A, 1, 5, 6, 3, 2
_MAGIC = 0x1A2B3C4D


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    total = len(body) + 12
    return struct.pack("<II", kind, total) + body + struct.pack("<I", total)


def section(program: str = "Fieldgate") -> bytes:
    options = _option(4, program.encode()) + _option(0, b"")
    return _block(_SHB, struct.pack("<IHHq", _MAGIC, 1, 0, -1) + options)


def interface(name: str, link: int, snap: int) -> bytes:
    """Its packets' times are nanoseconds."""
    options = _option(2, name.encode()) + _option(9, b"\x09") + _option(0, b"")
    return _block(_IDB, struct.pack("<HHI", link, 0, snap) + options)


def packet(number: int, at_ns: int, data: bytes, whole: int) -> bytes:
    """`whole`: its length on the wire."""
    head = struct.pack("<IIIII", number, at_ns >> 32 & 0xFFFFFFFF, at_ns & 0xFFFFFFFF, len(data), whole)
    return _block(_EPB, head + data + bytes(-len(data) % 4))


def statistics(number: int, at_ns: int, received: int, dropped: int) -> bytes:
    options = _option(4, struct.pack("<Q", received)) + _option(5, struct.pack("<Q", dropped)) + _option(0, b"")
    return _block(_ISB, struct.pack("<III", number, at_ns >> 32 & 0xFFFFFFFF, at_ns & 0xFFFFFFFF) + options)


@dataclass(frozen=True, slots=True)
class Packet:
    """`at` in unix seconds; `link` a LINKTYPE; `whole` its length on the wire."""

    at: float
    link: int
    interface: str
    data: bytes
    whole: int


@dataclass(slots=True)
class _Interface:
    link: int
    name: str
    per_s: float


def read(file: BinaryIO) -> Iterator[Packet]:
    """Packets in the order they stand. A file that is cut off ends there; raises RemoteProtocolError for what is no
    pcapng, or a block that can not be."""
    order = "<"
    interfaces: list[_Interface] = []
    begun = False
    while len(head := file.read(8)) == 8:
        if head[:4] == b"\x0a\x0d\x0d\x0a":
            magic = file.read(4)
            order = "<" if magic == struct.pack("<I", _MAGIC) else ">"
            if magic not in (struct.pack("<I", _MAGIC), struct.pack(">I", _MAGIC)):
                raise RemoteProtocolError("no pcapng file")
            (total,) = struct.unpack(order + "I", head[4:])
            if not 28 <= total <= MAX_BLOCK:
                raise RemoteProtocolError(f"a pcapng section of {total} bytes")
            file.read(total - 12)
            interfaces, begun = [], True
            continue
        kind, total = struct.unpack(order + "II", head)
        if not begun:
            raise RemoteProtocolError("no pcapng file")
        if not 12 <= total <= MAX_BLOCK or total % 4:
            raise RemoteProtocolError(f"a pcapng block of {total} bytes")
        body = file.read(total - 12)
        if len(body) < total - 12 or len(file.read(4)) < 4:
            return
        if kind == _IDB and len(body) >= 8:
            if len(interfaces) >= MAX_INTERFACES:
                raise RemoteProtocolError(f"a pcapng file with more than {MAX_INTERFACES} interfaces")
            interfaces.append(_read_interface(order, body))
        elif kind == _EPB and len(body) >= 20:
            number, high, low, size, whole = struct.unpack_from(order + "IIIII", body)
            if number < len(interfaces) and size <= len(body) - 20:
                on = interfaces[number]
                yield Packet((high << 32 | low) / on.per_s, on.link, on.name, body[20 : 20 + size], whole)


def _read_interface(order: str, body: bytes) -> _Interface:
    (link,) = struct.unpack_from(order + "H", body)
    made = _Interface(link, "", 1e6)
    at = 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + size]
        if code == 0:
            break
        if code == 2:
            made.name = value.decode("utf-8", "replace")[:64]
        elif code == 9 and value:
            base, power = (2.0, value[0] & 0x7F) if value[0] & 0x80 else (10.0, value[0])
            made.per_s = base ** min(power, 18)
        at += 4 + size + (-size % 4)
    return made
