"""At a kit: when the record goes by short message, and what stands in it.

The policy is sans-IO (`Policy`): a record is due when no center has held the kit for `after`, then every `every`, at
once on an alarm meanwhile, and one as a last word when power runs out; never more than `most_a_day`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.base.errors import GatewayError
from gateway.base.moment import Moments
from gateway.base.tasks import beat
from gateway.core.pairings import Pairings
from gateway.core.telemetry_values import WHYS, numbers
from gateway.core.texts import Texts
from gateway.model.alarm import Alarm
from gateway.model.pairing import PairedCenter
from gateway.model.telemetry import KitRecord, RecordAlarm, Why
from gateway.model.texts import TextPriority, kind_of
from gateway.store.texts_in import TelemetryRepo
from gateway.wire import telemetry

if TYPE_CHECKING:
    from gateway.config.texts import LastResort as Config

log = logging.getLogger(__name__)

LOOK_S = 5.0
DAY_S = 86400.0
ALARM_GAP_S = 60.0
"""Several alarms within it are one record."""
COUNTER = "telemetry"


class Policy:
    """When a record is due. `now` is monotonic."""

    def __init__(self, now: float) -> None:
        self.away_since: float | None = now
        self._sent: deque[float] = deque()
        self._alarm_at: float | None = None
        self._last: float | None = None

    def held(self, yes: bool, now: float) -> None:
        """Whether a center holds this kit."""
        if yes:
            self.away_since = self._last = self._alarm_at = None
        elif self.away_since is None:
            self.away_since = now

    def alarm(self, now: float) -> None:
        if self.away_since is not None:
            self._alarm_at = now

    def due(self, config: Config, now: float) -> Why | None:
        if self.away_since is None or not self._room(config, now):
            return None
        since = None if self._last is None else now - self._last
        if config.on_alarm and self._alarm_at is not None and (since is None or since >= ALARM_GAP_S):
            return Why.ALARM
        if since is None:
            return Why.LOST if now - self.away_since >= config.after else None
        return Why.ROUTINE if since >= config.every else None

    def sent(self, now: float) -> None:
        self._last, self._alarm_at = now, None
        self._sent.append(now)

    def down_min(self, now: float) -> int:
        return 0 if self.away_since is None else int((now - self.away_since) / 60)

    def _room(self, config: Config, now: float) -> bool:
        while self._sent and now - self._sent[0] >= DAY_S:
            self._sent.popleft()
        return len(self._sent) < config.most_a_day


class LastResort:
    """On the event loop; `run` is a task of the daemon. `held`: a center holds this kit. `facts`: how the kit stands;
    `alarms`: its own open ones, newest first."""

    def __init__(
        self,
        gateway: str,
        texts: Texts,
        repo: TelemetryRepo,
        pairings: Pairings,
        clock: Clock,
        moments: Moments,
        config: Callable[[], Config],
        held: Callable[[], bool],
        facts: Callable[[], KitRecord],
        alarms: Callable[[], Awaitable[Sequence[Alarm]]],
    ) -> None:
        self._gateway = gateway
        self._texts = texts
        self._repo = repo
        self._pairings = pairings
        self._clock = clock
        self._moments = moments
        self._config = config
        self._held = held
        self._facts = facts
        self._alarms = alarms
        self._newest = ""
        self.policy = Policy(clock.monotonic())

    async def run(self) -> None:
        while True:
            await beat(LOOK_S)
            try:
                await self.look()
            except GatewayError as exc:
                log.warning("the last-resort record was not sent: %s (%s)", exc, exc.code)

    async def look(self) -> None:
        now = self._clock.monotonic()
        self.policy.held(self._held(), now)
        if not self._config().center or self._center() is None or self.policy.away_since is None:
            return
        newest = next((alarm.id for alarm in await self._alarms()), "")
        if newest > self._newest:  # ULIDs sort by time
            self.policy.alarm(now)
        self._newest = max(newest, self._newest)
        why = self.policy.due(self._config(), now)
        if why is not None:
            await self.send(why)

    async def send(self, why: Why, by: str = "") -> str:
        """Now; the text's id, "" when there is nobody to send it to. Raises GatewayError (`texts-full`)."""
        center, to = self._center(), self._to()
        if center is None or not to:
            return ""
        shared = self._pairings.shared_with(center.key)
        if shared is None:
            return ""
        now, moment = self._clock.monotonic(), self._moments.now()
        keys = telemetry.derive(shared, self._gateway, center.gateway)
        # A store that was lost begins at 1 again: a clock that is good lifts the number over all that were used.
        least = int(moment.wall) - telemetry.EPOCH if moment.quality.good else 1
        sequence = await self._repo.next(COUNTER, max(least, 1))
        alarms = await self._alarms()
        record = replace(
            self._facts(),
            why=why,
            alarms=tuple(
                RecordAlarm(one.kind, one.severity, int((moment.wall - one.raised_at) / 60))
                for one in alarms[: telemetry.ALARMS]
            ),
            alarms_open=len(alarms),
            made_at=int(moment.wall),
            clock_good=moment.quality.good,
            down_min=self.policy.down_min(now),
        )
        body = telemetry.write(keys, sequence, WHYS.index(why), numbers(record))
        urgent = why in (Why.ALARM, Why.LOST, Why.POWER)
        text = await self._texts.send(
            to,
            body,
            priority=TextPriority.ALARM if urgent else TextPriority.TELEMETRY,
            max_age_s=max(self._config().every * 2, 3600.0),
            replaces="telemetry",
            by=by or "gateway",
        )
        self.policy.sent(now)
        log.info("record %d goes to %s by short message (%s)", sequence, center.gateway, why)
        return text.id

    def _center(self) -> PairedCenter | None:
        """The one it is sealed for: the first that is paired."""
        return next((center for center in self._pairings.centers() if center.revoked_at is None), None)

    def _to(self) -> str:
        """The first address that somebody can send to now; else the first of all: it waits for its carrier."""
        told: Sequence[str] = self._config().center
        return next((to for to in told if self._texts.ready(kind_of(to))), told[0] if told else "")
