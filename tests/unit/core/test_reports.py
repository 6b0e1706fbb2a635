"""Alarms and positions as devices report them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from gateway.base.errors import NotFound
from gateway.core.facts import BusEvent
from gateway.core.positions import Positions, as_wgs84, gcj02_from_wgs84, wgs84_from_gcj02
from gateway.core.ulid import ulid
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.ids import DeviceId
from gateway.model.position import Datum, Position, PositionSource
from gateway.model.principal import SYSTEM, Principal, Role
from tests.fakes.loop import advance
from tests.unit.core.house import OPERATOR, House, housed

BALL = DeviceId("kit1/ball-1")


def alarm(house: House, key: str = "k", device: str = BALL, **changes: object) -> Alarm:
    now = house.clock.wall()
    made = Alarm(DeviceId(device), "ch1", key, AlarmSeverity.MAJOR, "motion", "video", "something moved", now, now)
    return replace(made, **changes)  # type: ignore[arg-type]


def position(house: House, lon: float = 116.4, lat: float = 39.9, **changes: object) -> Position:
    now = house.clock.wall()
    return replace(
        Position(BALL, "ch1", lon, lat, Datum.WGS84, PositionSource.GNSS, now, now),
        **changes,  # type: ignore[arg-type]
    )


@housed
async def test_the_same_alarm_is_counted_not_repeated(house: House) -> None:
    alarms = house.core.alarms
    first = await alarms.report(alarm(house))
    again = await alarms.report(alarm(house))
    assert (again.id, again.repeats) == (first.id, 1)
    await advance(1)
    await alarms.report(alarm(house, "another"))
    assert [a.key for a in await alarms.recent(SYSTEM)] == ["another", "k"]
    await advance(301)
    assert (await alarms.report(alarm(house))).id != first.id


@housed
async def test_a_cleared_alarm_may_be_raised_anew(house: House) -> None:
    alarms = house.core.alarms
    first = await alarms.report(alarm(house))
    cleared = await alarms.report(alarm(house, cleared=True))
    assert cleared.id == first.id and cleared.cleared
    assert (await alarms.report(alarm(house))).id != first.id


@housed
async def test_acknowledging_and_scopes(house: House) -> None:
    alarms = house.core.alarms
    mine = await alarms.report(alarm(house))
    other = await alarms.report(alarm(house, "o", "kit1/ball-10"))
    narrow = Principal("n", Role.OPERATOR, "s", scope="kit1/ball-1")
    assert [a.id for a in await alarms.recent(narrow)] == [mine.id]
    with pytest.raises(NotFound):
        await alarms.acknowledge(narrow, other.id)
    done = await alarms.acknowledge(OPERATOR, other.id)
    assert done.acknowledged_by == "otto"
    assert [a.id for a in await alarms.recent(SYSTEM, open_only=True)] == [mine.id]


@housed
async def test_an_alarm_is_published(house: House) -> None:
    async with house.core.bus.subscribe(SYSTEM, types=["alarm"]) as events:
        kept = await house.core.alarms.report(alarm(house))
        house.core.bus.close()
        assert [e.data.id async for e in events if isinstance(e, BusEvent)] == [kept.id]


@housed
async def test_positions_are_thinned_and_the_latest_wins(house: House) -> None:
    positions = house.core.positions
    for _ in range(100):
        positions.report(position(house))
        await advance(1.0)
    await house.core.store.alive()
    trail = await positions.trail(SYSTEM, BALL)
    assert 9 <= len(trail) <= 11, "one each 10 s"
    positions.report(position(house, lat=39.901))
    late = position(house, lat=39.95, taken_at=trail[0].taken_at - 60)
    positions.report(late)
    await house.core.store.alive()
    assert positions.latest(SYSTEM)[0].latitude == 39.901, "one that comes late is not the latest"
    assert {p.latitude for p in await positions.trail(SYSTEM, BALL)} == {39.9, 39.901, 39.95}
    assert positions.latest(Principal("n", Role.VIEWER, "s", scope="kit1/ball-10")) == []


@pytest.mark.parametrize(("lon", "lat"), [(181.0, 0.0), (0.0, 91.0), (0.0, 0.0), (math.nan, 1.0)])
def test_impossible_positions_are_dropped(lon: float, lat: float, tmp_path: object) -> None:
    async def runs(house: House) -> None:
        house.core.positions.report(position(house, lon, lat))
        assert house.core.positions.latest(SYSTEM) == []

    housed(runs)(tmp_path)


def test_gcj02_is_some_hundred_metres_off_and_comes_back() -> None:
    for lon, lat in ((116.404, 39.915), (121.47, 31.23), (104.06, 30.67), (87.6, 43.8)):
        there = gcj02_from_wgs84(lon, lat)
        off = math.hypot((there[0] - lon) * 111_320 * math.cos(math.radians(lat)), (there[1] - lat) * 111_320)
        assert 100 < off < 1000
        back = wgs84_from_gcj02(*there)
        assert abs(back[0] - lon) < 1e-7 and abs(back[1] - lat) < 1e-7
    # Published pair: the GCJ-02 of 116.404, 39.915 is 116.41024, 39.91640.
    assert gcj02_from_wgs84(116.404, 39.915) == pytest.approx((116.41024, 39.91640), abs=1e-5)
    assert gcj02_from_wgs84(2.35, 48.85) == (2.35, 48.85), "outside of China it is the same"


def test_the_datum_is_kept_and_converted_on_demand() -> None:
    here = Position(BALL, "", 116.41024, 39.91640, Datum.GCJ02, PositionSource.GNSS, 0, 0)
    there = as_wgs84(here)
    assert there.datum is Datum.WGS84 and there.longitude == pytest.approx(116.404, abs=1e-5)
    cgcs = as_wgs84(replace(here, datum=Datum.CGCS2000))
    assert (cgcs.longitude, cgcs.datum) == (here.longitude, Datum.WGS84)


def test_ulids_sort_by_time() -> None:
    made = [ulid(1_790_000_000 + n / 1000) for n in range(50)]
    assert made == sorted(made) and len(set(made)) == 50 and all(len(u) == 26 for u in made)


YEAR_S = 366 * 86400.0


@housed
async def test_a_clock_that_is_ahead_freezes_nothing(house: House) -> None:
    """A vehicle's receiver that counts weeks wrongly; this gateway's own clock before it was set."""
    positions = house.core.positions
    now = house.clock.wall()
    positions.report(position(house, 116.4, taken_at=now + YEAR_S, received_at=now))
    assert positions.latest(OPERATOR)[0].taken_at == now
    await advance(10)
    positions.report(position(house, 116.5))
    assert positions.latest(OPERATOR)[0].longitude == 116.5
    # Ours was a year ahead, and is set: what was taken by it does not stand until then.
    house.jumps.append(-YEAR_S)
    await advance(10)
    positions.report(position(house, 116.6))
    (latest,) = positions.latest(OPERATOR)
    assert (latest.longitude, latest.taken_at) == (116.6, house.clock.wall())
    positions.report(position(house, 116.7, taken_at=house.clock.wall() - 60))
    assert positions.latest(OPERATOR)[0].longitude == 116.6, "an older one is still older"


@housed
async def test_what_a_wrong_clock_left_on_the_disk_gives_way(house: House) -> None:
    at = position(house)
    put_by = house.core.store.positions
    put_by.put(replace(at, taken_at=at.taken_at + YEAR_S), latest=True)
    await house.core.store.db.write(lambda _conn: None)
    again = Positions(
        "kit1", put_by, house.core.bus, house.core.audit, house.clock, lambda: house.config.store, house.core.outbox
    )
    assert again.latest(OPERATOR)[0].taken_at > house.clock.wall()
    again.report(replace(at, longitude=117.0))
    assert again.latest(OPERATOR)[0].longitude == 117.0
