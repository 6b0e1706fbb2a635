"""Packets of MQTT as a door must know them: where each ends, and what a CONNECT says. MQTT 3.1.1 §2.2, §3.1."""

from __future__ import annotations

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
    """Bytes in, whole packets out. Raises RemoteProtocolError for what is no packet, or is larger than `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = bytearray()

    def receive(self, data: bytes) -> list[Packet]:
        self._waiting += data
        found = []
        while (packet := self._next()) is not None:
            found.append(packet)
        return found

    def _next(self) -> Packet | None:
        waiting = self._waiting
        length, at = 0, 1
        # §2.2.3: up to four bytes, seven bits each, the least first.
        while True:
            if at >= len(waiting):
                return None
            length |= (waiting[at] & 0x7F) << (7 * (at - 1))
            at += 1
            if not waiting[at - 1] & 0x80:
                break
            if at > 4:
                raise RemoteProtocolError("a length of more than four bytes")
        if length > self._limit:
            raise RemoteProtocolError(f"a packet of {length} bytes, more than {self._limit}", code="too-large")
        try:
            kind = Type(waiting[0] >> 4)
        except ValueError:
            raise RemoteProtocolError(f"packet type {waiting[0] >> 4}") from None
        flags = waiting[0] & 0x0F
        if kind is not Type.PUBLISH and flags != _FLAGS.get(kind, 0):
            raise RemoteProtocolError(f"{kind.name} with flags {flags:#x}")
        if kind is Type.PUBLISH and flags & 0x06 == 0x06:
            raise RemoteProtocolError("PUBLISH with QoS 3")
        if len(waiting) < at + length:
            return None
        raw = bytes(waiting[: at + length])
        del waiting[: at + length]
        return Packet(kind, flags, raw[at:], raw)


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
