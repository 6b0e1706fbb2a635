"""Mains and batteries, on trees like those of the kernel; gauges that lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.kit_power import Supply, fell, judged, read_supplies
from gateway.model.kit_state import PowerSource


def supply(root: Path, name: str, **files: str) -> None:
    (root / name).mkdir(parents=True)
    for file, text in files.items():
        (root / name / file).write_text(f"{text}\n")


def test_a_laptop_on_its_battery(tmp_path: Path) -> None:
    supply(tmp_path, "AC", type="Mains", online="0")
    supply(
        tmp_path, "BAT0", type="Battery", present="1", status="Discharging", capacity="62", voltage_now="11400000",
        power_now="12500000", energy_full="50000000", time_to_empty_now="7200",
    )  # fmt: skip
    supply(tmp_path, "hidpp_battery_0", type="Battery", scope="Device", status="Discharging", capacity="5")
    power = judged(read_supplies(tmp_path))
    assert (power.source, power.level, power.charging, power.code) == (PowerSource.BATTERY, 0.62, False, "on-battery")
    assert (power.volts, power.watts, power.minutes_left) == (11.4, 12.5, 120)


def test_two_batteries_weigh_what_they_hold(tmp_path: Path) -> None:
    supply(tmp_path, "BAT0", type="Battery", status="Charging", capacity="100", energy_full="10000000")
    supply(
        tmp_path, "BAT1", type="Battery", status="Charging", capacity="20", charge_full="3000000",
        voltage_now="10000000", current_now="-2000000",
    )  # fmt: skip
    power = judged(read_supplies(tmp_path))
    assert (power.source, power.level, power.charging) == (PowerSource.MAINS, 0.4, True)
    assert power.watts == -20.0, "it is given to them"


@pytest.mark.parametrize(
    ("capacity", "word", "level"),
    [("255", "", None), ("-1", "Low", 0.15), ("nonsense", "Unknown", None), ("", "Full", 1.0), ("101", "", None)],
)
def test_gauges_that_lie(tmp_path: Path, capacity: str, word: str, level: float | None) -> None:
    supply(tmp_path, "b", type="Battery", status="Discharging", capacity=capacity, capacity_level=word)
    supply(tmp_path, "c", type="Battery", present="0", status="Unknown", capacity="0")
    power = judged(read_supplies(tmp_path))
    assert power.level == level and power.source is PowerSource.BATTERY
    assert power.code == {None: "battery-untold", 0.15: "battery-low", 1.0: "on-battery"}[level]


def test_nothing_is_told(tmp_path: Path) -> None:
    assert judged(read_supplies(tmp_path / "none")).source is PowerSource.UNKNOWN
    supply(tmp_path, "odd")
    assert read_supplies(tmp_path) == []
    assert judged([Supply("Mains", online=True)]).source is PowerSource.MAINS


def test_a_charger_too_weak_for_the_load_is_no_mains() -> None:
    power = judged([Supply("USB", online=True), Supply("Battery", status="Discharging", level=0.2)])
    assert (power.source, power.code) == (PowerSource.BATTERY, "battery-low")


def test_a_warning_ends_above_where_it_begins() -> None:
    codes, code = [], ""
    for level in (0.3, 0.25, 0.26, 0.28, 0.30, 0.26, 0.1, 0.12, 0.15, 0.28, 0.3):
        code = judged([Supply("Battery", status="Discharging", level=level)], code).code
        codes.append(code)
    low, critical, on = "battery-low", "battery-critical", "on-battery"
    assert codes == [on, low, low, low, on, on, critical, critical, low, low, on]


def test_a_battery_that_vanishes_while_it_is_used_is_no_good_news() -> None:
    for before in ("on-battery", "battery-critical", "battery-untold"):
        power = judged([], before)
        assert (power.source, power.level, power.code) == (PowerSource.BATTERY, None, "battery-untold")
    assert judged([], "").source is PowerSource.UNKNOWN, "a machine that never told anything"
    assert judged([Supply("Mains", online=True)], "battery-untold").source is PowerSource.MAINS


def test_a_fall_that_no_battery_makes() -> None:
    level = [judged([Supply("Battery", status="Discharging", level=one)]) for one in (0.8, 0.0, 0.75)]
    assert fell(level[0], level[1]) and not fell(level[0], level[2]) and not fell(level[1], level[0])
