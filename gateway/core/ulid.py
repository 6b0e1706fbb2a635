"""ULIDs: 48 bits of unix milliseconds, 80 random bits, as 26 characters of Crockford's base 32. They sort by time."""

from __future__ import annotations

import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid(unix_s: float) -> str:
    number = (max(0, int(unix_s * 1000)) & (2**48 - 1)) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
