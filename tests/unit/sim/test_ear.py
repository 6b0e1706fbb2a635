"""The ball's ear and its G.711: what is heard is judged right, and the two laws agree with the standard's tables."""

from __future__ import annotations

import math
import wave
from array import array
from pathlib import Path

import pytest

from gateway.sim.ear import BLOCK, Ear, WavFile, dominant_hz, level_db
from gateway.sim.sound import Air, alaw, alaw_values, decoded, tone, tone_ulaw, ulaw, ulaw_values


def sine(hz: float, seconds: float, peak: int = 8000) -> array[int]:
    return array("h", [round(peak * math.sin(math.tau * hz * n / 8000)) for n in range(round(8000 * seconds))])


class Said:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def __call__(self, event: str, words: str, **data: object) -> None:
        self.events.append((event, data))

    @property
    def names(self) -> list[str]:
        return [event for event, _ in self.events]


def test_known_bytes_of_the_tables() -> None:
    """ITU-T G.711 tables 1a and 2a: silence, the smallest and the largest values."""
    assert (alaw(0), ulaw(0)) == (0xD5, 0xFF)
    assert (alaw(32767), alaw(-32768), ulaw(32767), ulaw(-32768)) == (0xAA, 0x2A, 0x80, 0x00)
    assert max(alaw_values()) == 32256 and min(alaw_values()) == -32256
    assert max(ulaw_values()) == 32124 and min(ulaw_values()) == -32124


@pytest.mark.parametrize("law", ["pcma", "pcmu"])
def test_every_byte_comes_back(law: str) -> None:
    encode, values = (alaw, alaw_values()) if law == "pcma" else (ulaw, ulaw_values())
    back = [encode(values[byte]) for byte in range(256)]
    same = [byte for byte in range(256) if back[byte] != byte]
    assert same in ([], [0x7F]), "µ-law has two zeros"


@pytest.mark.parametrize("hz", [300, 440, 1000, 1010, 2730, 3400])
def test_the_dominant_tone(hz: int) -> None:
    assert dominant_hz(sine(hz, 0.1)) == hz


def test_level() -> None:
    assert level_db(array("h", [0] * 100)) == -127.0
    assert level_db(sine(1000, 0.1, 32767)) == pytest.approx(-3.0, abs=0.1)


def test_an_ear_tells_when_somebody_begins_each_second_and_at_the_end() -> None:
    said = Said()
    ear = Ear(said)
    ear.play(array("h", [0] * 8000))
    assert said.events == [] and ear.heard_s == 0
    for begin in range(0, 12000, 160):
        ear.play(sine(1000, 1.5)[begin : begin + 160])
    assert said.names == ["hearing", "heard"] and said.events[1][1]["seconds"] == 1.0
    assert said.events[0][1]["tone_hz"] == 1000
    ear.play(array("h", [0] * 8000))
    assert said.names == ["hearing", "heard", "heard"] and said.events[2][1]["seconds"] == 1.5
    assert ear.heard_s == pytest.approx(1.5) and ear.played_s == pytest.approx(3.5)
    ear.play(sine(500, 0.3))
    ear.over()
    assert said.names[3:] == ["hearing", "heard"] and ear.tone_hz == 500


def test_a_pause_in_a_sentence_is_no_end() -> None:
    said = Said()
    ear = Ear(said)
    for samples in (sine(700, 0.2), array("h", [0] * BLOCK * 3), sine(700, 0.2)):
        ear.play(samples)
    assert said.names == ["hearing"]


def test_what_it_plays_is_what_was_sent() -> None:
    assert dominant_hz(decoded(tone(0, 1600), "pcma")) == 880
    assert dominant_hz(decoded(tone_ulaw(0, 1600), "pcmu")) == 880


def test_the_echo_comes_later_and_softer() -> None:
    air = Air(0.2)
    loud = sine(2000, 0.5, 16000)
    air.played(loud)
    first = decoded(air.microphone(1600, 1600), "pcma")
    later = decoded(air.microphone(3200, 1600), "pcma")
    assert dominant_hz(first[:800]) != 2000 and dominant_hz(later) == 2000
    assert level_db(later) == pytest.approx(level_db(loud) - 6, abs=1.0)
    for _ in range(5):
        air.microphone(0, 1600)
    assert air.microphone(0, 160) == tone(0, 160), "what was said is over"


def test_the_air_keeps_no_more_than_its_delay_and_a_half_second() -> None:
    air = Air(0.1)
    for _ in range(100):
        air.played(sine(2000, 0.1))
    heard = sum(max(decoded(air.microphone(4000, 80), "pcma")) > 3000 for _ in range(200))
    assert heard == 60, "0.6 s of 10 ms pieces"


def test_the_wav_file(tmp_path: Path) -> None:
    path = tmp_path / "ball.wav"
    kept = WavFile(path)
    kept.close()
    assert not path.exists(), "nothing heard, no file"
    kept(sine(1000, 0.25))
    kept.close()
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (8000, 1, 2000)
