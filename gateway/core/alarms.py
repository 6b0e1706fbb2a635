"""Alarms: stored before the device is told OK, counted instead of repeated, published once, sent on to the centers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.base.clock import Clock
from gateway.base.errors import NotFound
from gateway.core.messages import Bus
from gateway.core.outbox import Outbox, Posting
from gateway.core.rights import in_scope, require
from gateway.core.ulid import ulid
from gateway.model.alarm import Alarm
from gateway.model.command import Action
from gateway.model.principal import Principal
from gateway.store.alarms import AlarmRepo, Forward, Kept

SAME_WITHIN_S = 300.0
"""A device that reports the same alarm again within this has not raised another one."""
_TEXT = 1000


class Alarms:
    def __init__(self, gateway: str, repo: AlarmRepo, bus: Bus, clock: Clock, outbox: Outbox) -> None:
        self._own = f"{gateway}/"
        self._repo = repo
        self._bus = bus
        self._clock = clock
        self._outbox = outbox
        self.on_acknowledged: Callable[[Alarm], None] = lambda _alarm: None

    async def report(self, alarm: Alarm) -> Alarm:
        """Durable when it returns. Raises GatewayError `disk-full` when it can not be kept."""
        alarm = replace(alarm, id=ulid(self._clock.wall()), description=alarm.description[:_TEXT], repeats=0)
        posting = self._outbox.posting()
        kept = await self._repo.keep(alarm, within_s=SAME_WITHIN_S, forward=self._forwarding(posting))
        self._outbox.posted(posting)
        self._publish(kept.alarm)
        return kept.alarm

    async def take(self, alarm: Alarm) -> Alarm:
        """One that another gateway has stored: kept under its own id, once, however often and by whichever way it
        comes. What changed of it (repeats, cleared, acknowledged) is taken over. Durable when it returns."""
        kept = await self._repo.take(replace(alarm, description=alarm.description[:_TEXT]))
        self.told(kept, alarm)
        return kept.alarm

    def told(self, kept: Kept, alarm: Alarm) -> None:
        """One of another gateway was stored (`take`, or by the inbox) as it told it: people hear of what is news."""
        if kept.new:
            self._publish(kept.alarm)
        if kept.alarm.acknowledged_at is not None and alarm.acknowledged_at is None:
            # Acknowledged here while its kit did not hear.
            self.on_acknowledged(kept.alarm)

    async def acknowledge(self, who: Principal, id_: str) -> Alarm:
        require(who, Action.ALARM_ACKNOWLEDGE)
        found = await self._repo.get(id_)
        if found is None or not in_scope(who, _subject(found)):
            raise NotFound(f"there is no alarm {id_[:80]!r}")
        posting = self._outbox.posting()
        far = "" if found.device.startswith(self._own) else found.device.partition("/")[0]
        alarm = await self._repo.acknowledge(id_, who.name, self._clock.wall(), self._forwarding(posting), far=far)
        self._outbox.posted(posting)
        if alarm is None:
            raise NotFound(f"alarm {id_} is gone")
        self._publish(alarm)
        self.on_acknowledged(alarm)
        return alarm

    async def recent(
        self,
        who: Principal,
        *,
        device: str = "",
        open_only: bool = False,
        before: float | None = None,
        limit: int = 200,
    ) -> Sequence[Alarm]:
        limit = min(max(limit, 1), 1000)
        return await self._repo.recent(scope=who.scope, device=device, open_only=open_only, before=before, limit=limit)

    def _forwarding(self, posting: Posting) -> Forward:
        def forward(conn: sqlite3.Connection, alarm: Alarm, new: bool) -> None:
            """In the writer's thread. Alarms of kits are theirs to tell."""
            if alarm.device.startswith(self._own):
                posting(conn, self._outbox.alarm(alarm, posting.moment, changed=not new))

        return forward

    def _publish(self, alarm: Alarm) -> None:
        self._bus.publish("alarm", _subject(alarm), alarm)


def _subject(alarm: Alarm) -> str:
    return f"{alarm.device}/{alarm.channel}" if alarm.channel else alarm.device
