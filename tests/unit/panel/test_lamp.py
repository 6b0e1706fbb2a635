"""How each word is lit, and which lamps there are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.panel.lamp import PATTERNS, Lamp, lit, parse_lamp
from adapters.panel.lines import open_lamp
from gateway.base.errors import LinkDown
from gateway.model.kit_state import FieldWord
from tests.fakes.gpio import Chip, Gpiod

ALL = frozenset(FieldWord)


def test_lamps_as_they_are_written() -> None:
    text = "gpio:/dev/gpiochip0:17"
    assert parse_lamp(text) == Lamp(text, ALL, chip="/dev/gpiochip0", line=17)
    red = parse_lamp("gpio:/dev/gpiochip1:5:low=technician, degraded")
    assert (red.chip, red.line, red.low) == ("/dev/gpiochip1", 5, True)
    assert red.words == {FieldWord.TECHNICIAN, FieldWord.DEGRADED}
    assert parse_lamp("led:kit:green:status=ready").led == "kit:green:status"
    for wrong in ("17", "gpio:17", "led:", "led:../x", "led:a/b", "gpio:/dev/../mem:1", "gpio:/dev/gpiochip0:1=on", ""):
        with pytest.raises(ValueError):
            parse_lamp(wrong)


@pytest.mark.parametrize("word", list(FieldWord))
def test_patterns_repeat_and_differ(word: FieldWord) -> None:
    steps, at = [], 0.0
    for _ in range(3 * len(PATTERNS[word])):
        on, left = lit(word, at)
        steps.append((on, round(left, 6)))
        at += left
    assert steps == [(on, round(length, 6)) for on, length in PATTERNS[word]] * 3
    assert len({tuple(pattern) for pattern in PATTERNS.values()}) == 4
    assert {on for on, _ in PATTERNS[word]} == {True, False}, "a lamp that stands still is of a gateway that is dead"


def test_a_line_of_a_chip(monkeypatch: pytest.MonkeyPatch) -> None:
    chip = Chip(taken={9: "gpio-keys"})
    monkeypatch.setitem(__import__("sys").modules, "gpiod", Gpiod(gpiochip0=chip))
    made = open_lamp(parse_lamp("gpio:/dev/gpiochip0:17:low"))
    made.set(True)
    made.close()
    assert chip.levels[17] == [1, 0, 1] and chip.taken == {9: "gpio-keys"}, "dark is high, and it ends dark"
    for text in ("gpio:/dev/gpiochip0:9", "gpio:/dev/gpiochip0:40", "gpio:/dev/gpiochip3:1"):
        with pytest.raises(LinkDown) as caught:
            open_lamp(parse_lamp(text))
        assert caught.value.code == "lamp"
    with pytest.raises(LinkDown, match="another program has this line: gpio-keys"):
        open_lamp(parse_lamp("gpio:/dev/gpiochip0:9"))
    made = open_lamp(parse_lamp("gpio:/dev/gpiochip0:3"))
    chip.torn = True
    with pytest.raises(LinkDown):
        made.set(True)
    made.close()


def test_a_led_of_the_kernel(tmp_path: Path) -> None:
    folder = tmp_path / "kit:green:status"
    folder.mkdir()
    (folder / "max_brightness").write_text("255\n")
    (folder / "brightness").write_text("7\n")
    (folder / "trigger").write_text("none [heartbeat] timer\n")
    made = open_lamp(parse_lamp("led:kit:green:status"), tmp_path)
    assert (folder / "trigger").read_text() == "none"
    made.set(True)
    assert (folder / "brightness").read_text() == "255"
    made.close()
    assert (folder / "brightness").read_text() == "0"
    assert (folder / "trigger").read_text() == "heartbeat", "whose it was, has it again"
    with pytest.raises(LinkDown) as caught:
        open_lamp(parse_lamp("led:none"), tmp_path)
    assert caught.value.code == "lamp" and not (tmp_path / "none").exists()


def test_a_led_of_a_kernel_without_triggers(tmp_path: Path) -> None:
    folder = tmp_path / "status"
    folder.mkdir()
    (folder / "max_brightness").write_text("none")
    (folder / "brightness").write_text("0")
    made = open_lamp(parse_lamp("led:status"), tmp_path)
    made.set(True)
    assert (folder / "brightness").read_text() == "1" and not (folder / "trigger").exists()
    (folder / "brightness").unlink()
    with pytest.raises(LinkDown):
        made.set(False)
    made.close()
    assert not (folder / "brightness").exists()


def test_the_library_of_the_first_kind_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian 12's python3-libgpiod: another module of the same name."""
    monkeypatch.setitem(__import__("sys").modules, "gpiod", SimpleNamespace(chip=None, line_request=None))
    with pytest.raises(LinkDown, match=r"older than 2.*fieldgate\[gpio\]"):
        open_lamp(parse_lamp("gpio:/dev/gpiochip0:17"))


def test_without_the_library_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Any = None
    monkeypatch.setitem(__import__("sys").modules, "gpiod", nothing)
    with pytest.raises(LinkDown, match=r"fieldgate\[gpio\]"):
        open_lamp(parse_lamp("gpio:/dev/gpiochip0:17"))


def test_the_real_library_has_what_the_chip_of_the_tests_has() -> None:
    gpiod = pytest.importorskip("gpiod")
    settings = gpiod.LineSettings(
        direction=gpiod.line.Direction.OUTPUT, active_low=True, output_value=gpiod.line.Value.INACTIVE
    )
    assert settings.active_low and gpiod.line.Value.ACTIVE
    assert "consumer" in gpiod.LineInfo.__dataclass_fields__ and gpiod.Chip.get_line_info and gpiod.Chip.__enter__
    with pytest.raises(LinkDown) as caught:
        open_lamp(parse_lamp("gpio:/dev/gpiochip250:1"))
    assert caught.value.code == "lamp"
