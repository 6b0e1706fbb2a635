"""a=crypto: keys of SRTP in the SDP (RFC 4568; AES-256 RFC 6188, AEAD RFC 7714)."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

MAX_CRYPTO_LINES = 16  # read of one m-line; more are passed over

SUITES: dict[str, tuple[int, int]] = {
    # suite: (key, salt) in bytes
    "AES_CM_128_HMAC_SHA1_80": (16, 14),
    "AES_CM_128_HMAC_SHA1_32": (16, 14),
    "AES_256_CM_HMAC_SHA1_80": (32, 14),
    "AES_256_CM_HMAC_SHA1_32": (32, 14),
    "AEAD_AES_128_GCM": (16, 12),
    "AEAD_AES_256_GCM": (32, 12),
}


@dataclass(frozen=True, slots=True)
class CryptoLine:
    """One usable a=crypto line."""

    tag: int
    suite: str
    key: bytes = field(repr=False)
    salt: bytes = field(repr=False)

    def __str__(self) -> str:
        """The value as sent; no lifetime (2**48 packets, RFC 3711) and no MKI. Holds the key: never for a log."""
        return f"{self.tag} {self.suite} inline:{b64encode(self.key + self.salt).decode('ascii')}"

    @classmethod
    def make(cls, tag: int, suite: str, material: bytes) -> CryptoLine:
        size, _ = SUITES[suite]
        return cls(tag, suite, material[:size], material[size:])


def key_bytes(suite: str) -> int:
    """How much chance a key of that suite needs, salt included."""
    return sum(SUITES[suite])


def parse_crypto(values: Iterable[str]) -> list[CryptoLine]:
    """The lines that we could use, in the peer's order. Left out, as RFC 4568 §6 wants of what is not understood: other
    suites, several keys, an MKI, session parameters that change the cipher, keys of the wrong length."""
    found: list[CryptoLine] = []
    for value in list(values)[:MAX_CRYPTO_LINES]:
        line = _parse(value)
        if line is not None:
            found.append(line)
    return found


def pick(offered: Sequence[CryptoLine], suites: Sequence[str]) -> CryptoLine | None:
    """The offered line of the best suite of ours."""
    return next((line for suite in suites for line in offered if line.suite == suite), None)


def _parse(value: str) -> CryptoLine | None:
    parts = value.split()
    if len(parts) < 3 or not parts[0].isascii() or not parts[0].isdigit() or len(parts[0]) > 9:
        return None
    suite = parts[1].upper()
    method, _, rest = parts[2].partition(":")
    if suite not in SUITES or method.lower() != "inline" or ";" in rest or not all(map(_harmless, parts[3:])):
        return None
    text, *extra = rest.split("|")
    if any(":" in piece for piece in extra):
        return None  # an MKI
    try:
        material = b64decode(text + "=" * (-len(text) % 4), validate=True)  # padding is left out by some
    except (binascii.Error, ValueError):
        return None
    return CryptoLine.make(int(parts[0]), suite, material) if len(material) == key_bytes(suite) else None


def _harmless(parameter: str) -> bool:
    """Session parameters that change nothing for us: a window hint, a key derivation rate of 0."""
    name, _, value = parameter.upper().partition("=")
    return name == "WSH" or (name == "KDR" and value == "0") or name.startswith("-")
