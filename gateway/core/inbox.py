"""At a center: what kits tell, kept once, dated by our clock, and handed on. Fulfils `contract.forward.Inbox`.

An event's own row is what makes it one: it is put in the same transaction as what it changes (an alarm, a position),
and whoever sent it is told only after that is on the disk. The second time it changes nothing and is acknowledged.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.base.clock import Clock
from gateway.base.errors import NotFound, RemoteProtocolError
from gateway.base.throttle import Throttle
from gateway.contract.forward import Taken
from gateway.core.alarms import Alarms
from gateway.core.inbox_files import InboxFiles
from gateway.core.messages import Bus
from gateway.core.positions import Positions
from gateway.core.restamp import dates
from gateway.core.rights import in_scope, require_role
from gateway.model.alarm import Alarm
from gateway.model.command import CommandResult
from gateway.model.forward import Batch, Event, EventKind, ForwardFile, KeptEvent, KeptFile
from gateway.model.position import Position
from gateway.model.principal import Principal, Role
from gateway.store.alarms import take_alarm
from gateway.store.inbox import InboxRepo
from gateway.store.positions import put_position
from gateway.wire.plain import plain
from gateway.wire.records import record

if TYPE_CHECKING:
    from gateway.config.forward import Forward

log = logging.getLogger(__name__)

SAME_CLOCK_S = 60.0
"""Two times of one message that lie this near were read from the same clock."""
TEXT = 1000
MOST_NUMBER = 1e12
"""No clock and no counter of a kit shows more."""
Thing = Alarm | Position | CommandResult


class Inbox:
    def __init__(
        self,
        repo: InboxRepo,
        alarms: Alarms,
        positions: Positions,
        bus: Bus,
        clock: Clock,
        folder: Path,
        config: Callable[[], Forward],
    ) -> None:
        self._repo = repo
        self._alarms = alarms
        self._positions = positions
        self._bus = bus
        self._clock = clock
        self._config = config
        self._files = InboxFiles(folder, repo, clock, config)
        self._heard: list[Callable[[str, Event], None]] = []
        self._throttle = Throttle(log, clock=clock)

    async def take(self, gateway: str, batch: Batch, way: str) -> Taken:
        now = self._clock.wall()
        refused: dict[str, str] = {}
        kept: list[KeptEvent] = []
        things: dict[str, Thing] = {}

        def refuse(id_: str, code: str, why: object) -> None:
            refused[id_] = code
            self._throttle(gateway, f"{gateway}: event {id_[:64]} by {way} is refused: {why}")

        for event, at, dating in dates(_measured(batch), now):
            try:
                if event.id in things:
                    raise RemoteProtocolError("two events of one id", code="event-damaged")
                things[event.id] = _read(gateway, event, at)
            except RemoteProtocolError as exc:
                refuse(event.id, exc.code, exc)
            else:
                kept.append(KeptEvent(gateway, event, at, dating, now))

        newest = {id_ for id_, thing in things.items() if isinstance(thing, Position) and self._positions.newest(thing)}

        def effect(conn: sqlite3.Connection, one: KeptEvent) -> Any:
            """In the writer's thread."""
            thing = things[one.event.id]
            if isinstance(thing, Alarm):
                return take_alarm(conn, thing)
            if isinstance(thing, Position):
                put_position(conn, thing, latest=one.event.id in newest)
            return None

        if kept:
            new, never = await self._repo.take(kept, effect)
            for one, outcome in new:
                self._tell(one, things[one.event.id], outcome)
            for id_, why in never.items():
                refuse(id_, "event-damaged", why)
        return Taken(tuple(one.event.id for one in kept if one.event.id not in refused), refused)

    def on_kept(self, called: Callable[[str, Event], None]) -> Callable[[], None]:
        self._heard.append(called)
        return lambda: self._heard.remove(called)

    async def file_begin(self, gateway: str, file: ForwardFile) -> int:
        return await self._files.begin(gateway, file)

    async def file_append(self, gateway: str, file: str, offset: int, data: bytes) -> int:
        return await self._files.append(gateway, file, offset, data)

    # — people —

    async def recent(
        self, who: Principal, *, gateway: str = "", after: int = 0, before: float | None = None, limit: int = 200
    ) -> Sequence[KeptEvent]:
        """Newest first; what lies in `who`'s scope."""
        require_role(who, Role.VIEWER, "read events of kits")
        found = await self._repo.recent(gateway=gateway, after=after, before=before, limit=min(max(limit, 1), 1000))
        return [one for one in found if in_scope(who, _subject(one))]

    async def files(
        self, who: Principal, *, gateway: str = "", before: float | None = None, limit: int = 200
    ) -> Sequence[KeptFile]:
        require_role(who, Role.VIEWER, "read files of kits")
        found = await self._repo.files(gateway=gateway, before=before, limit=min(max(limit, 1), 1000))
        return [await self._files.seen(one) for one in found if in_scope(who, one.file.device or one.gateway)]

    async def file(self, who: Principal, gateway: str, id_: str) -> tuple[KeptFile, Path]:
        """Of a whole file. Raises NotFound."""
        require_role(who, Role.VIEWER, "read files of kits")
        found = await self._repo.file(gateway, id_)
        if found is None or found.complete_at is None or not in_scope(who, found.file.device or gateway):
            raise NotFound(f"there is no whole file {id_[:40]!r} of {gateway[:80]!r}")
        return found, self._files.path(gateway, id_)

    async def prune(self, now: float) -> None:
        config = self._config()
        self._repo.prune(now - config.keep_events)
        await self._files.prune(now - config.keep_files)

    # — within —

    def _tell(self, kept: KeptEvent, thing: Thing, outcome: Any) -> None:
        if isinstance(thing, Alarm):
            self._alarms.told(outcome, thing)
        elif isinstance(thing, Position):
            self._positions.heard(thing)
        else:
            self._bus.publish("command", kept.gateway, thing)
        for called in list(self._heard):
            called(kept.gateway, kept.event)


def _subject(kept: KeptEvent) -> str:
    """Events of a device are in scopes as the device is."""
    try:
        device = json.loads(kept.event.body).get("device")
    except (ValueError, AttributeError):
        device = None
    return str(device or kept.gateway)


def _read(gateway: str, event: Event, at: float) -> Thing:
    """What an event speaks of, with its times moved to our clock. Raises RemoteProtocolError."""
    moment = event.moment
    if not _finite(at, moment.mono, moment.wall, event.boot):
        raise RemoteProtocolError("a time that is none", code="event-damaged")
    shift = at - moment.wall
    try:
        body = json.loads(event.body)
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as exc:
        raise RemoteProtocolError(f"{event.kind}: {exc}", code="event-damaged") from exc
    if event.kind is EventKind.RESULT:
        return record(CommandResult, body)
    thing: Alarm | Position = record(Alarm, body) if event.kind is EventKind.ALARM else record(Position, body)
    if not thing.device.startswith(f"{gateway}/"):
        raise RemoteProtocolError(f"it speaks of {thing.device[:120]!r}", code="kit-foreign-id")
    return _alarm(thing, shift) if isinstance(thing, Alarm) else _position(thing, shift)


def _finite(*numbers: float) -> bool:
    """As a clock or a counter has them, and a column of the database takes them."""
    return all(-MOST_NUMBER < number < MOST_NUMBER for number in numbers)


def _measured(batch: Batch) -> Batch:
    """Raises RemoteProtocolError where the clock of whoever sends it has no time."""
    if not _finite(batch.sent.mono, batch.sent.wall):
        raise RemoteProtocolError("a batch that is sent at no time", code="event-damaged")
    return replace(batch, marks=tuple(mark for mark in batch.marks if _finite(mark.mono, mark.wall)))


def _alarm(alarm: Alarm, shift: float) -> Alarm:
    if not 1 <= len(alarm.id) <= 64 or not alarm.id.isascii() or not alarm.id.isprintable():
        raise RemoteProtocolError("an alarm without an id", code="event-damaged")
    if not _finite(alarm.raised_at, alarm.received_at, alarm.acknowledged_at or 0.0, alarm.repeats):
        raise RemoteProtocolError("an alarm at no time", code="event-damaged")
    near = abs(alarm.raised_at - alarm.received_at) <= SAME_CLOCK_S
    return replace(
        alarm,
        key=alarm.key[:200],
        kind=plain(alarm.kind, 64),
        method=plain(alarm.method, 32),
        description=alarm.description[:TEXT],
        raised_at=alarm.raised_at + shift if near else alarm.raised_at,
        received_at=alarm.received_at + shift,
        acknowledged_at=None if alarm.acknowledged_at is None else alarm.acknowledged_at + shift,
    )


def _position(position: Position, shift: float) -> Position:
    if not (-180 <= position.longitude <= 180 and -90 <= position.latitude <= 90):
        raise RemoteProtocolError("a position that is nowhere on earth", code="event-damaged")
    if not _finite(position.taken_at, position.received_at):
        raise RemoteProtocolError("a position at no time", code="event-damaged")
    near = abs(position.taken_at - position.received_at) <= SAME_CLOCK_S
    return replace(
        position,
        taken_at=position.taken_at + shift if near else position.taken_at,
        received_at=position.received_at + shift,
    )
