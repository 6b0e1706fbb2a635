"""SNMP v1 and v2c on the wire: the few PDUs that a manager sends and gets. Sans-IO.

BER as far as SNMP uses it: definite lengths, one byte of tag but for the floats that net-snmp wraps in Opaque. What
comes in is bounded by the named limits; nothing but RemoteProtocolError (`snmp-garbled`) is raised for it.
RFC 1157, RFC 1901, RFC 3416.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum

from gateway.base.errors import RemoteProtocolError

MAX_DATAGRAM, MAX_BINDINGS, MAX_ARCS, MAX_OCTETS = 16_384, 256, 128, 4096
_SEQUENCE = 0x30
_OPAQUE_FLOAT, _OPAQUE_DOUBLE = b"\x9f\x78\x04", b"\x9f\x79\x08"
_ARC_MOST = 2**32 - 1

Oid = tuple[int, ...]


class Version(IntEnum):
    V1 = 0
    V2C = 1


class Pdu(IntEnum):
    GET = 0xA0
    GET_NEXT = 0xA1
    RESPONSE = 0xA2
    GET_BULK = 0xA5


class Kind(IntEnum):
    INTEGER = 0x02
    OCTETS = 0x04
    NULL = 0x05
    OID = 0x06
    ADDRESS = 0x40
    COUNTER = 0x41
    GAUGE = 0x42
    TICKS = 0x43
    OPAQUE = 0x44
    COUNTER64 = 0x46
    NO_OBJECT = 0x80
    NO_INSTANCE = 0x81
    END_OF_VIEW = 0x82


MISSING = frozenset({Kind.NULL, Kind.NO_OBJECT, Kind.NO_INSTANCE, Kind.END_OF_VIEW})
_NUMBERS = frozenset({Kind.INTEGER, Kind.COUNTER, Kind.GAUGE, Kind.TICKS, Kind.COUNTER64})

Value = int | float | bytes | Oid | None


@dataclass(frozen=True, slots=True)
class Bound:
    """A variable and its value: int for the number kinds, bytes, an Oid, a float of Opaque, None: there is none."""

    oid: Oid
    kind: Kind = Kind.NULL
    value: Value = None

    @property
    def missing(self) -> bool:
        return self.kind in MISSING


@dataclass(frozen=True, slots=True)
class Message:
    """In a GET_BULK `error` and `index` are non-repeaters and max-repetitions (RFC 3416 §3)."""

    version: Version
    community: bytes
    pdu: Pdu
    request: int
    bindings: tuple[Bound, ...]
    error: int = 0
    index: int = 0


ERRORS = {
    1: "tooBig",
    2: "noSuchName",
    3: "badValue",
    4: "readOnly",
    5: "genErr",
    6: "noAccess",
    16: "authorizationError",
}
TOO_BIG, NO_SUCH_NAME = 1, 2


def parse_oid(text: str) -> Oid:
    """`1.3.6.1.2.1.1.3.0`, with or without a dot before it. Raises ValueError."""
    parts = text.strip().removeprefix(".").split(".")
    if not 2 <= len(parts) <= MAX_ARCS or not all(p.isascii() and p.isdecimal() and len(p) <= 10 for p in parts):
        raise ValueError(f"{text[:80]!r} is no OID: write numbers with dots between, as 1.3.6.1.2.1.1.3.0")
    oid = tuple(int(part) for part in parts)
    if oid[0] > 2 or (oid[0] < 2 and oid[1] > 39) or max(oid) > _ARC_MOST - 80:
        raise ValueError(f"{text[:80]!r} is no OID: it begins with 0, 1 or 2, and no number is over 32 bits")
    return oid


def oid_text(oid: Oid) -> str:
    return ".".join(str(arc) for arc in oid)


# — out —


def encode(message: Message) -> bytes:
    bindings = b"".join(_field(_SEQUENCE, _oid(b.oid) + _value(b)) for b in message.bindings)
    numbers = b"".join(_integer(n) for n in (message.request, message.error, message.index))
    pdu = _field(message.pdu, numbers + _field(_SEQUENCE, bindings))
    head = _integer(message.version) + _field(Kind.OCTETS, message.community)
    return _field(_SEQUENCE, head + pdu)


def _field(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def _integer(value: int, tag: int = Kind.INTEGER) -> bytes:
    return _field(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def _oid(oid: Oid) -> bytes:
    return _field(Kind.OID, b"".join(_base128(arc) for arc in (oid[0] * 40 + oid[1], *oid[2:])))


def _base128(arc: int) -> bytes:
    out = [arc & 0x7F]
    while arc := arc >> 7:
        out.append(0x80 | (arc & 0x7F))
    return bytes(reversed(out))


def _value(bound: Bound) -> bytes:
    match bound.value:
        case None:
            return _field(bound.kind, b"")
        case float() as number:
            return _field(Kind.OPAQUE, _OPAQUE_FLOAT + struct.pack(">f", number))
        case int() as number:
            return _integer(number, bound.kind)
        case bytes() as octets:
            return _field(bound.kind, octets)
        case oid:
            return _oid(oid)


# — in —


def decode(data: bytes) -> Message:
    """One datagram. Raises RemoteProtocolError (`snmp-garbled`)."""
    if len(data) > MAX_DATAGRAM:
        raise _garbled(f"{len(data)} bytes in one datagram")
    outer = _Reader(data)
    message = _Reader(outer.take(_SEQUENCE))
    version = message.number()
    if version not in (Version.V1, Version.V2C):
        raise _garbled(f"version {version}")
    community = message.take(Kind.OCTETS)
    tag = message.tag()
    if tag not in (Pdu.GET, Pdu.GET_NEXT, Pdu.RESPONSE, Pdu.GET_BULK):
        raise _garbled(f"PDU {tag:#x}")
    pdu = _Reader(message.take(tag))
    request, error, index = pdu.number(), pdu.number(), pdu.number()
    rows, bindings = _Reader(pdu.take(_SEQUENCE)), list[Bound]()
    while not rows.done:
        if len(bindings) >= MAX_BINDINGS:
            raise _garbled(f"over {MAX_BINDINGS} variables")
        bindings.append(_bound(_Reader(rows.take(_SEQUENCE))))
    return Message(Version(version), bytes(community), Pdu(tag), request, tuple(bindings), error, index)


def _bound(row: _Reader) -> Bound:
    oid = _arcs(row.take(Kind.OID))
    tag = row.tag()
    try:
        kind = Kind(tag)
    except ValueError:
        raise _garbled(f"a value of type {tag:#x}") from None
    body = row.take(tag)
    if kind in MISSING:
        return Bound(oid, kind)
    if kind in _NUMBERS:
        return Bound(oid, kind, _signed(body))
    if kind is Kind.OID:
        return Bound(oid, kind, _arcs(body))
    if len(body) > MAX_OCTETS:
        raise _garbled(f"a value of {len(body)} bytes")
    if kind is Kind.OPAQUE:
        return Bound(oid, kind, opaque(bytes(body)))
    return Bound(oid, kind, bytes(body))


def opaque(body: bytes) -> bytes | float:
    """A float as net-snmp wraps it, or what else it is."""
    for head, form in ((_OPAQUE_FLOAT, ">f"), (_OPAQUE_DOUBLE, ">d")):
        if body.startswith(head) and len(body) == len(head) + struct.calcsize(form):
            number: float = struct.unpack(form, body[len(head) :])[0]
            if math.isfinite(number):
                return number
    return body


def _signed(body: memoryview) -> int:
    # Nine: a Counter64 over 2⁶³ has a zero before it.
    if not 1 <= len(body) <= 9:
        raise _garbled(f"a number of {len(body)} bytes")
    return int.from_bytes(body, "big", signed=True)


def _arcs(body: memoryview) -> Oid:
    arcs, arc, begun = list[int](), 0, False
    for byte in body:
        arc = arc << 7 | byte & 0x7F
        if arc > _ARC_MOST or len(arcs) >= MAX_ARCS:
            raise _garbled("an OID that is too long")
        begun = bool(byte & 0x80)
        if not begun:
            arcs.append(arc)
            arc = 0
    if begun or not arcs:
        raise _garbled("an OID that is cut off")
    first = min(arcs[0] // 40, 2)
    return (first, arcs[0] - 40 * first, *arcs[1:])


class _Reader:
    """Fields one after the other, each within its parent."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at >= len(self._data)

    def tag(self) -> int:
        if self.done:
            raise _garbled("it is cut off")
        return self._data[self._at]

    def take(self, tag: int) -> memoryview:
        """The body of the next field, which is one of `tag`."""
        if self.tag() != tag:
            raise _garbled(f"a field {self.tag():#x} where {tag:#x} belongs")
        data, at = self._data, self._at + 1
        if at >= len(data):
            raise _garbled("it is cut off")
        size, at = data[at], at + 1
        if size & 0x80:
            count = size & 0x7F
            if not 1 <= count <= 4 or at + count > len(data):
                raise _garbled("a length that can not be")
            size, at = int.from_bytes(data[at : at + count], "big"), at + count
        if at + size > len(data):
            raise _garbled("it is cut off")
        self._at = at + size
        return data[at : at + size]

    def number(self) -> int:
        return _signed(self.take(Kind.INTEGER))


def _garbled(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"not SNMP: {what}", code="snmp-garbled")
