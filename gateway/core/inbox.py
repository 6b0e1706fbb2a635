"""At a center: what kits tell, kept once, dated by our clock, and handed on. Fulfils `contract.forward.Inbox`.

An event's own row is what makes it one: it is put in the same transaction as what it changes (an alarm, a position),
and whoever sent it is told only after that is on the disk. The second time it changes nothing and is acknowledged.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.base.clock import Clock
from gateway.base.errors import NotFound, RemoteProtocolError
from gateway.base.throttle import Throttle
from gateway.contract.forward import Taken
from gateway.core.alarms import Alarms
from gateway.core.inbox_files import InboxFiles
from gateway.core.inbox_read import Thing, measured, read
from gateway.core.messages import Bus
from gateway.core.positions import Positions
from gateway.core.restamp import dates
from gateway.core.rights import in_scope, require_role
from gateway.model.alarm import Alarm
from gateway.model.forward import Batch, Event, ForwardFile, KeptEvent, KeptFile
from gateway.model.position import Position
from gateway.model.principal import Principal, Role
from gateway.store.alarms import take_alarm
from gateway.store.inbox import Bounds, InboxRepo
from gateway.store.positions import put_position

if TYPE_CHECKING:
    from gateway.config.forward import Forward

log = logging.getLogger(__name__)


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

        for event, at, dating in dates(measured(batch), now):
            try:
                if event.id in things:
                    raise RemoteProtocolError("two events of one id", code="event-damaged")
                things[event.id], event = read(gateway, event, at)
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
            config = self._config()
            new, never = await self._repo.take(kept, effect, Bounds(config.events, config.events_size))
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

    async def remove_file(self, who: Principal, gateway: str, id_: str) -> None:
        """A whole one, for good: its kit has it no more. Raises NotFound."""
        require_role(who, Role.ADMINISTRATOR, "delete files of kits")
        await self.file(who, gateway, id_)
        await self._files.remove(gateway, id_)

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
