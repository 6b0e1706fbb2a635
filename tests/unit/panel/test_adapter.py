"""Lamps and voice as an adapter: they follow the word, fail in words and come back; real espeak-ng and ALSA."""

from __future__ import annotations

import asyncio
import io
import shutil
import sys
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.panel import adapter as module
from adapters.panel import voice
from adapters.panel.adapter import Panel
from adapters.panel.config import PanelConfig
from gateway.base.errors import LinkDown
from gateway.base.moment import TimeQuality
from gateway.model.field_words import spoken
from gateway.model.kit_state import FieldState, FieldWord
from tests.fakes.gpio import Chip, Gpiod

PATIENCE_S = 60.0


class Kit:
    """As much of `contract.kit.KitStanding` and of its context."""

    def __init__(self) -> None:
        self.field = FieldState(FieldWord.CONNECTING, "field-no-link")
        self.listeners: list[Callable[[FieldState], None]] = []

    @property
    def kit(self) -> Kit:
        return self

    def ready(self) -> None:
        pass

    def quality(self) -> TimeQuality:
        return TimeQuality.UNSYNCED

    def on_field(self, called: Callable[[FieldState], None]) -> Callable[[], None]:
        self.listeners.append(called)
        return lambda: self.listeners.remove(called)

    def says(self, word: FieldWord, code: str = "") -> None:
        self.field = FieldState(word, code)
        for called in self.listeners:
            called(self.field)


@asynccontextmanager
async def running(**config: Any) -> AsyncIterator[tuple[Kit, Panel]]:
    kit: Any = Kit()
    made = Panel(PanelConfig(**config), kit)
    run = asyncio.create_task(made.run())
    try:
        yield kit, made
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert kit.listeners == []


async def until(ready: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not ready():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_lamp_follows_the_word_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.02)
    chip = Chip()
    monkeypatch.setitem(sys.modules, "gpiod", Gpiod(gpiochip0=chip))
    async with running(lamps=["gpio:/dev/gpiochip0:4", "gpio:/dev/gpiochip0:5=technician"]) as (kit, made):
        await until(lambda: len(chip.levels.get(4, [])) > 3)
        assert set(chip.levels[5]) == {0}, "its word has not come"
        kit.says(FieldWord.TECHNICIAN, "field-no-center")
        await until(lambda: chip.levels[5].count(1) > 2)
        chip.torn = True
        await until(lambda: all(finding.code == "lamp" for finding in made.findings()))
        chip.torn = False
        seen = len(chip.levels[5])
        await until(lambda: len(chip.levels[5]) > seen + 2 and not any(one.code for one in made.findings()))
    assert chip.levels[4][-1] == chip.levels[5][-1] == 0 and chip.taken == {}, "dark, and free"


async def test_the_voice_says_each_word_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    fails: list[LinkDown] = []

    async def render(state: FieldState, language: str, recordings: Path | None) -> bytes:
        return f"{state.word.value}.{language}".encode()

    async def play(wav: bytes, device: str) -> None:
        if fails:
            raise fails[0]
        said.append(wav.decode())

    monkeypatch.setattr(module, "render", render)
    monkeypatch.setattr(module, "play", play)
    clock = [0.0]
    monkeypatch.setattr(module, "LOOK_S", 0.02)
    async with running(speak=True, pause=5.0) as (kit, made):
        made._clock = type(made._clock)(monotonic=lambda: clock[0])
        await until(lambda: len(said) == 2)
        clock[0] = 6.0
        kit.says(FieldWord.READY)
        await until(lambda: len(said) == 4)
        assert said == ["connecting.zh", "connecting.en", "ready.zh", "ready.en"]
        fails.append(LinkDown("no card", code="speech"))
        clock[0] = 20.0
        kit.says(FieldWord.TECHNICIAN, "field-no-center")
        await until(lambda: made.findings()[0].code == "speech")
        fails.clear()
        clock[0] = 26.0
        await until(lambda: len(said) == 6)
        assert said[4:] == ["technician.zh", "technician.en"], "it is tried again, as the log says"
        assert made.findings()[0].code == ""


async def test_a_language_that_can_not_be_spoken_does_not_silence_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    async def render(state: FieldState, language: str, recordings: Path | None) -> bytes:
        if language == "zh":
            raise LinkDown("espeak-ng is missing, and there is no recording", code="speech")
        return language.encode()

    async def play(wav: bytes, device: str) -> None:
        said.append(wav.decode())

    monkeypatch.setattr(module, "render", render)
    monkeypatch.setattr(module, "play", play)
    async with running(speak=True, pause=5.0) as (_, made):
        await until(lambda: said == ["en"] and made.findings()[0].code == "speech")


async def test_a_program_that_does_not_even_end_when_killed_is_not_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A driver holds it: the voice says so, and there is never a second one."""
    program = shutil.which("sleep") or ""
    monkeypatch.setattr(voice, "END_S", 0.01)
    monkeypatch.setattr(voice, "_STUCK", {})
    real = asyncio.subprocess.Process.kill
    held: list[asyncio.subprocess.Process] = []
    monkeypatch.setattr(asyncio.subprocess.Process, "kill", lambda self: held.append(self))
    with pytest.raises(LinkDown, match="did not end"):
        await voice._run(0.01, program, "60")
    with pytest.raises(LinkDown, match="hangs in its driver"):
        await voice._run(0.01, program, "60")
    (process,) = held
    real(process)
    await process.wait()
    await voice._run(20.0, program, "0")


async def test_with_recordings_of_all_words_no_synthesiser_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "espeak-ng" else f"/usr/bin/{name}")
    config = PanelConfig(speak=True, languages=["zh"], recordings=tmp_path)
    (found,) = await Panel.checks(config)
    assert (found.code, found.measured) == ("speech", "espeak-ng")
    for word in FieldWord:
        (tmp_path / f"{word.value}.zh.wav").write_bytes(b"RIFF")
    (found,) = await Panel.checks(config)
    assert found.code == ""


@pytest.mark.skipif(not (shutil.which("espeak-ng") and shutil.which("aplay")), reason="espeak-ng, alsa-utils missing")
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_real_programs_speak(language: str, tmp_path: Path) -> None:
    state = FieldState(FieldWord.TECHNICIAN, "field-no-center")
    made = await voice.render(state, language, tmp_path)
    with wave.open(io.BytesIO(made)) as read:
        assert read.getframerate() == 22050 and read.getnchannels() == 1
    assert len(made) > 50_000, "more than a second of it"
    await voice.play(made, "null")  # ALSA's own device that hears nothing
    with pytest.raises(LinkDown) as caught:
        await voice.play(made, "plughw:CARD=NoSuchCard")
    assert caught.value.code == "speech"
    with pytest.raises(LinkDown):
        await voice.play(b"no sound at all" * 100, "hw:NoSuch")


async def test_a_recording_goes_before_the_machine(tmp_path: Path) -> None:
    (tmp_path / "ready.en.wav").write_bytes(b"RIFF....")
    assert await voice.render(FieldState(FieldWord.READY, ""), "en", tmp_path) == b"RIFF...."


def test_what_is_said() -> None:
    state = FieldState(FieldWord.TECHNICIAN, "field-no-center")
    assert spoken(state, "zh") == "呼叫技术员。终端站尚未与中心配对。"
    assert spoken(FieldState(FieldWord.READY, ""), "en") == "Ready."
    assert "`" not in spoken(FieldState(FieldWord.DEGRADED, "field-adapter"), "en")


def test_settings_are_checked() -> None:
    wrong: list[dict[str, Any]] = [
        {"lamps": ["17"]}, {"sound": "-D x"}, {"sound": "a b"}, {"quiet": "25:00-06:00"}, {"languages": []},
        {"languages": ["fr"]},
    ]  # fmt: skip
    for one in wrong:
        with pytest.raises(ValueError):
            PanelConfig(**one)
    assert PanelConfig(quiet="22:00-06:30").quiet_minutes() == (1320, 390)
    assert PanelConfig().quiet_minutes() is None
