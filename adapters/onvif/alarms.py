"""A camera's events, pulled and told as alarms.

subscribe ─► pull (the camera holds the answer until something happens) ─► renew in time ─► … ─► unsubscribe
     └─ refused, lost, forgotten by the camera: a new subscription after a pause; pictures go on all the while
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from adapters.onvif.protocol import events
from adapters.onvif.protocol.events import Event, Report
from adapters.onvif.protocol.soap import EVENTS, SoapFault
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError
from gateway.contract.message import Messages
from gateway.model.alarm import Alarm
from gateway.wire.xml import XmlNode

if TYPE_CHECKING:
    from adapters.onvif.camera import Camera

log = logging.getLogger(__name__)

LIFE_S = 120.0
PULL_S = 20.0
RENEW_BEFORE_S = 60.0
PAUSE_FIRST_S = 1.0
PAUSE_MOST_S = 60.0
SLOW_PULL_S = 0.2
"""A camera that answers every pull at once with nothing is asked at most this often."""
GOODBYE_S = 1.0
CLOCK_BELIEVED_S = 86400.0
"""An event older or younger than this, by the camera's corrected clock, is dated by when it came."""


class Ear:
    def __init__(self, camera: Camera, messages: Messages, clock: Clock) -> None:
        self._camera = camera
        self._messages = messages
        self._clock = clock
        self._raised: dict[tuple[str, str], Alarm] = {}
        self.hears = False
        self.failed = ""
        self.taken = 0

    async def run(self) -> None:
        """Until cancelled."""
        pause = PAUSE_FIRST_S
        while True:
            try:
                await self._subscribed()
                pause = PAUSE_FIRST_S
            except GatewayError as exc:
                if self.hears:
                    pause = PAUSE_FIRST_S
                self.hears = False
                # One hiccup is nothing to tell; the second in a row is.
                if pause > PAUSE_FIRST_S and not self.failed:
                    log.info("%s: no events: %s", self._camera, exc)
                    self.failed = str(exc)[:160] or exc.code
                    self._camera.told()
                await asyncio.sleep(pause)
                pause = min(pause * 2, PAUSE_MOST_S)
            finally:
                self.hears = False

    async def _subscribed(self) -> None:
        line = self._camera.line
        loop = asyncio.get_running_loop()
        node, raw = await line.ask_raw(EVENTS, events.create(LIFE_S), action=events.CREATE_ACTION)
        held = events.read_subscription(node, raw)
        place = line.place(held.address)

        async def say(body: str, action: str, timeout_s: float | None = None) -> XmlNode:
            return await line.ask(
                EVENTS,
                body,
                at=place,
                action=action,
                headers=events.addressing(action, held.address) + held.reference,
                declarations=held.declarations,
                timeout_s=timeout_s,
            )

        renew_at = loop.time() + LIFE_S - RENEW_BEFORE_S
        try:
            while True:
                asked_at = loop.time()
                answer = await say(events.pull(PULL_S), events.PULL_ACTION, PULL_S + 10.0)
                if not self.hears or self.failed:
                    self.hears, self.failed = True, ""
                    self._camera.told()
                self._camera.attached.seen(str(line))
                found = events.read_events(answer)
                for event in found:
                    await self._take(event)
                if not found and loop.time() - asked_at < SLOW_PULL_S:
                    await asyncio.sleep(SLOW_PULL_S)
                if loop.time() >= renew_at:
                    renew_at = loop.time() + LIFE_S - RENEW_BEFORE_S
                    try:
                        await say(events.renew(LIFE_S), events.RENEW_ACTION)
                    except SoapFault as exc:
                        if not exc.fault.unsupported:
                            raise
                        # PullMessages keeps it alive with those that know no Renew; else a new one is made.
        finally:
            with suppress(GatewayError, TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await say(events.unsubscribe(), events.UNSUBSCRIBE_ACTION)

    async def _take(self, event: Event) -> None:
        report = events.read_report(event)
        if report is None:
            return
        alarm = self._alarm(event, report)
        if alarm is None:
            return
        try:
            await self._messages.alarm(alarm)
            self.taken += 1
        except GatewayError as exc:
            log.warning("%s: an alarm (%s) could not be kept: %s", self._camera, alarm.kind, exc)

    def _alarm(self, event: Event, report: Report) -> Alarm | None:
        """None: an end of what was never told to begin."""
        camera = self._camera
        now = self._clock.wall()
        told = event.at - camera.line.offset_s if event.at is not None else now
        what = (report.meaning.kind, report.source)
        if not report.raised:
            before = self._raised.pop(what, None)
            if before is None:
                return None
            key, raised_at = before.key, before.raised_at
        else:
            raised_at = told if abs(told - now) < CLOCK_BELIEVED_S else now
            before = self._raised.get(what)
            key = before.key if before else f"onvif:{camera.admitted.external_id}:{what[0]}:{what[1]}:{raised_at:.0f}"
        alarm = Alarm(
            device=camera.admitted.id,
            channel=camera.offers.channel_of(events.lens_of(event)),
            key=key,
            severity=report.meaning.severity,
            kind=report.meaning.kind,
            method=report.meaning.method,
            description=report.words,
            raised_at=raised_at,
            received_at=now,
            cleared=not report.raised,
        )
        if report.raised:
            self._raised[what] = alarm
            while len(self._raised) > 256:
                self._raised.pop(next(iter(self._raised)))
        return alarm
