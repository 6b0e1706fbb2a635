"""The daemon's look at itself: does the loop turn, do store and media plane answer, did the clock jump, is there room.

`health` gates systemd's watchdog. A full disk is told but is no reason to be killed: live service goes on.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.base.clock import Clock, JumpWatch
from gateway.base.kernel_news import ClockNews
from gateway.base.tasks import beat
from gateway.core.facts import Notice
from gateway.core.messages import Bus

log = logging.getLogger(__name__)

TICK_S, NEWS_TICK_S = 1.0, 5.0
"""The second where the kernel tells by itself that the clock was set."""
ASK_EVERY_S = 5.0
LAG_S = 5.0
DISK_LOW_BYTES = 200 * 1024 * 1024

Alive = Callable[[], Awaitable[bool]]
Answers = Callable[[], bool]
"""In a thread: it may wait."""


class Watch:
    """`run` is a task of the daemon."""

    def __init__(
        self,
        clock: Clock,
        bus: Bus,
        state_dir: Path,
        alive: dict[str, Alive],
        answers: dict[str, Answers] | None = None,
    ) -> None:
        self._clock = clock
        self._bus = bus
        self._state_dir = state_dir
        self._alive = alive
        self._answers = answers or {}
        self._jump = JumpWatch(clock)
        self._standing: dict[str, Notice] = {}
        self.parts: dict[str, str] = dict.fromkeys(("loop", *self._alive, *self._answers), "")
        self.lag_s = 0.0
        self.jumps = 0
        self.ticked_at = clock.monotonic()
        self.on_jump: Callable[[float], None] = lambda _by_s: None
        self.on_parts: Callable[[], None] = lambda: None
        """One of `parts` is another now."""

    @property
    def ok(self) -> bool:
        """False: let systemd restart us."""
        return all(code in ("", "disk-full") for code in self.parts.values())

    @property
    def notices(self) -> list[Notice]:
        return list(self._standing.values())

    def notice(self, code: str, detail: str, *, standing: bool = True) -> None:
        """Tell people, once for as long as it stands."""
        if standing and code in self._standing:
            return
        told = Notice(code, detail, self._clock.wall())
        if standing:
            self._standing[code] = told
        self._bus.publish("notice", "", told)
        log.warning("%s: %s", code, detail)

    def clear(self, code: str) -> None:
        if (told := self._standing.pop(code, None)) is not None:
            self._bus.publish("notice", "", Notice(code, told.detail, self._clock.wall(), cleared=True))
            log.info("%s is over", code)

    def store_stands(self, code: str) -> None:
        """The store's last write: its reason code, empty when it went well."""
        for known in ("disk-full", "store-fault", "store-corrupt"):
            if known == code:
                self.notice(code, f"writing into {self._state_dir} failed; live service goes on")
            else:
                self.clear(known)
        self._stands("store", code)

    async def run(self) -> None:
        asked, news = -1, _clock_news(self.look_at_clock)
        try:
            while True:
                self.lag_s = await beat(NEWS_TICK_S if news is not None and news.open else TICK_S)
                self.ticked_at = self._clock.monotonic()
                self._stands("loop", "internal" if self.lag_s > LAG_S else "")
                self.look_at_clock()
                # At the moments at which others look that often.
                turn = round(asyncio.get_running_loop().time() / TICK_S) // round(ASK_EVERY_S / TICK_S)
                if turn != asked:
                    asked = turn
                    await self._ask()
                    self.ticked_at = self._clock.monotonic()
        finally:
            if news is not None:
                news.close()

    def _stands(self, part: str, code: str) -> None:
        if self.parts.get(part) != code:
            self.parts[part] = code
            self.on_parts()

    def look_at_clock(self) -> None:
        if (step := self._jump.jump()) is not None:
            self.jumps += 1
            text = f"the wall clock jumped by {step:+.1f} s; timers and running streams are not touched"
            self.notice("clock-jump", text, standing=False)
            self.on_jump(step)

    async def _ask(self) -> None:
        """At once: each is a thread that is woken and wakes us, together they wake us but once or twice."""
        told, (answered, free) = await asyncio.gather(
            asyncio.gather(*(alive() for alive in self._alive.values())), asyncio.to_thread(self._look)
        )
        for part, well in (*zip(self._alive, told, strict=True), *answered.items()):
            if not well:
                log.error("%s does not answer", part)
                self._stands(part, "internal")
            elif self.parts[part] == "internal":
                self._stands(part, "")
        if isinstance(free, OSError):
            log.warning("%s can not be looked at: %s", self._state_dir, free)
        elif free < DISK_LOW_BYTES:
            self.notice("disk-low", f"{free // 2**20} MB left on the disk of {self._state_dir}")
        elif free > DISK_LOW_BYTES * 1.2:
            self.clear("disk-low")

    def _look(self) -> tuple[dict[str, bool], int | OSError]:
        """In a thread: who answers there, and how much room there is."""
        answered = {part: answers() for part, answers in self._answers.items()}
        try:
            return answered, shutil.disk_usage(self._state_dir).free
        except OSError as exc:
            return answered, exc


def _clock_news(called: Callable[[], None]) -> ClockNews | None:
    try:
        return ClockNews(called)
    except OSError as exc:
        log.info("the kernel does not tell when the clock is set, it is looked at each second: %s", exc)
        return None
