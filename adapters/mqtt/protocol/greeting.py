"""How a connection begins and ends: CONNECT as a client says it, CONNACK and DISCONNECT as it hears them, and what
their numbers mean. MQTT 3.1.1 §3.1, §3.2; MQTT 5 §2.4, §3.1, §3.2, §3.14."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from adapters.mqtt.protocol.packets import Packet, Type, fixed_header, text_field, variable_length

_OF_THREE = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
"""Codes of 3.1.1 (§3.2.2.3) as MQTT 5 has them."""

WORDS = {
    0x00: "that all is well",
    0x80: "that something is wrong",
    0x81: "that a packet is malformed",
    0x82: "that we break the protocol",
    0x83: "that it will not, for reasons of its own",
    0x84: "that it does not speak this version of MQTT",
    0x85: "that this client identifier is not allowed",
    0x86: "that user name or password is wrong",
    0x87: "that we have no right to it",
    0x88: "that it can not serve now",
    0x89: "that it is busy",
    0x8A: "that we are banned",
    0x8B: "that it is shutting down",
    0x8C: "that it wants another way to sign in",
    0x8D: "that nothing came from us for too long",
    0x8E: "that another client has our identifier now",
    0x8F: "that a topic filter is wrong",
    0x90: "that a topic name is wrong",
    0x93: "that too many messages wait for it",
    0x94: "that a topic alias is wrong",
    0x95: "that a packet is too large",
    0x96: "that we send too much",
    0x97: "that a quota is used up",
    0x98: "that an operator ended it",
    0x99: "that the payload has another format",
    0x9A: "that it retains nothing",
    0x9B: "that it does not have this QoS",
    0x9C: "that another server is to be used",
    0x9D: "that the server has moved",
    0x9F: "that too many connect at once",
    0xA0: "that we may be connected for so long only",
}


@dataclass(frozen=True, slots=True)
class Hello:
    """As whom a client comes. `will`: (topic, payload), retained, QoS 1."""

    client: str
    will: tuple[str, bytes]
    keep_alive_s: int
    user: str = ""
    password: str = field(default="", repr=False)


def connect(hello: Hello, *, five: bool) -> bytes:
    """A CONNECT whose session ends with it. Raises ValueError for what does not fit in one."""
    topic, payload = hello.will
    flags = 0x02 | 0x04 | 0x08 | 0x20  # clean; a will, with QoS 1, retained
    end = b""
    if hello.user:
        flags |= 0x80
        end = text_field(hello.user)
        if hello.password:
            flags |= 0x40
            end += text_field(hello.password)
    body = text_field("MQTT") + bytes([5 if five else 4, flags]) + hello.keep_alive_s.to_bytes(2, "big")
    if five:
        body += b"\x05\x11\0\0\0\0"  # §3.1.2.11.2: nothing is kept for us
    body += text_field(hello.client) + (b"\0" if five else b"") + text_field(topic)
    if len(payload) > 0xFFFF:
        raise ValueError(f"a will of {len(payload)} bytes")
    body += len(payload).to_bytes(2, "big") + payload + end
    return fixed_header(Type.CONNECT << 4, len(body)) + body


def read_connack(packet: Packet, *, five: bool) -> tuple[int, int | None]:
    """What it says, as MQTT 5 has it, and the keep-alive that it wants in place of ours (None: it says nothing of it).
    Raises ValueError, IndexError."""
    body = packet.body
    if packet.type is not Type.CONNACK or len(body) < 2:
        raise ValueError(f"a {packet.type.name} of {len(body)} bytes in place of a CONNACK")
    reason = _OF_THREE.get(body[1], body[1])
    keep_alive_s = None
    # A broker of 3.1.1 answers to MQTT 5 in its own way.
    if five and len(body) > 2:
        for kind, value in _properties(body, 2):
            if kind == 0x13:
                keep_alive_s = int.from_bytes(value, "big")
    return reason, keep_alive_s


def read_disconnect(packet: Packet) -> int:
    """Of MQTT 5: why (§3.14.2.1)."""
    return packet.body[0] if packet.body else 0


def words(reason: int) -> str:
    return f"{WORDS.get(reason, 'what this build does not know')} ({reason:#04x})"


_SIZES = {0x11: 4, 0x13: 2, 0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1}
_TEXTS = {0x12: 1, 0x15: 1, 0x16: 1, 0x1A: 1, 0x1C: 1, 0x1F: 1, 0x26: 2}
"""Properties of a CONNACK (§3.2.2.3): those of so many bytes, and those of so many texts."""


def _properties(body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Raises ValueError for one that is none, or is cut off."""
    length, at = variable_length(body, at)
    end = at + length
    if end > len(body):
        raise ValueError("properties that are cut off")
    while at < end:
        kind, start = body[at], at + 1
        at = start + _SIZES.get(kind, 0)
        for _ in range(_TEXTS.get(kind, 0)):
            at += 2 + int.from_bytes(body[at : at + 2], "big")
        if at == start or at > end:
            raise ValueError(f"a property {kind:#04x} that is none, or is cut off")
        yield kind, body[start:at]
