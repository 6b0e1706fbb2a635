"""`fieldgate links`: the table, the day, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli.links import blocks, plots
from gateway.core.services import Services
from gateway.model.reason import REASONS
from tests.unit.cli.conftest import Run
from tests.unit.cli.daemon import serving


def test_the_table_the_day_and_json(fieldgate: Run, services: Services, tmp_path: Path) -> None:
    with serving(services, tmp_path):
        where = ("--state-dir", str(tmp_path))
        shown = fieldgate("links", *where)
        assert shown.code == 0 and "modem1" in shown.out and "nothing that is sent by it" in " ".join(shown.out.split())
        found = json.loads(fieldgate("links", "--json", *where).out)
        assert [one["name"] for one in found] == ["modem1", "sat"]
        assert "modem1" in fieldgate("links", "--day", *where).out
        assert json.loads(fieldgate("links", "--day", "--json", *where).out)[0]["every_s"] == 10.0
    assert fieldgate("links", *where).code == 3


def test_it_is_read_on_a_terminal_of_80_characters(
    fieldgate: Run, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No word is folded, and what is wrong stands below the table with what to do."""
    monkeypatch.setenv("COLUMNS", "80")
    with serving(services, tmp_path):
        shown = fieldgate("links", "--state-dir", str(tmp_path)).out
    head = shown.splitlines()[0].split()
    assert [word for word in ("link", "state", "carries", "quality", "cost") if word not in head] == []
    assert max(map(len, shown.splitlines())) <= 80
    words = " ".join(shown.split())
    reason = REASONS["link-no-reply"]
    assert reason.cause_en in words and f"→ {reason.cure_en}" in words


def test_a_line_of_blocks() -> None:
    now = 100_000.0
    drawn, most = blocks([now - 86_399, now - 43_199, now - 43_198, now - 1, now - 90_000], [1, 4, 4, None, 9], 8, now)
    assert len(drawn) == 8 and most == 4 and drawn == "▃   █   ", drawn
    assert blocks([], [], 4, now) == ("    ", 0.0)
    assert blocks([now - 1], [0.0], 4, now) == ("   ▁", 0.0)
    assert plots([], 24, now)
