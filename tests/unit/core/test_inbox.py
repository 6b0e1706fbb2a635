"""What a center takes of a kit: one event that it can not keep stops none of the others."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, replace
from typing import Any

import pytest

from gateway.base.errors import RemoteProtocolError
from gateway.base.moment import Moment
from gateway.core import inbox
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.forward import Batch, ClockMark, Event, EventKind, Rank
from gateway.model.ids import DeviceId
from gateway.model.position import Datum, Position, PositionSource
from gateway.model.principal import SYSTEM
from gateway.store.alarms import take_alarm
from tests.unit.core.house import House, housed

MOMENT = Moment("kit-boot", 40.0, 999_999_940.0)
SENT = Moment("kit-boot", 100.0, 1_000_000_000.0)
ALARM = Alarm(DeviceId("kit7/ball-1"), "ch1", "k", AlarmSeverity.MAJOR, "motion", "video", "somebody", 1.0, 1.0)
PLACE = Position(DeviceId("kit7/car"), "", 116.0, 39.0, Datum.WGS84, PositionSource.GNSS, 1.0, 1.0)


def told(id_: str, thing: Any = None, **changes: Any) -> Event:
    thing = thing if thing is not None else replace(ALARM, id=id_)
    kind = EventKind.POSITION if isinstance(thing, Position) else EventKind.ALARM
    return replace(Event(id_, kind, Rank.FIRST, "major", json.dumps(asdict(thing)), MOMENT, 1), **changes)


@housed
async def test_an_event_that_can_not_be_kept_is_refused_alone(house: House) -> None:
    nan = float("nan")
    bad = [
        told("boot", boot=1 << 63),
        told("mono", moment=replace(MOMENT, mono=nan)),
        told("wall", moment=replace(MOMENT, wall=float("inf"))),
        told("raised", replace(ALARM, id="raised", raised_at=nan)),
        told("taken", replace(PLACE, taken_at=nan)),
        told("height", replace(PLACE, altitude_m=float("inf"))),
        told("repeats", replace(ALARM, id="repeats", repeats=1 << 70)),
        told("text", replace(ALARM, id="text", description="\ud800")),
        told("twice"),
        told("twice"),
    ]
    taken = await house.core.inbox.take("kit7", Batch((*bad[:5], told("good"), *bad[5:]), SENT), "uplink")
    assert taken.kept == ("good",)
    assert taken.refused == dict.fromkeys({one.id for one in bad}, "event-damaged")
    assert [one.id for one in await house.core.alarms.recent(SYSTEM) if one.id == "good"] == ["good"]
    (good,) = [one for one in await house.core.inbox.recent(SYSTEM) if one.event.id != "twice"]
    assert good.event.id == "good"


@housed
async def test_what_the_store_itself_will_not_have_is_refused_alone_too(house: House) -> None:
    def choosy(conn: sqlite3.Connection, alarm: Alarm) -> Any:
        if alarm.id == "odd":
            conn.execute("INSERT INTO counter (name, value) VALUES ('odd', ?)", (1 << 70,))
        return take_alarm(conn, alarm)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(inbox, "take_alarm", choosy)
        taken = await house.core.inbox.take("kit7", Batch((told("odd"), told("good")), SENT), "mqtt")
    assert (taken.kept, taken.refused) == (("good",), {"odd": "event-damaged"})
    assert [one.event.id for one in await house.core.inbox.recent(SYSTEM)] == ["good"], "nothing of it is left"


@housed
async def test_a_clock_that_shows_no_time_is_no_clock(house: House) -> None:
    nan = float("nan")
    with pytest.raises(RemoteProtocolError):
        await house.core.inbox.take("kit7", Batch((told("a"),), replace(SENT, mono=nan)), "mqtt")
    marks = (ClockMark("kit-boot", nan, 1.0), ClockMark("other", 1.0, nan))
    assert (await house.core.inbox.take("kit7", Batch((told("a"),), SENT, marks), "mqtt")).kept == ("a",)


@housed
async def test_of_what_a_kit_says_only_what_we_know_of_is_kept(house: House) -> None:
    junk = {f"key{number}": "x" * 100 for number in range(500)}
    result = json.dumps({"id": "o-1", "outcome": "done", "data": {"large": "x" * 4000}} | junk)
    large = json.dumps({"id": "o-2", "outcome": "done", "data": {f"k{n}": "x" * 1000 for n in range(50)}})
    alarm = json.dumps(asdict(replace(ALARM, id="a", description="y" * 3000)) | junk)
    kinds = {"r1": (EventKind.RESULT, result), "r2": (EventKind.RESULT, large), "a": (EventKind.ALARM, alarm)}
    events = [replace(told(id_), kind=kind, body=body) for id_, (kind, body) in kinds.items()]
    assert len((await house.core.inbox.take("kit7", Batch(tuple(events), SENT), "mqtt")).kept) == 3
    bodies = {one.event.id: json.loads(one.event.body) for one in await house.core.inbox.recent(SYSTEM)}
    assert bodies["r1"] == {"id": "o-1", "outcome": "done", "code": "", "detail": "", "data": {"large": "x" * 4000}}
    assert bodies["r2"]["data"] == {} and len(bodies["a"]["description"]) == 1000 and "key1" not in bodies["a"]


@housed
async def test_an_alarm_of_the_future_is_received_when_its_event_was(house: House) -> None:
    ahead = replace(ALARM, id="a", raised_at=9e9, received_at=9e9)
    await house.core.inbox.take("kit7", Batch((told("a", ahead),), SENT), "mqtt")
    (kept,) = await house.core.alarms.recent(SYSTEM)
    assert kept.received_at <= house.clock.wall()
