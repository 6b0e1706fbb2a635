"""Alarms of kits that were acknowledged at their center: each kit hears of them, now or when it is here again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from gateway.base.clock import Clock
from gateway.base.errors import GatewayError
from gateway.core.ulid import ulid
from gateway.model.alarm import Alarm
from gateway.model.command import Action, Command, Outcome
from gateway.model.principal import Principal, Role
from gateway.store.alarms import AlarmRepo

if TYPE_CHECKING:
    from gateway.core.fleet import Fleet

log = logging.getLogger(__name__)

ANSWER_S = 30.0
SETTLE_S = 2.0
"""A kit that has just come says more important things first."""
AT_ONCE = 1000
"""So many are told when a kit comes; the rest when it comes again."""
NO_MORE = frozenset({"not-found", "denied"})
"""It has the alarm no more, or does not take this from us: nothing is better the next time."""


class FarAlarms:
    """On the event loop."""

    def __init__(
        self, fleet: Fleet, repo: AlarmRepo, clock: Clock, spawn: Callable[[str, Coroutine[Any, Any, None]], None]
    ) -> None:
        self._fleet = fleet
        self._repo = repo
        self._clock = clock
        self._spawn = spawn
        self._telling: set[str] = set()
        self._catching_up: set[str] = set()
        self._untold = set(repo.untold_gateways())
        """Kits that something may wait for: thousands come at once when a center starts, and nothing waits for most."""

    def acknowledged(self, alarm: Alarm) -> None:
        """Somebody here acknowledged it, or its kit shows that it has not heard of that."""
        gateway = alarm.device.partition("/")[0]
        kit = self._fleet.known(gateway)
        if kit is not None:
            self._untold.add(gateway)
        if kit is not None and kit.way() is not None and alarm.id not in self._telling:
            self._spawn(f"acknowledge {alarm.id}", self._tell_one(alarm))

    def came(self, gateway: str) -> None:
        """A kit is here (again)."""
        if gateway in self._untold and gateway not in self._catching_up:
            self._catching_up.add(gateway)
            self._spawn(f"acknowledged alarms of {gateway}", self._catch_up(gateway))

    async def _catch_up(self, gateway: str) -> None:
        try:
            await asyncio.sleep(SETTLE_S)
            for alarm in await self._repo.untold(gateway, limit=AT_ONCE):
                if not await self._tell(alarm):
                    return
            self._untold.discard(gateway)
            if await self._repo.untold(gateway, limit=1):
                self._untold.add(gateway)
        except GatewayError as exc:
            log.warning("%s does not hear yet what was acknowledged here: %s", gateway, exc)
        finally:
            self._catching_up.discard(gateway)

    async def _tell_one(self, alarm: Alarm) -> None:
        try:
            await self._tell(alarm)
        except GatewayError as exc:
            log.warning("alarm %s is not told to its kit yet: %s", alarm.id, exc)

    async def _tell(self, alarm: Alarm) -> bool:
        """False: the kit is not to be reached."""
        kit = self._fleet.known(alarm.device.partition("/")[0])
        way = kit.way() if kit is not None else None
        if kit is None or way is None:
            return False
        if alarm.id in self._telling:
            return True
        self._telling.add(alarm.id)
        who = Principal(alarm.acknowledged_by or "center", Role.OPERATOR, "alarm")
        # Of an id of its own each time: a kit remembers what it answered to an order.
        id_ = f"ack-{ulid(self._clock.wall())}"
        order = Command(id_, who, Action.ALARM_ACKNOWLEDGE, alarm.id, self._clock.wall() + ANSWER_S)
        try:
            async with asyncio.timeout(ANSWER_S):
                result = await way.command(order, ANSWER_S)
        except (GatewayError, TimeoutError) as exc:
            log.info("%s did not hear that alarm %s was acknowledged: %s", kit.gateway, alarm.id, exc)
            return False
        finally:
            self._telling.discard(alarm.id)
        if result.outcome is not Outcome.DONE:
            log.info("%s: alarm %s: %s %s", kit.gateway, alarm.id, result.code, result.detail)
        if result.outcome is Outcome.DONE or result.code in NO_MORE:
            await self._repo.told(alarm.id)
        return True
