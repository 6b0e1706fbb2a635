"""What the ball's loudspeaker plays, judged as a person who stands beside it would: how loud, how long, which tone."""

from __future__ import annotations

import math
import wave
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.sim.sound import RATE_HZ

BLOCK = RATE_HZ // 10
LOUD_DB = -45.0
"""dBFS from which on somebody is heard."""

HANG_BLOCKS = 5  # a pause in a sentence, half a second
_LOW_HZ, _HIGH_HZ, _STEP_HZ = 100, 3600, 25
_COARSE = 160  # samples: 20 ms tell 50 Hz apart


def level_db(samples: Sequence[int]) -> float:
    """RMS below a full square wave, in dB; −127 for silence."""
    power = sum(sample * sample for sample in samples) / max(1, len(samples))
    return max(-127.0, 10.0 * math.log10(power / 32768.0**2)) if power else -127.0


def goertzel(samples: Sequence[int], hz: float, rate_hz: int = RATE_HZ) -> float:
    """Power at one frequency."""
    factor = 2.0 * math.cos(math.tau * hz / rate_hz)
    one = two = 0.0
    for sample in samples:
        one, two = sample + factor * one - two, one
    return one * one + two * two - factor * one * two


def dominant_hz(samples: Sequence[int]) -> int:
    """The strongest frequency of 100 to 3600 Hz, to 10 Hz (with 100 ms of samples, or more)."""
    middle = len(samples) // 2
    piece = samples[max(0, middle - _COARSE // 2) : middle + _COARSE // 2]
    near = max(range(_LOW_HZ, _HIGH_HZ, _STEP_HZ), key=lambda hz: goertzel(piece, hz))
    first = (near - 2 * _STEP_HZ) // 10 * 10
    return max(range(first, first + 4 * _STEP_HZ + 10, 10), key=lambda hz: goertzel(samples, hz))


class Ear:
    """`heard_s`, `level_db` and `tone_hz` are of everything, and of the last block, that was loud enough.

    Says `hearing` when somebody begins to be heard, and `heard` each second and at the end of what was said.
    """

    def __init__(self, report: Callable[..., None]) -> None:
        self._report = report
        self._block = array("h")
        self._loud: array[int] = array("h")
        self._spurt = 0  # loud blocks of what is being said
        self._quiet = 0
        self.listeners: list[Callable[[array[int]], None]] = []
        self.played_s = 0.0
        self.heard_s = 0.0
        self.level_db = -127.0
        self.tone_hz = 0

    def play(self, samples: array[int]) -> None:
        for listener in self.listeners:
            listener(samples)
        self.played_s += len(samples) / RATE_HZ
        self._block.extend(samples)
        while len(self._block) >= BLOCK:
            block, self._block = self._block[:BLOCK], self._block[BLOCK:]
            self._judge(block)

    def over(self) -> None:
        """Nothing more comes: what was being said is at its end."""
        self._block = array("h")
        self._end()

    def _judge(self, block: array[int]) -> None:
        level = level_db(block)
        if level < LOUD_DB:
            self._quiet += 1
            if self._quiet == HANG_BLOCKS:
                self._end()
            return
        self._quiet, self._loud, self.level_db = 0, block, level
        self._spurt += 1
        self.heard_s += BLOCK / RATE_HZ
        if self._spurt == 2:  # the first has silence in it, mostly
            self._say("hearing", "hears somebody")
        elif self._spurt % 10 == 0:
            self._say("heard", f"heard speech for {self._spurt / 10:.0f} s")

    def _end(self) -> None:
        if self._spurt and self._spurt % 10:
            self._say("heard", f"heard speech for {self._spurt / 10:.1f} s")
        self._spurt = 0

    def _say(self, event: str, words: str) -> None:
        self.tone_hz = dominant_hz(self._loud)
        self._report(
            event,
            f"{words}, {self.level_db:.0f} dBFS, around {self.tone_hz} Hz",
            seconds=round(self._spurt / 10, 1),
            level_db=round(self.level_db, 1),
            tone_hz=self.tone_hz,
        )


class WavFile:
    """Keeps what is played: 16 bit, 8 kHz, mono. The file is made when the first sound comes; `close` in the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: wave.Wave_write | None = None

    def __call__(self, samples: array[int]) -> None:
        if self._file is None:
            self._file = wave.open(str(self._path), "wb")  # noqa: SIM115 - closed by `close`
            self._file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        self._file.writeframes(samples.tobytes())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
