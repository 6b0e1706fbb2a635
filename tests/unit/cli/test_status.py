"""`fieldgate status`: all of it on one screen, in both languages."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.base.moment import TimeQuality
from gateway.cli import words
from gateway.cli.status import clock_text, place_text, power_text, space_text
from gateway.model.kit_state import ClockState, Heat, Place, Power, PowerSource, Space
from gateway.model.position import Datum, PositionSource
from gateway.wire.records import plain
from tests.unit.api.fakes import NOW, fake_services
from tests.unit.cli.conftest import Run
from tests.unit.cli.daemon import serving


def test_one_screen(fieldgate: Run, tmp_path: Path) -> None:
    services: Any = fake_services()
    kit = services.kit
    place = Place(104.06, 30.67, Datum.WGS84, PositionSource.GNSS, "gpsd", NOW, 4.0, code="gnss-jump")
    kit.condition = replace(
        kit.condition,
        heat=(Heat("cpu", 83.0, code="hot"),),
        space=Space(10**10, 10**11, worn=0.3),
        clock=ClockState(TimeQuality.GNSS, "chrony GPS", 0.2),
        place=place,
        place_code="gnss-jump",
    )
    with serving(services, tmp_path):
        ran = fieldgate("status", "--state-dir", str(tmp_path))
        assert ran.code == 0, ran.err
        for text in ("Ready", "4G lte0", "▮▮▮▯▯", "battery, 40 %", "cpu 83 °C", "by satellite, chrony GPS", "30.67000"):
            assert text in ran.out, text
        kit.says("technician", "field-no-center")
        ran = fieldgate("--lang", "zh", "status", "--state-dir", str(tmp_path))
        assert ran.code == 1 and "呼叫技术员" in ran.out and "尚未与中心配对" in ran.out
        words.choose("en")
        ran = fieldgate("status", "--json", "--state-dir", str(tmp_path))
        assert ran.code == 1 and json.loads(ran.out)["field"]["code"] == "field-no-center"


def test_what_is_not_known_is_a_dash() -> None:
    assert power_text(plain(Power())) == "–" and place_text(None) == "–"
    assert power_text(plain(Power(PowerSource.MAINS, 0.5, True))) == "mains, 50 %, charging"
    assert power_text(plain(Power(PowerSource.BATTERY, 0.5, minutes_left=61.4))) == "battery, 50 %, 61 min left"
    assert space_text(plain(Space(read_only=True))) == "0.0 of 0.0 GB free, read-only"
    assert clock_text(plain(ClockState(off_s=-3.04))) == "not synchronised, -3.0 s"
