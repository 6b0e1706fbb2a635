"""What a center keeps of its kits is bounded, of each and of all; an old database is counted once."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.base.moment import Moment
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.forward import Dating, Event, EventKind, KeptEvent, Rank
from gateway.model.ids import DeviceId
from gateway.store import alarms
from gateway.store.inbox import Bounds
from gateway.store.migrate import version
from gateway.store.store import FILE, Store

KEY = b"k" * 32
ROOMY = Bounds(1000, 1_000_000)


def kept(gateway: str, number: int, rank: Rank = Rank.FIRST, body: str = "{}") -> KeptEvent:
    event = Event(f"{number:04}", EventKind.ALARM, rank, "major", body, Moment("b", 1.0, 2.0), 1)
    return KeptEvent(gateway, event, 3.0, Dating.MEASURED, 4.0)


def nothing(_conn: sqlite3.Connection, _one: KeptEvent) -> None:
    return None


def alarm(id_: str, device: str = "kit7/b", **more: Any) -> Alarm:
    made = Alarm(DeviceId(device), "", id_, AlarmSeverity.MAJOR, "motion", "video", "", 1.0, float(int(id_)), id=id_)
    return replace(made, **more)


async def counts(store: Store) -> Counter[str]:
    return Counter(one.gateway for one in await store.inbox.recent(limit=100_000))


async def held(store: Store) -> dict[str, int]:
    return await store.db.read(lambda conn: dict(conn.execute("SELECT gateway, rows FROM kit_event_held")))


@pytest.mark.parametrize("bounds", [Bounds(100, 1_000_000), Bounds(10_000, 10_200)])
async def test_one_kit_has_its_share_and_pushes_out_nobody(tmp_path: Path, bounds: Bounds) -> None:
    store = Store(tmp_path, KEY)
    body = f'"{"x" * 100}"'
    await store.inbox.take([kept("kit8", n, body=body) for n in range(20)], nothing, bounds)
    ranks = [Rank.LAST, Rank.FIRST, Rank.EARLY, Rank.LAST]
    for n in range(200):
        await store.inbox.take([kept("kit7", n, ranks[n % 4], body)], nothing, bounds)
    assert await counts(store) == {"kit7": 50, "kit8": 20} and (await held(store))[""] == 70
    found = await store.inbox.recent(gateway="kit7", limit=100)
    assert {one.event.rank for one in found} == {Rank.FIRST}
    assert [one.event.id for one in found] == [f"{n:04}" for n in range(197, -1, -4)], "its oldest gave way"
    store.close()


async def test_when_all_have_too_much_the_one_with_most_gives_way(tmp_path: Path) -> None:
    store, bounds = Store(tmp_path, KEY), Bounds(100, 1_000_000)
    for kit, number in (("kit1", 45), ("kit2", 35), ("kit3", 10)):
        await store.inbox.take([kept(kit, n) for n in range(number)], nothing, bounds)
    await store.inbox.take([kept("kit4", n) for n in range(15)], nothing, bounds)
    assert await counts(store) == {"kit1": 40, "kit2": 35, "kit3": 10, "kit4": 15}
    await store.inbox.forget("kit1")
    assert (await held(store))[""] == 60
    store.close()


async def test_alarms_of_a_kit_are_bounded_and_those_acknowledged_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "MOST_OF_A_KIT", 4)
    store = Store(tmp_path, KEY)
    for other in ("kit70/b", "kit6/b", "kit/b"):
        await store.alarms.take(alarm("9" + str(len(other)), other))
    for number in range(1, 5):
        acknowledged = {"acknowledged_by": "otto", "acknowledged_at": 1.0} if number == 3 else {}
        await store.alarms.take(alarm(str(number), **acknowledged))
    for number in (5, 6):
        await store.alarms.take(alarm(str(number)))
    left = [one.id for one in await store.alarms.recent() if one.device == "kit7/b"]
    assert left == ["6", "5", "4", "2"] and len(await store.alarms.recent()) == 7
    store.close()


async def test_alarms_that_nobody_acknowledged_go_too_when_they_are_old(tmp_path: Path) -> None:
    store = Store(tmp_path, KEY)
    for number in (10, 20, 30):
        await store.alarms.take(alarm(str(number)))
        await store.alarms.take(alarm(str(number + 1), acknowledged_by="otto", acknowledged_at=1.0))
    store.alarms.prune(25.0, 15.0)
    await store.alive()
    assert [one.id for one in await store.alarms.recent()] == ["31", "30", "20"]
    store.close()


async def test_an_old_database_is_counted(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as conn:
        conn.executescript((Path(__file__).parent / "fixtures" / "schema-0008.sql").read_text())
        assert version(conn) == 8
    conn.close()
    store = Store(tmp_path, KEY)
    assert await held(store) == {"kit7": 1, "kit8": 1, "": 2}
    sizes = await store.db.read(lambda conn: dict(conn.execute("SELECT gateway, bytes FROM kit_event_held")))
    assert sizes == {"kit7": 25, "kit8": 2, "": 27}
    assert await store.db.read(lambda conn: dict(conn.execute("SELECT gateway, rows FROM alarm_held"))) == {
        "kit7": 2,
        "kit1": 1,
    }
    await store.inbox.take([kept("kit7", 1)], nothing, ROOMY)
    assert await held(store) == {"kit7": 2, "kit8": 1, "": 3}
    store.close()
