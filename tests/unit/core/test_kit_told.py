"""What a kit says of itself, taken by a center that trusts it no further than that."""

from __future__ import annotations

from dataclasses import replace

from gateway.base.moment import TimeQuality
from gateway.core.kit_told import drawn
from gateway.model.kit_state import ClockState, Heat, KitCondition, Place, Power, PowerSource, Space
from gateway.model.position import Datum, PositionSource

PLACE = Place(104.0, 30.0, Datum.WGS84, PositionSource.GNSS, "gpsd", 1.8e9, 4.0)
WELL = KitCondition(
    "kit7",
    1.8e9,
    Power(PowerSource.BATTERY, 0.4, volts=11.9, code="on-battery"),
    (Heat("cpu", 61.0),),
    Space(10**10, 10**11),
    ClockState(TimeQuality.NTP, "chrony", 0.1),
    PLACE,
    codes=("on-battery",),
)


def test_an_honest_one_is_taken_as_it_is() -> None:
    assert drawn(WELL, "kit7") == WELL


def test_one_that_has_lost_its_mind_is_cut_to_size() -> None:
    wild = replace(
        WELL,
        gateway="kit8",
        at=float("nan"),
        power=Power(PowerSource.MAINS, float("inf"), volts=float("nan"), code="no-such-code"),
        heat=tuple(Heat("x" * 500, float("inf")) for _ in range(500)),
        space=Space(10**30, 5),
        clock=replace(WELL.clock, source="y" * 500, off_s=-1e300),
        place=replace(PLACE, latitude=91.0),
        place_code="<b>",
        codes=("on-battery", "no-such-code") * 20,
    )
    told = drawn(wild, "kit7")
    assert (told.gateway, told.at, told.place, told.place_code) == ("kit7", 0, None, "")
    assert (told.power.level, told.power.volts, told.power.code) == (None, None, "")
    assert len(told.heat) == 8 and len(told.heat[0].name) == 64 and told.heat[0].celsius == 0
    assert told.space.free_bytes == 0 and told.clock.off_s is None and len(told.clock.source) == 64
    assert set(told.codes) == {"on-battery"} and len(told.codes) <= 16
    assert drawn(replace(WELL, place=replace(PLACE, longitude=float("nan"))), "kit7").place is None
