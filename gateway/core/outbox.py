"""What waits until the centers have it. Fulfils `contract.forward.Outbox`.

An event is put in the transaction that stores what it speaks of (`posting`), or alone (`put`), once for every far side
that has joined. Room is bounded a side; what gives way is counted in the database, and people read `outbox-full` for
as long as it goes on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.base.moment import Moment, Moments
from gateway.base.tasks import beat
from gateway.core.messages import Bus
from gateway.core.outbox_files import OutboxFiles
from gateway.core.outbox_side import Side
from gateway.core.ulid import ulid
from gateway.model.alarm import Alarm, AlarmSeverity
from gateway.model.forward import ClockMark, Event, EventKind, ForwardFile, Rank, Uplink, WaitingFile
from gateway.model.position import Position
from gateway.store.outbox import Bounds, OutboxRepo, post

if TYPE_CHECKING:
    from gateway.config.forward import Forward

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
EXPIRE_EVERY_S = 60.0
MARK_EVERY_S = 300.0
SAID_FOR_S = 60.0
"""So long after the last one was given up the outbox is no longer called full."""
SOON_S = 0.25
_URGENT = (AlarmSeverity.CRITICAL, AlarmSeverity.MAJOR)

Says = Callable[[str, str], None]


class Posting:
    """Handed into a transaction: call it there. Whoever made it tells the outbox when the transaction is done. `moment`
    is when it was made: when things happened, not when the disk took them."""

    def __init__(self, uplinks: Sequence[str], bounds: Bounds, moment: Moment) -> None:
        self._uplinks = uplinks
        self._bounds = bounds
        self.moment = moment
        self.dropped: Counter[str] = Counter()
        self.posted = False

    def __call__(self, conn: sqlite3.Connection, event: Event) -> None:
        if self._uplinks:
            self.dropped.update(post(conn, self._uplinks, event, self._bounds))
            self.posted = True


class Outbox:
    """On the event loop; `run` is a task of the core."""

    def __init__(
        self,
        gateway: str,
        boot: int,
        repo: OutboxRepo,
        bus: Bus,
        clock: Clock,
        moments: Moments,
        folder: Path,
        config: Callable[[], Forward],
        *,
        say: Says = lambda _code, _text: None,
        unsay: Callable[[str], None] = lambda _code: None,
    ) -> None:
        self._own = f"{gateway}/"
        self._boot = boot
        self._repo = repo
        self._bus = bus
        self._clock = clock
        self.moments = moments
        self._config = config
        self._say = say
        self._unsay = unsay
        self.marks = {mark.boot_id: mark for mark in repo.marks()}
        self._marked_at = -MARK_EVERY_S
        self.stored = OutboxFiles(folder, repo, config, self._dropped, moments.now)
        self._sides = {one.name: Side(self, repo, one) for one in repo.uplinks()}
        self._full_at: dict[str, float] = {}
        self._gave_up_at = 0.0

    @property
    def wanted(self) -> bool:
        """Whether there is anybody to send to."""
        return bool(self._sides)

    # — what goes in —

    def posting(self) -> Posting:
        config = self._config()
        return Posting(tuple(self._sides), Bounds(config.rows, config.size), self.moments.now())

    def posted(self, posting: Posting, *, soon: bool = False) -> None:
        """The transaction is done; or (`soon`) it has been given to the writer and is not waited for."""
        for uplink, number in posting.dropped.items():
            self._dropped(uplink, number)
        if soon:
            asyncio.get_running_loop().call_later(SOON_S, self.posted, posting)
        elif posting.posted:
            for side in self._sides.values():
                side.wake()

    def alarm(self, alarm: Alarm, moment: Moment, *, changed: bool = False) -> Event:
        """A new one has its own id as the event's; a change of it is another event. Any thread."""
        rank = Rank.FIRST if alarm.severity in _URGENT else Rank.EARLY
        body = json.dumps(asdict(alarm), ensure_ascii=False)
        id_ = ulid(moment.wall) if changed else alarm.id
        return Event(id_, EventKind.ALARM, rank, alarm.severity.value, body, moment, self._boot)

    def position(self, position: Position) -> Event | None:
        """None: it is not ours to tell, or nobody wants it."""
        if not self._sides or not position.device.startswith(self._own):
            return None
        return self.event(EventKind.POSITION, Rank.LAST, json.dumps(asdict(position)))

    def event(self, kind: EventKind, rank: Rank, body: str) -> Event:
        """Of now."""
        now = self.moments.now()
        return Event(ulid(now.wall), kind, rank, "info", body, now, self._boot)

    async def put(self, event: Event, uplinks: Sequence[str] | None = None) -> None:
        """Alone, in a transaction of its own. Durable when it returns."""
        config = self._config()
        to = tuple(self._sides) if uplinks is None else tuple(uplinks)
        dropped = await self._repo.put(to, event, Bounds(config.rows, config.size), durable=True)
        for uplink, number in dropped.items():
            self._dropped(uplink, number)
        for name in to:
            if (side := self._sides.get(name)) is not None:
                side.wake()

    async def result(self, uplink: str, id_: str, body: Mapping[str, object]) -> None:
        text = json.dumps(dict(body), ensure_ascii=False)
        await self.put(self.event(EventKind.RESULT, Rank.EARLY, text), [uplink])

    async def add_file(self, path: str, file: ForwardFile, *, keep: bool = False) -> str:
        return (await self._add(Path(path), file, keep)).id

    async def hand_in(self, file: ForwardFile, pieces: AsyncIterable[bytes]) -> ForwardFile:
        """What somebody chose to send, by its bytes; as it waits now."""
        id_ = ulid(self._clock.wall())
        path = await self.stored.take_in(id_, pieces)
        try:
            return await self._add(path, replace(file, id=id_, at=self._clock.wall()), False)
        finally:
            path.unlink(missing_ok=True)

    async def _add(self, path: Path, file: ForwardFile, keep: bool) -> ForwardFile:
        id_ = file.id or ulid(self._clock.wall())
        kept = await self.stored.add(path, replace(file, id=id_), tuple(self._sides), keep=keep)
        for side in self._sides.values():
            side.wake()
        return kept

    def gave_up(self, what: str) -> None:
        """A file that will not get where it should."""
        log.warning("%s; it is given up", what)
        self._gave_up_at = self._clock.monotonic()
        self._say("file-given-up", what)

    async def waiting_files(self) -> Sequence[WaitingFile]:
        return await self._repo.files()

    # — far sides —

    async def join(self, name: str, adapter: str) -> Side:
        await self._repo.join(name, adapter, self._clock.wall())
        side = self._sides.get(name)
        if side is None:
            side = self._sides[name] = Side(self, self._repo, Uplink(name, adapter, self._clock.wall()))
        return side

    async def leave_others(self, adapter: str, names: Sequence[str]) -> None:
        for name, side in list(self._sides.items()):
            if side.standing().adapter == adapter and name not in names:
                await self.leave(name)

    async def leave(self, name: str) -> None:
        if (side := self._sides.pop(name, None)) is not None:
            log.info("nothing is sent to %s any more; %d events that waited are dropped", name, side.standing().rows)
            for file in await self._repo.leave(name):
                await self.stored.let_go(file)

    def standing(self) -> Sequence[Uplink]:
        return [side.standing() for side in self._sides.values()]

    # — over time —

    async def run(self) -> None:
        expired_at = -EXPIRE_EVERY_S
        await self.stored.sweep()
        while True:
            now = self._clock.monotonic()
            self._mark(now)
            try:
                if self._sides and now - expired_at >= EXPIRE_EVERY_S:
                    expired_at = now
                    await self._expire()
                await self._look(now)
            except Exception as exc:
                log.warning("the outbox could not be looked at: %s", exc)
            await beat(LOOK_EVERY_S)

    def clock_set(self, _by_s: float = 0.0) -> None:
        """The clock was set: a new pair of clocks is taken as soon as it is good, and dates what was noted before."""
        self._marked_at = -MARK_EVERY_S

    def _mark(self, now: float) -> None:
        """Pairs of clocks date the events of this boot later, also those from before the clock was set."""
        if now - self._marked_at >= MARK_EVERY_S and (moment := self.moments.now()).quality.good:
            self._marked_at = now
            mark = ClockMark(moment.boot_id, moment.mono, moment.wall)
            self.marks[mark.boot_id] = mark
            self._repo.mark(mark)

    async def _expire(self) -> None:
        config = self._config()
        keep = {
            EventKind.ALARM: config.keep,
            EventKind.RESULT: config.keep,
            EventKind.POSITION: config.keep_positions,
        }
        for uplink, number in (await self._repo.expire(self.moments.now(), keep)).items():
            log.warning("%d events that waited for %s were too old and are dropped", number, uplink)
        for uplink, number in (await self.stored.expire(config.keep)).items():
            log.warning("%d files that waited for %s were too old and are dropped", number, uplink)

    async def _look(self, now: float) -> None:
        for told in await self._repo.standing() if self._sides else ():
            side = self._sides.get(told.name)
            if side is None:
                continue
            full = now - self._full_at.get(told.name, -SAID_FOR_S) < SAID_FOR_S
            told = replace(told, full=full)
            if told != side.standing():
                side.stands(told)
                self._bus.publish("outbox", "", told, within=self._own.rstrip("/"))
        if not any(side.standing().full for side in self._sides.values()):
            self._unsay("outbox-full")
        if now - self._gave_up_at >= SAID_FOR_S:
            self._unsay("file-given-up")

    def _dropped(self, uplink: str, number: int) -> None:
        if uplink not in self._sides:
            return
        if uplink not in self._full_at or not self._sides[uplink].standing().full:
            log.warning("the outbox for %s is full: %d of the least important gave way", uplink, number)
            self._say("outbox-full", f"what waits for {uplink} has no room; the least important gives way")
        self._full_at[uplink] = self._clock.monotonic()
