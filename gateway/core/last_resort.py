"""At a kit: the record that goes by short message when no center holds it, to whom, and what stands in it.

A record is due when no center has held the kit for `after`, then every `every`, at once on an alarm meanwhile; never
more than `most_a_day` (`last_resort_policy`). Each center gets one of its own, sealed by the key that the two have, at
its own addresses: the first that somebody can send to. One that stays there, because its carrier is away or fails, is
made anew for the next address.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.base.errors import GatewayError
from gateway.base.moment import Moments
from gateway.base.tasks import beat
from gateway.core.last_resort_policy import DAY_S, Policy
from gateway.core.pairings import Pairings
from gateway.core.telemetry_values import WHYS, numbers
from gateway.core.texts import Texts
from gateway.model.alarm import Alarm
from gateway.model.doctor import Finding, Grade
from gateway.model.pairing import PairedCenter
from gateway.model.telemetry import KitRecord, RecordAlarm, Why
from gateway.model.texts import TextOut, TextPriority, TextState, kind_of
from gateway.store.texts_in import TelemetryRepo
from gateway.wire import telemetry

if TYPE_CHECKING:
    from gateway.config.texts import LastResort as Config

log = logging.getLogger(__name__)

LOOK_S = 5.0
COUNTER = "telemetry"
NAME = "telemetry"
TRIES = 2
"""An address whose carriers failed so often is passed over for a while."""


@dataclass(slots=True)
class _Last:
    """What was sent to a center last, and its addresses that are passed over until then."""

    id: str = ""
    to: str = ""
    why: Why = Why.LOST
    over: bool = True
    passed: dict[str, float] = field(default_factory=dict)


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
        self._seen: set[str] | None = None
        self._last: dict[str, _Last] = {}
        self._unnamed = ""
        self.policy = Policy(clock.monotonic())

    async def run(self) -> None:
        counted = False
        while True:
            await beat(LOOK_S)
            try:
                if not counted:
                    ages = await self._texts.ages_of_tried(NAME, self._config().most_a_day)
                    self.policy.before([age_s for age_s in ages if age_s < DAY_S], self._clock.monotonic())
                    counted = True
                await self.look()
            except GatewayError as exc:
                log.warning("the last-resort record was not sent: %s (%s)", exc, exc.code)

    async def look(self) -> None:
        now = self._clock.monotonic()
        self.policy.held(self._held(), now)
        targets = self._targets()
        if not targets or self.policy.away_since is None:
            self._seen = None
            return
        if self._news(await self._alarms()):
            self.policy.alarm(now)
        if not self.policy.room(self._config(), now):
            for last in self._last.values():
                await self._settle(last, replaced=False)
        why = self.policy.due(self._config(), now)
        if why is not None:
            await self.send(why)
            return
        for center, addresses in targets:
            last = self._last.setdefault(center.gateway, _Last())
            if self.policy.room(self._config(), now) and await self._stays(last, addresses, now):
                await self._send_to(center, addresses, last.why, "")

    async def send(self, why: Why, by: str = "") -> str:
        """Now; the first text's id, "" when there is nobody to send it to. Raises GatewayError (`texts-full`)."""
        found, trouble = list[str](), None
        for center, addresses in self._targets():
            if found and not self.policy.room(self._config(), self._clock.monotonic()):
                break
            try:
                found.append(await self._send_to(center, addresses, why, by))
            except GatewayError as exc:
                trouble = exc
        sent = [id_ for id_ in found if id_]
        if trouble is not None and not sent:
            raise trouble
        if not sent:
            self.policy.tried(self._clock.monotonic())
        return next(iter(sent), "")

    def findings(self) -> Sequence[Finding]:
        """What the setting misses, before it is needed."""
        self._targets()
        if not self._unnamed:
            return []
        paired = {center.gateway for center in self._pairings.centers()}
        strange = ", ".join(sorted(set(self._config().centers) - paired))
        told = f"no record goes to {self._unnamed}" + (f"; named, and not paired: {strange}" if strange else "")
        return [Finding("last resort", Grade.WARN, told, "an address of each center", "resort-unnamed")]

    # — within —

    def _targets(self) -> list[tuple[PairedCenter, Sequence[str]]]:
        """The paired centers that have addresses, each with its own; `center` are those of the one that was
        paired first of those that have none."""
        config, found, unnamed = self._config(), list[tuple[PairedCenter, Sequence[str]]](), list[str]()
        others: Sequence[str] = config.center
        for center in self._pairings.centers():
            if center.revoked_at is not None:
                continue
            addresses = config.centers.get(center.gateway) or others
            if addresses is others:
                others = ()
            if addresses:
                found.append((center, addresses))
            else:
                unnamed.append(center.gateway)
        names = ", ".join(unnamed) if config.center or config.centers else ""
        if names and names != self._unnamed:
            log.warning("no record goes to %s: last_resort.centers has no address of it", names)
        self._unnamed = names
        return found

    async def _send_to(self, center: PairedCenter, addresses: Sequence[str], why: Why, by: str) -> str:
        shared = self._pairings.shared_with_center(center)
        if shared is None:
            return ""
        last = self._last.setdefault(center.gateway, _Last())
        await self._settle(last, replaced=True)
        now, moment = self._clock.monotonic(), self._moments.now()
        keys = telemetry.derive(shared, self._gateway, center.gateway)
        # A store that was lost begins at 1 again: a clock that is good lifts the number over all that were used.
        least = int(moment.wall) - telemetry.EPOCH if moment.quality.good else 1
        sequence = await self._repo.next(COUNTER, min(max(least, 1), telemetry.MOST_SEQUENCE // 2))
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
            self._to(last, addresses, now),
            body,
            priority=TextPriority.ALARM if urgent else TextPriority.TELEMETRY,
            max_age_s=max(self._config().every * 2, 3600.0),
            replaces=f"{NAME} {center.gateway}",
            by=by or "gateway",
        )
        self.policy.sent(now, text.id)
        last.id, last.to, last.why, last.over = text.id, text.to, why, False
        log.info("record %d goes to %s by short message (%s)", sequence, center.gateway, why)
        return text.id

    def _news(self, alarms: Sequence[Alarm]) -> bool:
        """An alarm that was not open before; by its id, as a clock may be set back."""
        before = self._seen
        self._seen = {alarm.id for alarm in alarms}
        if before is not None:
            return bool(self._seen - before)
        # The first look since no center holds the kit: what was open then already went to it, or stands in the record.
        since = self._clock.wall() - LOOK_S - 1.0
        return any(alarm.raised_at >= since for alarm in alarms)

    async def _settle(self, last: _Last, *, replaced: bool) -> None:
        """A record that no carrier has tried yet, and that is replaced now or too old, has cost nothing."""
        if last.id and not last.over and (text := await self._texts.known(last.id)) is not None:
            last.over = text.state.over
            if not text.attempts and (replaced or last.over):
                self.policy.never_left(last.id)

    async def _stays(self, last: _Last, addresses: Sequence[str], now: float) -> bool:
        """The last one waits, or was refused, where it is; and could go elsewhere."""
        if last.over or len(addresses) < 2 or (text := await self._texts.known(last.id)) is None:
            return False
        last.over = text.state.over
        if not _failing(text) and (last.over or self._texts.ready(kind_of(last.to))):
            return False
        if text.state is TextState.SENDING:
            return False
        last.passed[last.to] = now + self._config().every
        other = self._to(last, addresses, now)
        return other != last.to and self._texts.ready(kind_of(other))

    def _to(self, last: _Last, addresses: Sequence[str], now: float) -> str:
        """The first that somebody can send to now; else the first of all: it waits for its carrier."""
        passed = {to for to, until in last.passed.items() if until > now}
        ready = [to for to in addresses if self._texts.ready(kind_of(to))]
        return next((to for to in ready if to not in passed), ready[0] if ready else addresses[0])


def _failing(text: TextOut) -> bool:
    waits = text.state is TextState.WAITING and text.attempts >= TRIES
    return waits or (text.state is TextState.FAILED and text.code != "text-gave-way")
