"""Dataclasses of the model as plain maps and back, and what is refused of what comes from outside."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest

from gateway.base.errors import RemoteProtocolError
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.command import Action, Command
from gateway.model.device import Capabilities, Channel, Device, DeviceState
from gateway.model.ids import DeviceId, StreamId
from gateway.model.kit import LinkState, LinkUse
from gateway.model.media import Codec, StreamState, StreamStatus, Track, TrackKind
from gateway.model.position import Datum, Position, PositionSource
from gateway.model.principal import Principal, Role
from gateway.model.voice import Floor, FloorState, GroupId, GroupMode, GroupStatus, Member, MemberKind, MemberState
from gateway.wire.records import MOST_DEPTH, MOST_ENTRIES, MOST_TEXT, lean_json, plain, record, record_json

BALL = DeviceId("kit7/ball-1")
CHANNEL = Channel(
    "ch1", "34020000001320000001", "前门", capabilities=Capabilities(ptz=True), stream=StreamId("kit7/b/c")
)
EXAMPLES: list[Any] = [
    Device(BALL, "gb28181", "34020000001110000001", "球机", DeviceState.DEGRADED, channels=(CHANNEL,), last_seen=3.5),
    StreamStatus(
        StreamId("kit7/ball-1/ch1"),
        BALL,
        "Front",
        StreamState.LIVE,
        tracks=(Track(TrackKind.VIDEO, Codec.H265, 90000),),
    ),
    Alarm(BALL, "ch1", "k", AlarmSeverity.MAJOR, "motion", "video", "moved", 1.0, 2.0, id="01J"),
    Position(BALL, "", 116.4, 39.9, Datum.CGCS2000, PositionSource.GNSS, 1.0, 2.0, speed_kmh=3.0),
    LinkState("lte-1", "lte", "wwan0", LinkUse.OUT, "link-silent", loss=1.0),
    GroupStatus(
        GroupId("kit7/talk/ops"),
        "Ops",
        GroupMode.HALF,
        Floor(FloorState.TAKEN, "sip:8001", queue=("a", "b")),
        (Member("sip:8001", MemberKind.SIP, "Gate", MemberState.UP),),
    ),
    Command(
        "c-1", Principal("wang", Role.OPERATOR, "s"), Action.PTZ_MOVE, "kit7/ball-1", 9.0, {"pan": -0.5, "x": None}
    ),
]


@pytest.mark.parametrize("value", EXAMPLES, ids=lambda value: type(value).__name__)
def test_there_and_back_by_msgpack(value: Any) -> None:
    assert record(type(value), msgpack.unpackb(msgpack.packb(plain(value)))) == value


@pytest.mark.parametrize("value", EXAMPLES, ids=lambda value: type(value).__name__)
def test_what_is_as_it_is_by_itself_need_not_be_told(value: Any) -> None:
    told = lean_json(value)
    assert record_json(type(value), told) == value
    assert len(told) < len(json.dumps(plain(value), ensure_ascii=False, separators=(",", ":")).encode())


def test_fields_of_a_newer_build_are_left_out_and_missing_ones_are_said() -> None:
    told = plain(EXAMPLES[4])
    assert record(LinkState, told | {"colour": "red"}) == EXAMPLES[4]
    del told["name"]
    with pytest.raises(RemoteProtocolError) as missing:
        record(LinkState, told)
    assert missing.value.code == "record-damaged" and "name" in str(missing.value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "text",
        [],
        {},
        {"name": 5},
        {"name": "a", "state": "sideways"},
        {"name": "a", "rtt_ms": "soon"},
        {"name": "x" * (MOST_TEXT + 1)},
        {"name": "a", "more": [0] * (MOST_ENTRIES + 1)},
    ],
)
def test_what_is_none_is_refused_in_words(value: Any) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        record(LinkState, value)
    assert refused.value.code == "record-damaged" and len(str(refused.value)) < 300


def test_depth_is_bounded() -> None:
    deep: Any = "end"
    for _ in range(MOST_DEPTH + 2):
        deep = {"in": deep}
    with pytest.raises(RemoteProtocolError):
        record(LinkState, {"name": "a", "more": deep})


@pytest.mark.parametrize("value", EXAMPLES, ids=lambda value: type(value).__name__)
def test_json_is_read_alike_whether_it_is_short_or_long(value: Any) -> None:
    text = json.dumps(plain(value), ensure_ascii=False)
    assert record_json(type(value), text.encode()) == value
    assert record_json(type(value), (text + " " * MOST_TEXT).encode()) == value


@pytest.mark.parametrize("text", ["", "[", "{}", "[]", "[" * 2000, '{"name": 1}', "\xff"])
def test_json_that_is_no_record_is_refused(text: str) -> None:
    for long in ("", " " * MOST_TEXT):
        with pytest.raises(RemoteProtocolError) as refused:
            record_json(LinkState, (text + long).encode("latin-1"))
        assert refused.value.code == "record-damaged"


def test_a_text_that_is_too_long_is_refused_whatever_the_way() -> None:
    told = json.dumps(plain(EXAMPLES[4]) | {"interface": "x" * (MOST_TEXT + 1)}).encode()
    with pytest.raises(RemoteProtocolError):
        record_json(LinkState, told)
    with pytest.raises(RemoteProtocolError):
        record(LinkState, json.loads(told), size=len(told))
