"""A batch as a center reads it: one event that can not be read keeps none of the others back."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from adapters.uplink.batches import MOST_EVENTS, unpacked
from gateway.base.errors import RemoteProtocolError
from gateway.base.moment import Moment
from gateway.model.forward import Batch, ClockMark, Event, EventKind, Rank
from gateway.wire.records import plain

MOMENT = Moment("boot", 5.0, 1.8e9)
EVENT = Event("01JA", EventKind.ALARM, Rank.FIRST, "major", "{}", MOMENT, 1)
BATCH = Batch((EVENT,), MOMENT, (ClockMark("boot", 1.0, 2.0),))


def told(**changes: Any) -> bytes:
    packed: bytes = msgpack.packb(plain(BATCH) | changes)
    return packed


def test_it_is_read_as_it_was_packed() -> None:
    assert unpacked(told()) == (BATCH, {})


def test_one_that_can_not_be_read_is_named_and_the_others_are_there() -> None:
    good = plain(EVENT)
    rows = [good | {"id": "a", "kind": "dream"}, good, good | {"id": "b", "body": "x" * 70_000}, {"id": "c"}]
    assert unpacked(told(events=rows)) == (BATCH, dict.fromkeys("abc", "event-damaged"))


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\xc1",
        b"\x91" * 5000,
        msgpack.packb(["events"]),
        msgpack.packb({}),
        told(events=["text"]),
        told(events=[{"id": ""}]),
        told(events=[{"id": "x" * 65}]),
        told(events=[{}] * (MOST_EVENTS + 1)),
        told(sent=None),
    ],
)
def test_what_is_no_batch_raises_its_one_error(packed: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        unpacked(packed)
