"""Minutes within the last day, over restarts, kills and clocks that are wrong."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.base import day_budget_file
from gateway.base.day_budget import DAY_S, MOST_TIMES, DayBudget
from gateway.base.day_budget_file import KeptBudget
from gateway.base.moment import Moment, TimeQuality
from tests.fakes.loop import by_hand
from tests.unit.modem.rig import pass_time

WALL = 1_800_000_000.0
YEAR_S = 365 * DAY_S
NO, NTP = TimeQuality.UNSYNCED, TimeQuality.NTP


class Machine:
    """Its clocks."""

    def __init__(self) -> None:
        self.boot, self.mono, self.wall, self.quality = 1, 1000.0, WALL, NTP

    def now(self) -> Moment:
        return Moment(f"boot{self.boot}", self.mono, self.wall, self.quality)

    def passes(self, seconds: float) -> None:
        self.mono += seconds
        self.wall += seconds

    def reboots(self, wall: float, quality: TimeQuality) -> None:
        self.boot, self.mono, self.wall, self.quality = self.boot + 1, 90_000.0, wall, quality


@pytest.fixture
def machine() -> Machine:
    return Machine()


def spent(machine: Machine, seconds: float) -> dict[str, Any]:
    budget = DayBudget(machine.now)
    budget.begin()
    machine.passes(seconds)
    kept: dict[str, Any] = json.loads(json.dumps(budget.kept()))
    return kept


def restored(machine: Machine, kept: dict[str, Any]) -> DayBudget:
    budget = DayBudget(machine.now)
    budget.restore(kept)
    return budget


def test_what_stands_counts_and_what_is_a_day_old_does_not(machine: Machine) -> None:
    budget = DayBudget(machine.now)
    end = budget.begin()
    machine.passes(30)
    assert budget.used_s() == 30
    end()
    machine.passes(50)
    end()  # again: it has ended
    assert budget.used_s() == 30
    other = budget.begin()
    machine.passes(DAY_S - 60)
    assert budget.used_s() == DAY_S - 60 + 10  # twenty of the thirty are a day old
    other()
    machine.passes(DAY_S)
    assert budget.used_s() == 0


def test_within_one_boot_the_wall_clock_is_not_asked(machine: Machine) -> None:
    kept = spent(machine, 600)
    for wall in (WALL - YEAR_S, WALL + YEAR_S):
        machine.wall = wall
        assert restored(machine, kept).used_s() == 600
    machine.passes(DAY_S - 300)
    assert restored(machine, kept).used_s() == 300
    machine.passes(300)
    assert restored(machine, kept).used_s() == 0


@pytest.mark.parametrize(("wall", "quality"), [(0.0, NO), (WALL - YEAR_S, NTP), (WALL + YEAR_S, NO)])
def test_a_clock_that_is_wrong_gives_no_minute_back_and_keeps_none_for_more_than_a_day(
    machine: Machine, wall: float, quality: TimeQuality
) -> None:
    kept = spent(machine, 600)
    machine.reboots(wall, quality)
    budget = restored(machine, kept)
    assert budget.used_s() == 600
    machine.wall -= YEAR_S
    assert budget.used_s() == 600
    machine.passes(DAY_S - 1)
    assert budget.used_s() == 1
    machine.passes(1)
    assert budget.used_s() == 0


def test_the_time_it_was_off_counts_once_the_clock_follows_a_reference(machine: Machine) -> None:
    kept = spent(machine, 600)
    machine.reboots(0.0, NO)
    budget = restored(machine, kept)
    machine.passes(40)
    assert budget.used_s() == 600
    machine.wall, machine.quality = WALL + 600 + DAY_S - 100, NTP
    end = budget.begin()
    assert budget.used_s() == 100
    machine.passes(50)
    end()
    assert budget.used_s() == 50 + 50


def test_a_mark_by_a_clock_that_followed_nothing_says_nothing_of_the_time_it_was_off(machine: Machine) -> None:
    machine.wall, machine.quality = WALL - YEAR_S, NO
    kept = spent(machine, 600)
    machine.reboots(WALL, NTP)
    assert restored(machine, kept).used_s() == 600


def test_of_many_calls_none_is_forgotten(machine: Machine) -> None:
    budget = DayBudget(machine.now)
    for _ in range(3 * MOST_TIMES):
        end = budget.begin()
        machine.passes(2)
        end()
        machine.passes(1)
    assert budget.used_s() == 3 * MOST_TIMES * 2 and len(budget.kept()["calls"]) == MOST_TIMES
    machine.passes(DAY_S)
    assert budget.used_s() == 0 and not budget.kept()["calls"]


# — the file —


@by_hand
async def test_it_is_kept_when_a_call_begins_now_and_then_and_when_it_ends(tmp_path: Path, machine: Machine) -> None:
    def again() -> float:
        return KeptBudget(tmp_path, "trunk:a/b", machine.now).used_s()

    end = KeptBudget(tmp_path, "trunk:a/b", machine.now).begin()
    machine.passes(20)
    assert again() == 0  # it was written when it began
    await pass_time(day_budget_file.MARK_S + 1)
    assert again() == 20
    machine.passes(7)
    end()
    machine.passes(100)
    assert again() == 27
    await pass_time(2 * day_budget_file.MARK_S)
    assert again() == 27
    assert [path.parent for path in tmp_path.rglob("*")] == [tmp_path]


KILLED = """
import asyncio, json, os, signal, sys
from pathlib import Path
from gateway.base import day_budget_file
day_budget_file.MARK_S = 0.05
async def main():
    budget = day_budget_file.KeptBudget(Path(sys.argv[1]), "sat")
    budget.begin()
    while not budget.path.exists() or json.loads(budget.path.read_text())["calls"][0][0] < 0.1:
        await asyncio.sleep(0.02)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


def test_a_call_that_stood_when_it_was_killed_counts_up_to_the_last_mark(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, timeout=30)
    assert ended.returncode == -signal.SIGKILL
    assert KeptBudget(tmp_path, "sat").used_s() >= 0.1


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"boot": 1', "\xff", "[" * 100_000]
    + [
        json.dumps({"boot": "b", "mono": 1.0, "wall": 1.0, "quality": "ntp", "calls": calls})
        for calls in ([[1]], [[1, 2]], [[5, -9e9]], [[10**400, 0]], 7)
    ],
)
@by_hand
async def test_a_file_that_is_broken_is_told_and_stops_no_call(
    tmp_path: Path, machine: Machine, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    (tmp_path / "sat.budget").write_text(text, encoding="latin-1")
    with caplog.at_level(logging.ERROR):
        budget = KeptBudget(tmp_path, "sat", machine.now)
        assert budget.used_s() == 0 and "can not be read" in caplog.text and budget.wrong in caplog.text
        end = budget.begin()
        machine.passes(5)
        end()
        caplog.clear()
        again = KeptBudget(tmp_path, "sat", machine.now)
        assert again.used_s() == 5 and not caplog.text and not again.wrong


@by_hand
async def test_a_disk_that_takes_nothing_is_told_once(
    tmp_path: Path, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    budget = KeptBudget(tmp_path / "gone", "sat", machine.now)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            budget.begin()()
            KeptBudget(tmp_path, "sat", machine.now)  # what waits has been written then
    assert budget.used_s() == 0 and caplog.text.count("can not be written") == 1
    assert "can not be written" in budget.wrong
    budget.path.parent.mkdir()
    budget.begin()()
    KeptBudget(tmp_path, "sat", machine.now)
    assert not budget.wrong, "the disk takes it again"
