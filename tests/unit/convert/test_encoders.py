"""Which H.264 encoder is used: the machine's own where a picture really comes out of it, else software."""

from __future__ import annotations

import pytest

from gateway.convert import encoders
from gateway.convert.encoders import SOFTWARE, choose, works

CHIPS = ["h264_nvenc", "h264_qsv", "h264_v4l2m2m"]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """One with all of them; what is put into the set works."""
    working: set[str] = set()
    monkeypatch.setattr(encoders, "hardware", lambda: list(CHIPS))
    monkeypatch.setattr(encoders, "works", lambda name: name in working)
    return working


def test_the_first_that_works_is_taken_and_each_is_told_before_it_is_tried(machine: set[str]) -> None:
    told: list[str] = []
    machine.update(CHIPS[1:])
    assert choose(True, told.append) == "h264_qsv" and told == ["h264_nvenc", "h264_qsv"]


def test_one_whose_driver_took_a_worker_with_it_is_not_tried_again(machine: set[str]) -> None:
    told: list[str] = []
    machine.update(CHIPS)
    assert choose(True, told.append, frozenset({"h264_nvenc"})) == "h264_qsv" and told == ["h264_qsv"]


@pytest.mark.parametrize("allowed", [True, False])
def test_software_where_none_works_or_none_may_be_used(machine: set[str], allowed: bool) -> None:
    told: list[str] = []
    if not allowed:
        machine.update(CHIPS)
    assert choose(allowed, told.append) == SOFTWARE and told == (CHIPS if allowed else [])


def test_an_encoder_without_its_chip_is_an_answer_and_no_error() -> None:
    """As FFmpeg itself refuses it."""
    assert works(SOFTWARE)
    for name in CHIPS:
        assert name in encoders.hardware() or not works(name)
