"""The last-resort record: what a kit says of itself in one short message. Sans-IO, version 1.

    byte 0      version (3 bits), why it was sent (3), zero (2)
    bytes 1–2   hint of the key, by which a center finds the kit
    bytes 3–6   sequence, never used twice with one key
    bytes 7–39  the body: 264 bits as `LAYOUT` has them, under a keystream of the key and the sequence
    bytes 40–47 HMAC-SHA-256 over all that stands before, cut to 8 bytes

48 bytes, 64 characters of base64url: one short message in any alphabet. Whoever reads the message on its way learns
that a kit is in trouble, not where it is; whoever has not the key can neither make nor change one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.base.errors import LocalProtocolError, RemoteProtocolError

VERSION = 1
LINKS, ALARMS = 6, 3
EPOCH = 1_704_067_200
"""2024-01-01T00:00:00Z: seconds are counted from here."""
SIZE, SEAL, HEAD = 48, 8, 7
LENGTH = 64
"""Characters."""
MOST_SEQUENCE = 2**32 - 1

LAYOUT: tuple[tuple[str, int], ...] = (
    ("time", 30),
    ("clock", 1),
    ("more_links", 1),
    ("fix", 1),
    ("longitude", 26),
    ("latitude", 25),
    ("altitude", 13),
    ("fix_age", 6),
    ("fix_source", 2),
    ("speed", 8),
    ("direction", 6),
    ("links", 3),
    *((f"link{n}_{what}", bits) for n in range(LINKS) for what, bits in (("kind", 3), ("phase", 4), ("bars", 3))),
    ("battery", 7),
    ("power", 2),
    ("volts", 8),
    ("temperature", 7),
    ("disk", 5),
    ("alarms_open", 5),
    *((f"alarm{n}_{what}", bits) for n in range(ALARMS) for what, bits in (("severity", 2), ("kind", 5), ("age", 5))),
    ("word", 2),
    ("down", 10),
)
BITS = sum(bits for _, bits in LAYOUT)
_TEXT = re.compile(r"[A-Za-z0-9_-]{64}")


@dataclass(frozen=True, slots=True)
class Keys:
    """Of one kit and one center. `hint` is public."""

    hint: bytes
    cipher: bytes
    seal: bytes

    def __repr__(self) -> str:
        return "Keys()"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record as it came, before anything of it is believed."""

    why: int
    hint: bytes
    sequence: int
    whole: bytes


def derive(shared: bytes, kit: str, center: str) -> Keys:
    """From the secret that the two have by their pairing (X25519; RFC 7748 §6.1), by HKDF-SHA-256 (RFC 5869)."""
    prk = hmac.digest(b"fieldgate telemetry 1", shared, "sha256")

    def expand(what: str) -> bytes:
        return hmac.digest(prk, f"{what}\0{kit}\0{center}\x01".encode(), "sha256")

    return Keys(expand("hint")[:2], expand("cipher"), expand("seal"))


def write(keys: Keys, sequence: int, why: int, values: Mapping[str, int]) -> str:
    """Raises LocalProtocolError for a value that does not fit."""
    if not 0 < sequence <= MOST_SEQUENCE or not 0 <= why < 8:
        raise LocalProtocolError(f"no record has sequence {sequence} or reason {why}")
    head = bytes([VERSION << 5 | why << 2]) + keys.hint + sequence.to_bytes(4, "big")
    packed = head + _under(_pack(values), keys, sequence)
    return base64.urlsafe_b64encode(packed + _seal(packed, keys)).decode()


def is_record(text: str) -> bool:
    """It looks like one; whether it is one its key alone can tell."""
    text = text.strip()
    return _TEXT.fullmatch(text) is not None and base64.urlsafe_b64decode(text[:4])[0] & 3 == 0


def read(text: str) -> Sealed:
    """Raises RemoteProtocolError (`telemetry-version`, `telemetry-damaged`)."""
    text = text.strip()
    if _TEXT.fullmatch(text) is None:
        raise RemoteProtocolError(f"{len(text)} characters are no record", code="telemetry-damaged")
    whole = base64.urlsafe_b64decode(text)
    if whole[0] >> 5 != VERSION:
        raise RemoteProtocolError(f"the record has version {whole[0] >> 5}", code="telemetry-version")
    return Sealed(whole[0] >> 2 & 7, whole[1:3], int.from_bytes(whole[3:7], "big"), whole)


def opened(sealed: Sealed, keys: Keys) -> dict[str, int] | None:
    """What it says; None when these are not its keys."""
    packed, seal = sealed.whole[:-SEAL], sealed.whole[-SEAL:]
    if not hmac.compare_digest(seal, _seal(packed, keys)):
        return None
    return _unpack(_under(packed[HEAD:], keys, sealed.sequence))


def _seal(packed: bytes, keys: Keys) -> bytes:
    return hmac.digest(keys.seal, packed, "sha256")[:SEAL]


def _under(body: bytes, keys: Keys, sequence: int) -> bytes:
    """The body with the keystream over it; twice is nothing. The sequence is used once, so is the stream."""
    stream = b"".join(
        hashlib.sha256(keys.cipher + sequence.to_bytes(4, "big") + bytes([block])).digest() for block in range(2)
    )
    return bytes(a ^ b for a, b in zip(body, stream, strict=False))


def _pack(values: Mapping[str, int]) -> bytes:
    packed = 0
    for name, bits in LAYOUT:
        value = values.get(name, 0)
        if not 0 <= value < 1 << bits:
            raise LocalProtocolError(f"{name} = {value} has no room in {bits} bits")
        packed = packed << bits | value
    return packed.to_bytes(BITS // 8, "big")


def _unpack(body: bytes) -> dict[str, int]:
    packed, left, values = int.from_bytes(body, "big"), BITS, dict[str, int]()
    for name, bits in LAYOUT:
        left -= bits
        values[name] = packed >> left & (1 << bits) - 1
    return values
