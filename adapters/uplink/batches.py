"""A batch of a kit's events, as its center reads it: one that can not be read keeps none of the others back."""

from __future__ import annotations

from typing import Any

import msgpack

from gateway.base.errors import RemoteProtocolError
from gateway.model.forward import Batch, Event
from gateway.wire.records import record

MOST_BODY_TEXT = 66_000
"""An event's body; all other texts are bounded as those of records are."""
MOST_EVENTS = 1000
MOST_ID = 64


def unpacked(packed: bytes) -> tuple[Batch, dict[str, str]]:
    """The batch, and those events of it that a newer kit knows, or nobody: id → `event-damaged`. Raises
    RemoteProtocolError (`record-damaged`)."""
    try:
        told = msgpack.unpackb(packed)
    except (ValueError, msgpack.exceptions.UnpackException) as exc:
        raise RemoteProtocolError("a batch that is none", code="record-damaged") from exc
    rows = told.get("events") if isinstance(told, dict) else None
    if not isinstance(rows, list) or len(rows) > MOST_EVENTS:
        raise RemoteProtocolError("a batch without events, or with too many", code="record-damaged")
    batch = record(Batch, told | {"events": []}, most_text=MOST_BODY_TEXT)
    events, damaged = list[Event](), dict[str, str]()
    for row in rows:
        try:
            events.append(record(Event, row, most_text=MOST_BODY_TEXT))
        except RemoteProtocolError:
            damaged[_id(row)] = "event-damaged"
    return Batch(tuple(events), batch.sent, batch.marks), damaged


def _id(row: Any) -> str:
    id_ = row.get("id") if isinstance(row, dict) else None
    if not isinstance(id_, str) or not 1 <= len(id_) <= MOST_ID:
        raise RemoteProtocolError("an event without an id", code="record-damaged")
    return id_
