"""What systemd tells the daemon and hears of it: signals, the outcome of a reload, the watchdog."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Sequence

from gateway.base.errors import GatewayError
from gateway.base.notify import Notifier
from gateway.base.tasks import beat

log = logging.getLogger(__name__)


class UnderSystemd:
    """SIGTERM and SIGINT call `stop`, SIGHUP `reload`, which gives what changed in words; `refused` hears why it did
    not."""

    def __init__(
        self,
        notifier: Notifier,
        stop: Callable[[], None],
        reload: Callable[[], Awaitable[Sequence[str]]],
        refused: Callable[[GatewayError], None],
    ) -> None:
        self._notifier = notifier
        self._stop = stop
        self._reload = reload
        self._refused = refused

    def listen(self) -> None:
        """To signals, from now on, on the running loop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._hangup)

    def _hangup(self) -> None:
        self._hangup_task = asyncio.create_task(self._reloaded(), name="reload")

    async def _reloaded(self) -> None:
        # systemd wants the time of the reload, in microseconds of the monotonic clock.
        self._notifier.tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
        try:
            changes = await self._reload()
        except GatewayError as exc:
            log.error("the configuration is not taken over, the old one stays: %s", exc)
            self._refused(exc)
            self._notifier.tell(READY=1, STATUS=f"configuration refused: {exc}")
            return
        for change in changes:
            log.info("configuration: %s", change)
        if not changes:
            log.info("configuration: nothing changed")
        self._notifier.tell(READY=1, STATUS="configuration reloaded")

    async def feed(self, healthy: Callable[[], bool]) -> None:
        """The watchdog hears of us only while loop, store and media plane answer."""
        if not self._notifier.watchdog_s:
            return
        while True:
            if healthy():
                self._notifier.tell(WATCHDOG=1)
            await beat(_often(self._notifier.watchdog_s))


def _often(watchdog_s: float) -> float:
    """A third of its patience; in whole seconds where that is some, to be woken with others."""
    return float(int(watchdog_s / 3)) or watchdog_s / 3
