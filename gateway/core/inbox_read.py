"""What an event of a kit says: read, cut to what we keep, its times moved to our clock. No disk in here."""

from __future__ import annotations

import json
from dataclasses import replace

from gateway.base.errors import RemoteProtocolError
from gateway.model.alarm import Alarm
from gateway.model.command import CommandResult
from gateway.model.forward import Batch, Event, EventKind
from gateway.model.position import Position
from gateway.wire import records
from gateway.wire.plain import plain
from gateway.wire.records import record

SAME_CLOCK_S = 60.0
"""Two times of one message that lie this near were read from the same clock."""
TEXT = 1000
MOST_DATA = 16 * 1024
"""Of what an order's result brings, as JSON."""
MOST_NUMBER = 1e12
"""No clock and no counter of a kit shows more."""
Thing = Alarm | Position | CommandResult


def read(gateway: str, event: Event, at: float) -> tuple[Thing, Event]:
    """What an event speaks of, by our clock (`at` is when it was), and the event as it is kept: of what the kit said
    only what we know of. Raises RemoteProtocolError (`event-damaged`, `kit-foreign-id`)."""
    moment = event.moment
    if not finite(at, moment.mono, moment.wall, event.boot) or not _is_id(event.id):
        raise RemoteProtocolError("a time that is none, or an id", code="event-damaged")
    try:
        body = json.loads(event.body)
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as exc:
        raise RemoteProtocolError(f"{event.kind}: {exc}", code="event-damaged") from exc
    shift = at - moment.wall
    thing: Thing
    if event.kind is EventKind.RESULT:
        result = thing = _result(record(CommandResult, body))
        return thing, _kept(event, result)
    if event.kind is EventKind.ALARM:
        alarm = _alarm(record(Alarm, body))
        thing, told = _moved_alarm(alarm, shift, at), _kept(event, alarm)
    else:
        position = _position(record(Position, body))
        thing, told = _moved_position(position, shift), _kept(event, position)
    if not thing.device.startswith(f"{gateway}/"):
        raise RemoteProtocolError(f"it speaks of {thing.device[:120]!r}", code="kit-foreign-id")
    return thing, told


def measured(batch: Batch) -> Batch:
    """Without clock marks that are none. Raises RemoteProtocolError where the clock of whoever sends it has no time."""
    if not finite(batch.sent.mono, batch.sent.wall):
        raise RemoteProtocolError("a batch that is sent at no time", code="event-damaged")
    return replace(batch, marks=tuple(mark for mark in batch.marks if finite(mark.mono, mark.wall)))


def finite(*numbers: float) -> bool:
    """As a clock or a counter has them, and a column of the database takes them."""
    return all(-MOST_NUMBER < number < MOST_NUMBER for number in numbers)


def _kept(event: Event, thing: Thing) -> Event:
    body = json.dumps(records.plain(thing), ensure_ascii=False)
    return replace(event, body=body, severity=event.severity[:32])


def _is_id(text: str) -> bool:
    return 1 <= len(text) <= 64 and text.isascii() and text.isprintable()


def _result(result: CommandResult) -> CommandResult:
    if not _is_id(result.id):
        raise RemoteProtocolError("a result without an id", code="event-damaged")
    data = result.data if len(json.dumps(records.plain(result.data))) <= MOST_DATA else {}
    return replace(result, code=result.code[:64], detail=result.detail[:TEXT], data=data)


def _alarm(alarm: Alarm) -> Alarm:
    if not _is_id(alarm.id):
        raise RemoteProtocolError("an alarm without an id", code="event-damaged")
    if not finite(alarm.raised_at, alarm.received_at, alarm.acknowledged_at or 0.0, alarm.repeats):
        raise RemoteProtocolError("an alarm at no time", code="event-damaged")
    return replace(
        alarm,
        key=alarm.key[:200],
        channel=alarm.channel[:64],
        kind=plain(alarm.kind, 64),
        method=plain(alarm.method, 32),
        description=alarm.description[:TEXT],
        acknowledged_by=alarm.acknowledged_by[:120],
    )


def _moved_alarm(alarm: Alarm, shift: float, at: float) -> Alarm:
    """Received when its event was at the latest: by that it goes when it is old."""
    near = abs(alarm.raised_at - alarm.received_at) <= SAME_CLOCK_S
    return replace(
        alarm,
        raised_at=alarm.raised_at + shift if near else alarm.raised_at,
        received_at=min(alarm.received_at + shift, at),
        acknowledged_at=None if alarm.acknowledged_at is None else alarm.acknowledged_at + shift,
    )


def _position(position: Position) -> Position:
    if not (-180 <= position.longitude <= 180 and -90 <= position.latitude <= 90):
        raise RemoteProtocolError("a position that is nowhere on earth", code="event-damaged")
    if not finite(position.taken_at, position.received_at):
        raise RemoteProtocolError("a position at no time", code="event-damaged")
    return replace(position, channel=position.channel[:64])


def _moved_position(position: Position, shift: float) -> Position:
    near = abs(position.taken_at - position.received_at) <= SAME_CLOCK_S
    return replace(
        position,
        taken_at=position.taken_at + shift if near else position.taken_at,
        received_at=position.received_at + shift,
    )
