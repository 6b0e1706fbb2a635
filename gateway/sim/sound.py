"""What the ball hears: a hum with a pip each second, as G.711A. ITU-T G.711."""

from __future__ import annotations

import math
from functools import lru_cache


@lru_cache(maxsize=1)
def _tone_second() -> bytes:
    """One second of G.711A: a soft hum, and a pip of 880 Hz in its first fifth. ITU-T G.711 §3.3."""
    out = bytearray()
    for n in range(8000):
        level = 500.0 * math.sin(math.tau * 120 * n / 8000)
        if n < 1600:
            level += 9000.0 * math.sin(math.tau * 880 * n / 8000)
        out.append(alaw(round(level)))
    return bytes(out)


def alaw(sample: int) -> int:
    """One 16-bit linear sample as a G.711 A-law byte."""
    sign = 0x80 if sample >= 0 else 0
    size = min(32767, sample if sample >= 0 else -sample - 1) >> 3  # 12 bits of size: A-law knows 13 with the sign
    if size < 32:
        code = size >> 1
    else:
        segment = size.bit_length() - 5
        code = segment << 4 | (size >> segment) & 0x0F
    return (sign | code) ^ 0x55


def tone(begin: int, count: int) -> bytes:
    """`count` samples of the tone from sample `begin` on; the same second for ever."""
    second = _tone_second()
    at = begin % len(second)
    return (second * (2 + count // len(second)))[at : at + count]
