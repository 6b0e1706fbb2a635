"""What the ball's microphone takes in: a hum with a pip each second, and what its loudspeaker says. ITU-T G.711."""

from __future__ import annotations

import math
import threading
from array import array
from collections import deque
from collections.abc import Iterable
from functools import lru_cache

RATE_HZ = 8000
ECHO_GAIN = 0.5


@lru_cache(maxsize=1)
def _tone_second() -> array[int]:
    """One second: a soft hum, and a pip of 880 Hz in its first fifth."""
    out = array("h")
    for n in range(RATE_HZ):
        level = 500.0 * math.sin(math.tau * 120 * n / RATE_HZ)
        if n < RATE_HZ // 5:
            level += 9000.0 * math.sin(math.tau * 880 * n / RATE_HZ)
        out.append(round(level))
    return out


@lru_cache(maxsize=1)
def _alaw_second() -> bytes:
    return bytes(map(alaw, _tone_second()))


def alaw(sample: int) -> int:
    """One 16-bit linear sample as a G.711 A-law byte. §3.3."""
    sign = 0x80 if sample >= 0 else 0
    size = min(32767, sample if sample >= 0 else -sample - 1) >> 3  # 12 bits of size: A-law knows 13 with the sign
    if size < 32:
        code = size >> 1
    else:
        segment = size.bit_length() - 5
        code = segment << 4 | (size >> segment) & 0x0F
    return (sign | code) ^ 0x55


def ulaw(sample: int) -> int:
    """One 16-bit linear sample as a G.711 µ-law byte: 14 bits, bias 33. §3.3."""
    sign = 0x80 if sample < 0 else 0
    size = min(8158, abs(sample) >> 2) + 33
    segment = size.bit_length() - 6
    return ~(sign | segment << 4 | (size >> segment + 1) & 0x0F) & 0xFF


@lru_cache(maxsize=1)
def alaw_values() -> array[int]:
    """The 16-bit sample that each A-law byte stands for."""
    out = array("h")
    for byte in range(256):
        code = byte ^ 0x55
        segment, step = code >> 4 & 7, code & 0x0F
        size = (step << 1 | 1) if segment == 0 else (step << 1 | 33) << segment - 1
        out.append((size << 3) * (1 if code & 0x80 else -1))
    return out


@lru_cache(maxsize=1)
def ulaw_values() -> array[int]:
    """The 16-bit sample that each µ-law byte stands for."""
    out = array("h")
    for byte in range(256):
        code = ~byte & 0xFF
        size = ((code & 0x0F) * 2 + 33 << (code >> 4 & 7)) - 33
        out.append((size << 2) * (-1 if code & 0x80 else 1))
    return out


def decoded(payload: bytes, codec: str) -> array[int]:
    """Samples of a G.711 payload; `codec` "pcma" or "pcmu"."""
    values = alaw_values() if codec == "pcma" else ulaw_values()
    return array("h", [values[byte] for byte in payload])


def _cut(second: bytes, begin: int, count: int) -> bytes:
    at = begin % len(second)
    return (second * (2 + count // len(second)))[at : at + count]


def tone(begin: int, count: int) -> bytes:
    """`count` samples of the tone from sample `begin` on, as A-law; the same second for ever."""
    return _cut(_alaw_second(), begin, count)


def tone_ulaw(begin: int, count: int) -> bytes:
    """The same as µ-law."""
    second = _tone_second()
    return bytes(ulaw(second[at % RATE_HZ]) for at in range(begin, begin + count))


class Air:
    """Between loudspeaker and microphone: what is played is heard `delay_s` later, at half its size.

    `played` is called in the event loop, `microphone` in the encoder's thread. At most half a second more than the
    delay is kept; of more the oldest goes.
    """

    def __init__(self, delay_s: float) -> None:
        self._delay = round(delay_s * RATE_HZ)
        self._samples: deque[int] = deque(maxlen=self._delay + RATE_HZ // 2)
        self._lock = threading.Lock()

    def played(self, samples: Iterable[int]) -> None:
        with self._lock:
            if not self._samples:
                self._samples.extend([0] * self._delay)
            self._samples.extend(samples)

    def microphone(self, begin: int, count: int) -> bytes:
        """As `tone`, with the echo on it."""
        with self._lock:
            echo = [self._samples.popleft() for _ in range(min(count, len(self._samples)))]
        if not any(echo):
            return tone(begin, count)
        echo += [0] * (count - len(echo))
        second = _tone_second()
        mixed = (second[(begin + n) % RATE_HZ] + round(ECHO_GAIN * sample) for n, sample in enumerate(echo))
        return bytes(alaw(max(-32768, min(32767, sample))) for sample in mixed)
