"""Messages there and back; and that whatever comes from outside is read or refused, never more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mqtt.protocol import messages as m
from gateway.base.errors import RemoteProtocolError
from gateway.base.moment import Moment, TimeQuality
from gateway.model.command import CommandResult, Outcome
from gateway.model.device import Capabilities, Channel, Device, DeviceState
from gateway.model.forward import Batch, ClockMark, Event, EventKind, ForwardFile, Rank
from gateway.model.ids import DeviceId, StreamId
from gateway.model.kit import LinkState, LinkUse
from gateway.model.position import Datum, Position, PositionSource

MOMENT = Moment("boot", 12.5, 1_800_000_000.25, TimeQuality.NTP)
BIRTH = m.Birth(True, 3, 2, "abc", "灾区一号", "1.0", "510100", "host", ("10.0.0.1",), 5.0, 1.0)
DEVICE = Device(
    DeviceId("kit7/ball-1"),
    "gb28181",
    "34020000001320000001",
    "Ball",
    DeviceState.ONLINE,
    channels=(Channel("ch1", "1", "Gate", capabilities=Capabilities(ptz=True), stream=StreamId("kit7/ball-1/ch1")),),
)
EVENT = Event("01J", EventKind.ALARM, Rank.FIRST, "critical", '{"a": 1}', MOMENT, 3)
POSITION = Position(DeviceId("kit7/car"), "", 116.5, 39.5, Datum.WGS84, PositionSource.GNSS, 1.0, 2.0)
TELEMETRY = m.Telemetry(
    3,
    2,
    "abc",
    9,
    "boot",
    12.5,
    1.0,
    TimeQuality.UNSYNCED,
    5,
    1,
    True,
    {"cpu": 0.5},
    (LinkState("lte", state=LinkUse.IN),),
)
ORDER = m.Order(
    "1",
    "ptz.move",
    "kit7/ball-1/ch1",
    "center1",
    "wang",
    "operator",
    4.5,
    100.0,
    "run",
    "instance",
    "s",
    "a",
    {"pan": 0.5, "on": True},
)
FILE = ForwardFile("01F", "a.jpg", "image/jpeg", 10, "0" * 64)

PAIRS: list[tuple[Any, Callable[[Any], bytes], Callable[[bytes], Any]]] = [
    (BIRTH, m.birth_bytes, m.read_birth),
    (DEVICE, m.device_bytes, m.read_device),
    (TELEMETRY, m.telemetry_bytes, m.read_telemetry),
    (POSITION, m.position_bytes, m.read_position),
    (m.Events("center1", Batch((EVENT,), MOMENT, (ClockMark("b", 1.0, 2.0),))), m.events_bytes, m.read_events),
    (m.Ack(("01J",), {"01K": "event-damaged"}, {"01F": (5, "")}), m.ack_bytes, m.read_ack),
    (ORDER, m.order_bytes, m.read_order),
    (CommandResult("1", Outcome.DONE, data={"a": 1}), m.answer_bytes, m.read_answer),
    (m.Piece(FILE), m.piece_bytes, m.read_piece),
    (m.Piece(None, 5, b"\x00\xff"), m.piece_bytes, m.read_piece),
]
READERS = sorted({read for _, _, read in PAIRS}, key=lambda read: read.__name__)


@pytest.mark.parametrize(("value", "write", "read"), PAIRS, ids=[read.__name__ for _, _, read in PAIRS])
def test_there_and_back(value: Any, write: Callable[[Any], bytes], read: Callable[[bytes], Any]) -> None:
    data = write(value)
    assert read(data) == value and write(read(data)) == data


@pytest.mark.parametrize("read", READERS, ids=[read.__name__ for read in READERS])
@given(st.binary(max_size=300))
def test_noise_is_refused(read: Callable[[bytes], Any], data: bytes) -> None:
    try:
        read(data)
    except RemoteProtocolError:
        pass


@pytest.mark.parametrize(("value", "write", "read"), PAIRS, ids=[read.__name__ for _, _, read in PAIRS])
@given(data=st.data())
def test_what_is_cut_or_bent_is_read_or_refused(
    value: Any, write: Callable[[Any], bytes], read: Callable[[bytes], Any], data: st.DataObject
) -> None:
    whole = bytearray(write(value))
    at = data.draw(st.integers(0, len(whole) - 1))
    for bent in (
        bytes(whole[:at]),
        bytes(whole[:at]) + bytes([data.draw(st.integers(0, 255))]) + bytes(whole[at + 1 :]),
    ):
        try:
            read(bent)
        except RemoteProtocolError:
            pass


_PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**31), 2**31)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)


@given(_PLAIN, st.sampled_from(["events", "sent", "marks", "to", "ids", "files", "refused", "data", "offset", "file"]))
def test_values_of_another_kind_are_refused(value: Any, key: str) -> None:
    for made in (value, {key: value}):
        data = msgpack.packb(made)
        for read in READERS:
            try:
                read(data)
            except RemoteProtocolError:
                pass


def test_what_is_too_large_or_too_deep_is_not_looked_at() -> None:
    for read in READERS:
        for data in (b"x" * (m.MAX_BYTES + 1), b"[" * 100_000, b"\x91" * 100_000):
            with pytest.raises(RemoteProtocolError):
                read(data)
    with pytest.raises(RemoteProtocolError):
        m.read_events(m.events_bytes(m.Events("", Batch((replace(EVENT, id="x" * 200),), MOMENT))))
    with pytest.raises(RemoteProtocolError):
        m.read_birth(m.birth_bytes(replace(BIRTH, period_s=0.0)))
    with pytest.raises(RemoteProtocolError):
        m.read_birth(m.birth_bytes(replace(BIRTH, instance="")))
    with pytest.raises(RemoteProtocolError):
        m.read_events(m.events_bytes(m.Events("", Batch((), replace(MOMENT, mono=float("nan"))))))


def test_an_event_that_can_not_be_read_keeps_no_other_back() -> None:
    long, when = replace(EVENT, id="long", body="x" * 70_000), replace(MOMENT, wall=float("nan"))
    data = m.events_bytes(m.Events("", Batch((long, EVENT, replace(EVENT, id="when", moment=when)), MOMENT)))
    newer = msgpack.unpackb(data)
    newer["events"].append(["newer", "dream", *newer["events"][1][2:]])
    told = m.read_events(msgpack.packb(newer))
    assert told.batch.events == (EVENT,) and told.damaged == ("long", "when", "newer")


def test_a_recorder_with_very_many_channels_is_told_as_far_as_a_message_goes() -> None:
    one = replace(DEVICE.channels[0], name="一号门" * 4)
    many = tuple(replace(one, key=f"ch{n}", external_id=f"{n:020}") for n in range(1500))
    assert m.read_device(m.device_bytes(replace(DEVICE, channels=many))).channels == many
    more = tuple(replace(one, key=f"{one.key}-{part}") for part in range(6) for one in many)
    data = m.device_bytes(replace(DEVICE, channels=more))
    told = m.read_device(data)
    assert len(data) <= m.MAX_BYTES and 1500 < len(told.channels) < len(more) and str(len(more)) in told.detail
    assert told.channels == more[: len(told.channels)]


def test_what_is_off_is_told_too() -> None:
    off = replace(DEVICE, channels=(replace(DEVICE.channels[0], online=False),), state=DeviceState.OFFLINE)
    assert m.read_device(m.device_bytes(off)) == off
