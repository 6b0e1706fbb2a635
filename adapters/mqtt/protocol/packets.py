"""Packets of MQTT: where each ends, what a CONNECT says (a door must know), and those that come by the thousand and are
made and read by us (`client.py`). MQTT 3.1.1 §2.2, §3.1, §3.3, §3.4; MQTT 5 of the same numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from gateway.base.errors import RemoteProtocolError


class Type(IntEnum):
    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


FROM_CLIENTS = frozenset(
    {
        Type.PUBLISH,
        Type.PUBACK,
        Type.PUBREC,
        Type.PUBREL,
        Type.PUBCOMP,
        Type.SUBSCRIBE,
        Type.UNSUBSCRIBE,
        Type.PINGREQ,
        Type.DISCONNECT,
    }
)
"""After its CONNECT."""

# §2.2.2: flags of all but PUBLISH are fixed.
_FLAGS = {Type.PUBREL: 2, Type.SUBSCRIBE: 2, Type.UNSUBSCRIBE: 2}
_KINDS = {kind << 4 | _FLAGS.get(kind, 0): kind for kind in Type if kind is not Type.PUBLISH} | {
    Type.PUBLISH << 4 | flags: Type.PUBLISH for flags in range(16) if flags & 0x06 != 0x06
}
"""First byte → what it is; what is not in here is none."""


@dataclass(frozen=True, slots=True)
class Packet:
    """`raw` is the whole of it, `body` what follows the fixed header."""

    type: Type
    flags: int
    body: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Connect:
    level: int
    clean: bool
    keep_alive_s: int
    client: str
    will_topic: str | None
    will_retained: bool
    user: str | None


class Framer:
    """Bytes in, whole packets out. Raises RemoteProtocolError for what is no packet, or is larger than `limit`
    (`too-large`)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = bytearray()
        self._at = 0

    def receive(self, data: bytes) -> list[Packet]:
        self.feed(data)
        found = []
        while (packet := self.next()) is not None:
            found.append(packet)
        return found

    def feed(self, data: bytes) -> None:
        del self._waiting[: self._at]
        self._at = 0
        self._waiting += data

    def next(self) -> Packet | None:
        """None: the rest of it has to come."""
        waiting, start = self._waiting, self._at
        if len(waiting) - start < 2:
            return None
        head, length, at = waiting[start], waiting[start + 1], start + 2
        if length & 0x80:
            # §2.2.3: up to four bytes, seven bits each, the least first.
            length &= 0x7F
            for shift in (7, 14, 21, 28):
                if shift == 28:
                    raise RemoteProtocolError("a length of more than four bytes")
                if at >= len(waiting):
                    return None
                digit = waiting[at]
                at += 1
                length |= (digit & 0x7F) << shift
                if digit < 0x80:
                    break
        if length > self._limit:
            raise RemoteProtocolError(f"a packet of {length} bytes, more than {self._limit}", code="too-large")
        kind = self._kind(head)
        if len(waiting) < at + length:
            return None
        self._at = at + length
        raw = bytes(waiting[start : self._at])
        return Packet(kind, head & 0x0F, raw[at - start :], raw)

    def _kind(self, head: int) -> Type:
        kind = _KINDS.get(head)
        if kind is not None:
            return kind
        try:
            kind = Type(head >> 4)
        except ValueError:
            raise RemoteProtocolError(f"packet type {head >> 4}") from None
        if kind is Type.PUBLISH:
            raise RemoteProtocolError("PUBLISH with QoS 3")
        raise RemoteProtocolError(f"{kind.name} with flags {head & 0x0F:#x}")


def read_connect(packet: Packet) -> Connect:
    """Raises RemoteProtocolError. Of MQTT 5 only what stands before its properties is read: `client` is "" then."""
    if packet.type is not Type.CONNECT:
        raise RemoteProtocolError(f"the first packet is {packet.type.name}, not CONNECT")
    reader = _Reader(packet.body)
    name = reader.text()
    level, flags, keep_alive = reader.byte(), reader.byte(), reader.number()
    if name not in ("MQTT", "MQIsdp") or flags & 1:
        raise RemoteProtocolError(f"CONNECT of {name[:20]!r} with flags {flags:#x}")
    clean, will = bool(flags & 2), bool(flags & 4)
    if level != 4:
        return Connect(level, clean, keep_alive, "", None, False, None)
    client = reader.text()
    will_topic = None
    if will:
        will_topic = reader.text()
        reader.data()
    user = reader.text() if flags & 0x80 else None
    return Connect(level, clean, keep_alive, client, will_topic, bool(flags & 0x20) and will, user)


def connack(code: int) -> bytes:
    """Of 3.1.1: refused (§3.2.2.3), or accepted with 0."""
    return bytes([Type.CONNACK << 4, 2, 0, code])


def publish(
    topic: str, payload: bytes, *, five: bool, mid: int = 0, retain: bool = False, expires_s: float | None = None
) -> bytes:
    """§3.3, with QoS 1 where it has a number. `expires_s`: MQTT 5 §3.3.2.3.3, the broker throws it away after that;
    passed over in 3.1.1. Raises ValueError for what does not fit in one."""
    name = topic.encode()
    variable = len(name).to_bytes(2, "big") + name if len(name) <= 0xFFFF else b""
    if mid:
        variable += mid.to_bytes(2, "big")
    if five:
        expiry = b"" if expires_s is None else b"\x02" + max(1, int(expires_s)).to_bytes(4, "big")
        variable += bytes([len(expiry)]) + expiry
    left = len(variable) + len(payload)
    if left > 0xFFF_FFFF or len(name) > 0xFFFF:
        raise ValueError(f"a message of {left} bytes to a topic of {len(name)}")
    return _head(Type.PUBLISH << 4 | (2 if mid else 0) | retain, left) + variable + payload


def read_publish(packet: Packet, *, five: bool) -> tuple[str, bytes, int]:
    """Topic, payload, and its number where the QoS is 1, else 0. Properties of MQTT 5 are passed over. Raises
    ValueError, IndexError."""
    body, certain = packet.body, bool(packet.flags & 2)
    end = 2 + int.from_bytes(body[:2], "big")
    topic, start = body[2:end].decode(), end + 2 * certain
    mid = int.from_bytes(body[end:start], "big")
    if five:
        start = _after_properties(body, start)
    if not topic or start > len(body):
        raise ValueError("a message that is cut off")
    return topic, body[start:], mid


def subscribe(mid: int, filters: Iterable[str], qos: int, *, five: bool) -> bytes:
    """§3.8; options of MQTT 5 are as 3.1.1 has it."""
    return _asking(Type.SUBSCRIBE, mid, (_text(one) + bytes([qos]) for one in filters), five)


def unsubscribe(mid: int, filters: Iterable[str], *, five: bool) -> bytes:
    """§3.10."""
    return _asking(Type.UNSUBSCRIBE, mid, map(_text, filters), five)


def read_answer(packet: Packet, *, five: bool) -> tuple[int, bytes]:
    """Of SUBACK (§3.9) and UNSUBACK (§3.11): the number of what it answers, and a code for each filter. Raises
    ValueError, IndexError."""
    if len(packet.body) < 2:
        raise ValueError("an answer that is cut off")
    return int.from_bytes(packet.body[:2], "big"), packet.body[_after_properties(packet.body, 2) if five else 2 :]


PINGREQ = bytes([Type.PINGREQ << 4, 0])


def puback(mid: int) -> bytes:
    return bytes([Type.PUBACK << 4, 2]) + mid.to_bytes(2, "big")


def _asking(kind: Type, mid: int, filters: Iterable[bytes], five: bool) -> bytes:
    body = mid.to_bytes(2, "big") + (b"\0" if five else b"") + b"".join(filters)
    return _head(kind << 4 | 2, len(body)) + body


def _text(value: str) -> bytes:
    """§1.5.3. Raises ValueError for what is too long."""
    data = value.encode()
    if len(data) > 0xFFFF:
        raise ValueError(f"a text of {len(data)} bytes")
    return len(data).to_bytes(2, "big") + data


def _head(first: int, left: int) -> bytes:
    """§2.2: `left` bytes follow."""
    head = bytearray([first])
    while True:
        left, digit = left >> 7, left & 0x7F
        head.append(digit | (0x80 if left else 0))
        if not left:
            return bytes(head)


def _after_properties(body: bytes, at: int) -> int:
    """Where they end: their length is a number of up to four bytes, seven bits in each (MQTT 5 §1.5.5). Raises
    ValueError, IndexError."""
    length = 0
    for place in range(4):
        digit = body[at + place]
        length |= (digit & 0x7F) << 7 * place
        if digit < 0x80:
            return at + place + 1 + length
    raise ValueError("a length without an end")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count]
        if len(found) < count:
            raise RemoteProtocolError("a packet that ends within a field")
        self._at += count
        return found

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def data(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        try:
            found = self.data().decode()
        except UnicodeDecodeError as exc:
            raise RemoteProtocolError("a text that is no UTF-8") from exc
        if "\0" in found:
            raise RemoteProtocolError("a text with a NUL")  # §1.5.3
        return found
