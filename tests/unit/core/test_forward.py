"""Store and forward in a house: what is put for the centers, and what a center keeps of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from gateway.base.errors import Busy, Denied, GatewayError, NotFound, RemoteProtocolError
from gateway.base.moment import Moment, TimeQuality
from gateway.config.forward import Forward
from gateway.config.root import Config
from gateway.core.outbox_side import Side
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.forward import Batch, Event, EventKind, ForwardFile, Rank
from gateway.model.ids import DeviceId
from gateway.model.position import Datum, Position, PositionSource
from gateway.model.principal import SYSTEM
from tests.fakes.loop import advance, by_hand
from tests.unit.core.house import ADMIN, OPERATOR, House, a_house, housed

FILE_ID = "01JABCDEFGHJKMNPQRSTVWXYZ0"


def alarm(device: str = "kit1/ball-1", *, severity: AlarmSeverity = AlarmSeverity.MAJOR, key: str = "k") -> Alarm:
    return Alarm(DeviceId(device), "ch1", key, severity, "motion", "video", "somebody", 1000.0, 1000.0)


def position(device: str, at: float, longitude: float = 116.0) -> Position:
    return Position(DeviceId(device), "", longitude, 39.0, Datum.WGS84, PositionSource.GNSS, at, at)


def batch(*events: Event, boot: str = "kit-boot", mono: float = 100.0) -> Batch:
    return Batch(events, Moment(boot, mono, 1_000_000_000.0))


def told(thing: Alarm | Position, id_: str, *, mono: float = 40.0, wall: float = 999_999_940.0) -> Event:
    kind = EventKind.ALARM if isinstance(thing, Alarm) else EventKind.POSITION
    body = json.dumps(asdict(thing))
    return Event(id_, kind, Rank.FIRST, "major", body, Moment("kit-boot", mono, wall, TimeQuality.UNSYNCED), 1)


async def waits(side: Side) -> list[Event]:
    return list(await side.waiting(1000))


@housed
async def test_alarms_and_thinned_positions_are_kept_for_every_far_side(house: House) -> None:
    core = house.core
    await core.reports.alarm(alarm(key="before"))
    side = await core.outbox.join("mqtt/center1", "mqtt")
    other = await core.outbox.join("uplink/center2", "uplink")
    await core.reports.alarm(alarm(key="raised", severity=AlarmSeverity.WARNING))
    await core.reports.alarm(alarm(key="urgent", severity=AlarmSeverity.CRITICAL))
    await core.reports.alarm(replace(alarm(key="raised", severity=AlarmSeverity.WARNING), cleared=True))
    for step in range(4):
        core.positions.report(position("kit1/car", house.clock.wall(), 116.0 + step * 1e-7))
        core.positions.report(position("kit7/car", house.clock.wall(), 116.0 + step))
    await core.store.db.write(lambda _conn: None)
    found = await waits(side)
    assert [(one.kind, one.rank, one.severity) for one in found] == [
        (EventKind.ALARM, Rank.FIRST, "critical"),
        (EventKind.ALARM, Rank.EARLY, "warning"),
        (EventKind.ALARM, Rank.EARLY, "warning"),
        (EventKind.POSITION, Rank.LAST, "info"),
    ], "one position: the others were too near; a kit's own are not ours to tell"
    raised, cleared = (json.loads(one.body) for one in found[1:3])
    assert raised["id"] == cleared["id"] == found[1].id != found[2].id and cleared["cleared"]
    (kept,) = [one for one in await core.alarms.recent(OPERATOR) if one.key == "urgent"]
    await core.alarms.acknowledge(OPERATOR, kept.id)
    acknowledged = json.loads((await waits(side))[1].body)
    assert (acknowledged["id"], acknowledged["acknowledged_by"]) == (kept.id, "otto")
    await side.acknowledge([one.id for one in await waits(side)])
    assert await waits(side) == [] and len(await waits(other)) == 5


@housed
async def test_a_side_wakes_when_something_was_put(house: House) -> None:
    side = await house.core.outbox.join("mqtt/c", "mqtt")
    more = asyncio.ensure_future(side.more())
    await advance(0)
    assert not more.done()
    await house.core.reports.alarm(alarm())
    await asyncio.wait_for(more, 5)
    again = asyncio.ensure_future(side.more())
    await house.core.outbox.result("mqtt/c", "1", {"id": "1", "outcome": "done"})
    await asyncio.wait_for(again, 5)
    assert [one.kind for one in await waits(side)] == [EventKind.ALARM, EventKind.RESULT]


@by_hand
async def test_a_full_outbox_is_said_and_so_is_its_end(tmp_path: Path) -> None:
    async with a_house(tmp_path, Config(forward=Forward(rows=100))) as house:
        core = house.core
        side = await core.outbox.join("mqtt/c", "mqtt")
        for number in range(103):
            await core.reports.alarm(alarm(key=f"k{number}"))
        assert [notice.code for notice in core.watch.notices] == ["outbox-full"]
        for _ in range(20):  # the store's threads are real
            await advance(5.1)
            await core.store.db.read(lambda _conn: None)
        assert core.watch.notices == [] and (side.standing().rows, side.standing().dropped) == (100, 3)
        assert not side.standing().full


@by_hand
async def test_a_far_side_is_remembered_until_it_is_taken_out(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.core.outbox.join("mqtt/c", "mqtt")
        await house.core.outbox.join("uplink/c", "uplink")
    async with a_house(tmp_path) as house:
        await house.core.reports.alarm(alarm())
        await house.core.outbox.leave_others("mqtt", [])
        view = house.core.services("0", None, None).forward  # type: ignore[arg-type]
        assert [one.name for one in view.uplinks(OPERATOR)] == ["uplink/c"]
        with pytest.raises(Denied):
            await view.leave(OPERATOR, "uplink/c")
        with pytest.raises(NotFound):
            await view.leave(ADMIN, "mqtt/c")
        await view.leave(ADMIN, "uplink/c")
        assert view.uplinks(OPERATOR) == []


@housed
async def test_a_center_keeps_each_event_once_and_dates_it_by_its_own_clock(house: House) -> None:
    core = house.core
    heard: list[str] = []
    core.inbox.on_kept(lambda gateway, event: heard.append(f"{gateway} {event.id}"))
    kit_wall = 999_999_940.0  # twenty-five years ago
    one = told(replace(alarm("kit7/ball-1"), id="A1", raised_at=kit_wall, received_at=kit_wall), "A1")
    for _ in range(3):
        taken = await core.inbox.take("kit7", batch(one), "mqtt")
        assert (taken.kept, taken.refused) == (("A1",), {})
    assert [event.data.id for event in core.bus._ring if event.type == "alarm"] == ["A1"], "told once"
    (kept,) = await core.alarms.recent(SYSTEM)
    assert abs(kept.raised_at - (house.clock.wall() - 60)) < 1 and kept.device == "kit7/ball-1"
    (row,) = await core.inbox.recent(SYSTEM)
    assert (row.gateway, row.dating.value, row.event.boot) == ("kit7", "measured", 1) and heard == ["kit7 A1"]
    assert await core.inbox.recent(replace(OPERATOR, scope="kit8")) == []


@housed
async def test_news_of_an_alarm_is_taken_over_and_late_news_takes_nothing_back(house: House) -> None:
    core = house.core
    raised = replace(alarm("kit7/ball-1"), id="A1")
    cleared = replace(raised, cleared=True, repeats=4)
    await core.inbox.take("kit7", batch(told(cleared, "E2")), "mqtt")
    await core.inbox.take("kit7", batch(told(raised, "A1")), "mqtt")
    (kept,) = await core.alarms.recent(SYSTEM)
    assert kept.cleared and kept.repeats == 4 and len(await core.inbox.recent(SYSTEM)) == 2


@housed
async def test_positions_of_kits_are_known_and_in_the_trail(house: House) -> None:
    core, now = house.core, house.clock.wall()
    late, new = position("kit7/car", 999_999_800.0), position("kit7/car", 999_999_940.0, 117.0)
    events = (told(new, "P2"), told(late, "P1", mono=-100.0, wall=999_999_800.0))
    await core.inbox.take("kit7", batch(*events), "mqtt")
    (latest,) = core.positions.latest(SYSTEM)
    assert latest.longitude == 117.0 and abs(latest.taken_at - (now - 60)) < 1
    assert [one.longitude for one in await core.store.positions.trail("kit7/car")] == [116.0, 117.0]


@housed
async def test_what_is_not_its_own_or_can_not_be_read_is_refused_for_good(house: House) -> None:
    good = told(replace(alarm("kit7/b"), id="A1"), "A1")
    foreign = told(replace(alarm("kit8/b"), id="A2"), "A2")
    damaged = [
        replace(good, id="A3", body="{"),
        replace(good, id="A4", body='"text"'),
        replace(good, id="A5", body=json.dumps(asdict(alarm("kit7/b")) | {"severity": "purple"})),
        replace(good, id="A6", body="[" * 100_000),
        told(replace(position("kit7/b", 1.0), latitude=91.0), "A7"),
        told(alarm("kit7/b"), "A8"),
    ]
    taken = await house.core.inbox.take("kit7", batch(good, foreign, *damaged), "mqtt")
    assert taken.kept == ("A1",) and taken.refused["A2"] == "kit-foreign-id"
    assert sorted(taken.refused) == ["A2", "A3", "A4", "A5", "A6", "A7", "A8"]
    assert [one.id for one in await house.core.alarms.recent(SYSTEM)] == ["A1"]


@housed
async def test_nothing_is_acknowledged_that_is_not_on_the_disk(house: House) -> None:
    def limit(pages: int) -> None:
        house.core.store.db._writer.execute(f"PRAGMA max_page_count = {pages}")

    big = [told(replace(alarm("kit7/b"), id=f"A{n}", description="x" * 900), f"A{n}") for n in range(100)]
    limit(1)
    with pytest.raises(GatewayError) as full:
        for one in big:
            await house.core.inbox.take("kit7", batch(one), "mqtt")
    assert full.value.code == "disk-full"
    limit(1_000_000)
    assert len((await house.core.inbox.take("kit7", batch(*big), "mqtt")).kept) == 100


def a_file(tmp_path: Path, content: bytes, name: str = "clip.mp4") -> tuple[Path, ForwardFile]:
    path = tmp_path / name
    path.write_bytes(content)
    return path, ForwardFile("", name, "video/mp4", 0, "", device="kit1/ball-1")


@by_hand
async def test_a_file_waits_once_for_all_and_goes_when_all_have_it(tmp_path: Path) -> None:
    async with a_house(tmp_path / "s") as house:
        outbox = house.core.outbox
        a, b = await outbox.join("a", "mqtt"), await outbox.join("b", "mqtt")
        path, file = a_file(tmp_path, b"moving picture" * 100)
        id_ = await outbox.add_file(str(path), file)
        assert not path.exists()
        (waiting,) = await a.files()
        assert (waiting.file.size, waiting.file.sha256) == (1400, hashlib.sha256(b"moving picture" * 100).hexdigest())
        assert await a.read(id_, 7, 7) == b"picture"
        a.file_progress(id_, 700)
        await a.file_done(id_)
        assert await a.files() == [] and await b.read(id_, 0, 6) == b"moving"
        (tmp_path / "s" / "outbox" / "01JABCDEFGHJKMNPQRSTVWXYZ9").write_bytes(b"of a crash")
    async with a_house(tmp_path / "s") as house:
        await house.core.store.db.read(lambda _conn: None)
        await advance(1)
        for _ in range(100):
            if not (tmp_path / "s" / "outbox" / "01JABCDEFGHJKMNPQRSTVWXYZ9").exists():
                break
            await asyncio.to_thread(lambda: None)
            await advance(0)
        assert [p.name for p in (tmp_path / "s" / "outbox").iterdir()] == [id_], "what nobody waits for is swept away"
        b = await house.core.outbox.join("b", "mqtt")
        await b.file_done(id_)
        assert list((tmp_path / "s" / "outbox").iterdir()) == []
        with pytest.raises(NotFound):
            await b.read(id_, 0, 1)
        with pytest.raises(NotFound):
            await b.read("../../state.db", 0, 1)


@by_hand
async def test_files_beyond_the_quota_push_out_lesser_ones_or_are_refused(tmp_path: Path) -> None:
    async with a_house(tmp_path / "s", Config(forward=Forward(file_quota=1_000_000, largest_file=1_000_000))) as house:
        outbox = house.core.outbox
        side = await outbox.join("a", "mqtt")
        ids = []
        for rank in (Rank.LATER, Rank.LAST):
            path, file = a_file(tmp_path, b"x" * 400_000)
            ids.append(await outbox.add_file(str(path), replace(file, rank=rank)))
            await advance(0.01)
        path, file = a_file(tmp_path, b"y" * 400_000)
        ids.append(await outbox.add_file(str(path), file))
        assert [one.file.id for one in await side.files()] == [ids[0], ids[2]]
        path, file = a_file(tmp_path, b"z" * 400_000)
        with pytest.raises(Busy) as full:
            await outbox.add_file(str(path), file)
        assert full.value.code == "outbox-full" and path.exists(), "whoever sent it still has it"
        path, file = a_file(tmp_path, b"z" * 1_000_001)
        with pytest.raises(GatewayError) as large:
            await outbox.add_file(str(path), file)
        assert large.value.code == "too-large"
        with pytest.raises(NotFound):
            await outbox.add_file(str(tmp_path / "not there"), file)


def announced(content: bytes) -> ForwardFile:
    digest = hashlib.sha256(content).hexdigest()
    return ForwardFile(FILE_ID, "../evil\x00.jpg", "image/jpeg", len(content), digest, device="kit7/ball-1")


@by_hand
async def test_a_center_puts_a_file_together_over_restarts_of_both(tmp_path: Path) -> None:
    content = bytes(range(256)) * 100
    async with a_house(tmp_path) as house:
        inbox = house.core.inbox
        assert await inbox.file_begin("kit7", announced(content)) == 0
        assert await inbox.file_append("kit7", FILE_ID, 0, content[:10_000]) == 10_000
        assert await inbox.file_append("kit7", FILE_ID, 5_000, content[5_000:9_000]) == 10_000, "not at the end"
        (coming,) = await inbox.files(SYSTEM)
        assert coming.received == 10_000 and coming.complete_at is None
    async with a_house(tmp_path) as house:
        inbox = house.core.inbox
        assert await inbox.file_begin("kit7", announced(content)) == 10_000
        assert await inbox.file_append("kit7", FILE_ID, 10_000, content[10_000:]) == len(content)
        assert await inbox.file_begin("kit7", announced(content)) == len(content)
        kept, path = await inbox.file(SYSTEM, "kit7", FILE_ID)
        assert path.read_bytes() == content and kept.file.name == "evil.jpg" and path.parent == tmp_path / "inbox/kit7"
        with pytest.raises(NotFound):
            await inbox.file(replace(OPERATOR, scope="kit8"), "kit7", FILE_ID)
        with pytest.raises(Denied) as other:
            await inbox.file_begin("kit7", announced(b"another"))
        assert other.value.code == "file-taken"
        await inbox.prune(house.clock.wall() + 1e9)
        assert not path.exists() and await inbox.files(SYSTEM) == []


@housed
async def test_a_damaged_or_impudent_file_is_refused_in_words(house: House) -> None:
    inbox, content = house.core.inbox, b"x" * 1000
    assert await inbox.file_begin("kit7", announced(content)) == 0
    with pytest.raises(RemoteProtocolError) as damaged:
        await inbox.file_append("kit7", FILE_ID, 0, b"y" * 1000)
    assert damaged.value.code == "file-damaged"
    assert await inbox.file_begin("kit7", announced(content)) == 0, "from the beginning"
    with pytest.raises(RemoteProtocolError):
        await inbox.file_append("kit7", FILE_ID, 0, b"x" * 1001)
    with pytest.raises(NotFound):
        await inbox.file_append("kit7", "01JABCDEFGHJKMNPQRSTVWXYZ1", 0, b"x")
    for bad in (
        replace(announced(content), id="../x"),
        replace(announced(content), sha256="0"),
        replace(announced(content), size=0),
        replace(announced(content), device="kit8/ball"),
    ):
        with pytest.raises(RemoteProtocolError):
            await inbox.file_begin("kit7", bad)
    with pytest.raises(RemoteProtocolError):
        await inbox.file_begin("../kit7", announced(content))
    big = replace(announced(content), id="01JABCDEFGHJKMNPQRSTVWXYZ2", size=2_000_000_001)
    with pytest.raises(GatewayError) as large:
        await inbox.file_begin("kit7", big)
    assert large.value.code == "too-large"
    for number in range(4):
        id_ = f"01JABCDEFGHJKMNPQRSTVWXYZ{number + 3}"
        wish = replace(announced(content), id=id_, size=900_000_000)
        if number < 2:
            await inbox.file_begin("kit7", wish)
        else:
            with pytest.raises(Busy) as full:
                await inbox.file_begin("kit7", wish)
            assert full.value.code == "inbox-full", "half of it is for others"
