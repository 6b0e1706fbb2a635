"""What waits to be sent on: one transaction with what it speaks of, bounds, ranks, age, old databases."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gateway.base.moment import Moment, TimeQuality
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.forward import ClockMark, Event, EventKind, ForwardFile, Rank
from gateway.model.ids import DeviceId
from gateway.store.migrate import version
from gateway.store.outbox import Bounds, post
from gateway.store.store import FILE, Store

KEY = b"k" * 32
ROOMY = Bounds(1000, 1_000_000)
NOW = Moment("boot-b", 5000.0, 1_800_000_000.0, TimeQuality.NTP)


def event(
    id_: str,
    rank: Rank = Rank.FIRST,
    kind: EventKind = EventKind.ALARM,
    *,
    body: str = "{}",
    moment: Moment = NOW,
) -> Event:
    return Event(id_, kind, rank, "major", body, moment, 3)


def alarm(id_: str, **more: object) -> Alarm:
    values = {"description": "", "raised_at": 1.0, "received_at": 1000.0, "id": id_} | more
    return Alarm(DeviceId("kit1/b"), "ch1", "k", AlarmSeverity.MAJOR, "motion", "video", **values)  # type: ignore[arg-type]


async def ids(store: Store, uplink: str, limit: int = 100) -> list[str]:
    return [one.id for one in await store.outbox.waiting(uplink, limit=limit)]


async def joined(path: Path, *names: str) -> Store:
    store = Store(path, KEY)
    for name in names:
        await store.outbox.join(name, "mqtt", 1.0)
    return store


async def test_the_clocks_mark_that_was_kept_last_is_the_last(tmp_path: Path) -> None:
    store = await joined(tmp_path, "a")
    for boot, wall in (("b1", 100.0), ("b2", 900.0), ("b1", 300.0)):
        store.outbox.mark(ClockMark(boot, 1.0, wall))
    await store.outbox.join("b", "mqtt", 1.0)  # by the same writer, so after them; a read may be before
    assert [(mark.boot_id, mark.wall) for mark in store.outbox.marks()] == [("b2", 900.0), ("b1", 300.0)]
    store.close()


async def test_an_alarm_and_what_is_sent_on_of_it_are_one_transaction(tmp_path: Path) -> None:
    store = await joined(tmp_path, "a", "b")

    def forward(conn: sqlite3.Connection, kept: Alarm, new: bool) -> None:
        post(
            conn,
            ["a", "b"],
            event(kept.id if new else f"{kept.id}-again", body=f'{{"cleared": {int(kept.cleared)}}}'),
            ROOMY,
        )

    await store.alarms.keep(alarm("1"), within_s=60, forward=forward)
    await store.alarms.keep(alarm("2"), within_s=60, forward=forward)  # a repeat: nothing is told
    await store.alarms.keep(alarm("3", cleared=True), within_s=60, forward=forward)
    assert await ids(store, "a") == ["1", "1-again"] == await ids(store, "b")

    def broken(conn: sqlite3.Connection, kept: Alarm, new: bool) -> None:
        forward(conn, kept, new)
        raise ValueError("a mistake")

    with pytest.raises(ValueError):
        await store.alarms.keep(alarm("4"), within_s=60, forward=broken)
    assert await store.alarms.get("4") is None and await ids(store, "a") == ["1", "1-again"]
    await store.outbox.acknowledge("a", ["1", "unknown"])
    assert await ids(store, "a") == ["1-again"] and len(await ids(store, "b")) == 2
    store.close()


async def test_it_goes_by_rank_then_age_and_what_is_under_way_is_left_out(tmp_path: Path) -> None:
    store = await joined(tmp_path, "a")
    for id_, rank in (("p1", Rank.LAST), ("a1", Rank.FIRST), ("r1", Rank.EARLY), ("a2", Rank.FIRST)):
        await store.outbox.put(["a", "nobody"], event(id_, rank), ROOMY, durable=True)
    assert await ids(store, "a") == ["a1", "a2", "r1", "p1"]
    found = await store.outbox.waiting("a", limit=2, without=["a1", "r1"])
    assert [one.id for one in found] == ["a2", "p1"]
    assert found[0].moment == NOW and found[0].boot == 3
    store.close()


@pytest.mark.parametrize("bounds", [Bounds(5, 1_000_000), Bounds(1000, 5 * 102)])
async def test_when_it_is_full_the_lowest_rank_gives_way_its_oldest_first(tmp_path: Path, bounds: Bounds) -> None:
    store = await joined(tmp_path, "a", "b")
    body = f'"{"x" * 100}"'
    for number in range(4):
        await store.outbox.put(
            ["a"], event(f"p{number}", Rank.LAST, EventKind.POSITION, body=body), bounds, durable=True
        )
    dropped = [
        await store.outbox.put(["a", "b"], event(f"a{number}", body=body), bounds, durable=True) for number in range(3)
    ]
    assert dropped == [{}, {"a": 1}, {"a": 1}]
    assert await ids(store, "a") == ["a0", "a1", "a2", "p2", "p3"]
    for number in range(3, 6):
        await store.outbox.put(["a"], event(f"a{number}", body=body), bounds, durable=True)
    assert await ids(store, "a") == ["a1", "a2", "a3", "a4", "a5"], "among equals the oldest"
    assert await store.outbox.put(["a"], event("p9", Rank.LAST, body=body), bounds, durable=True) == {"a": 1}
    assert "p9" not in await ids(store, "a"), "nothing lesser than itself was left"
    a, b = await store.outbox.standing()
    assert (a.rows, a.dropped, a.bytes) == (5, 6, 5 * 102) and (b.rows, b.dropped) == (3, 0)
    store.close()


async def test_age_is_known_by_the_boot_or_by_two_good_clocks(tmp_path: Path) -> None:
    store = await joined(tmp_path, "a")
    unset = Moment("boot-a", 4990.0, 1_700_000_000.0, TimeQuality.UNSYNCED)
    told = {
        "old": Moment("boot-b", 1000.0, NOW.wall, TimeQuality.UNSYNCED),
        "young": Moment("boot-b", 4900.0, 1.0, TimeQuality.UNSYNCED),
        "of-before": Moment("boot-a", 4990.0, NOW.wall - 4000, TimeQuality.NTP),
        "nobody-knows": unset,
    }
    for id_, moment in told.items():
        await store.outbox.put(["a"], event(id_, moment=moment), ROOMY, durable=True)
    assert await store.outbox.expire(NOW, {EventKind.POSITION: 0.0}) == {}, "other kinds are not looked at"
    assert await store.outbox.expire(NOW, {EventKind.ALARM: 3600.0}) == {"a": 2}
    assert await ids(store, "a") == ["young", "nobody-knows"]
    lost = Moment("boot-c", 9e9, 4e9, TimeQuality.UNSYNCED)
    assert await store.outbox.expire(lost, {EventKind.ALARM: 3600.0}) == {}, "a clock that is not set makes nothing old"
    (a,) = await store.outbox.standing()
    assert (a.rows, a.expired) == (2, 2)
    store.close()


async def test_a_far_side_that_leaves_takes_along_what_waited(tmp_path: Path) -> None:
    store = await joined(tmp_path, "a", "b")
    await store.outbox.put(["a", "b"], event("1"), ROOMY, durable=True)
    file = ForwardFile("01F", "x", "image/jpeg", 10, "0" * 64)
    await store.outbox.put_file(["a", "b", "gone"], file)
    await store.outbox.put_file(["a"], ForwardFile("01G", "y", "image/jpeg", 5, "0" * 64))
    store.outbox.file_progress("a", "01F", 4)
    await store.alive()  # it is not waited for by itself; the writer takes one after the other
    assert [(one.uplink, one.sent) for one in await store.outbox.files()] == [
        ("a", 4),
        ("b", 0),
        ("a", 0),
    ]
    assert await store.outbox.file_bytes() == 15
    assert await store.outbox.leave("a") == ["01G"], "b still waits for the other"
    assert await store.outbox.file_bytes() == 10
    assert not await store.outbox.file_done("a", "01F") and await store.outbox.file_done("b", "01F")
    (b,) = await store.outbox.standing()
    assert (b.name, b.rows, b.files, b.oldest_at) == ("b", 1, 0, NOW.wall)
    store.close()


async def test_what_waited_in_an_old_database_waits_on(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as conn:
        conn.executescript((Path(__file__).parent / "fixtures" / "schema-0007.sql").read_text())
        assert version(conn) == 7
    conn.close()
    store = Store(tmp_path, KEY)
    (center,) = await store.outbox.standing()
    assert (center.name, center.rows, center.waiting) == ("center", 1, {"alarm": 1})
    (old,) = await store.outbox.waiting("center", limit=10)
    assert (old.id, old.severity, old.moment.wall, old.moment.quality) == ("01OLD", "major", 7.0, TimeQuality.UNSYNCED)
    assert old.body.startswith('{"id": "01OLD"')
    store.close()
