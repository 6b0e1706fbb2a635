"""The clock of a session timer: refresh in time, hang up when nobody did (RFC 4028 §10)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.wire.sip.session_timer import SessionTimer


class RefreshClock:
    def __init__(self, timer: SessionTimer, refresh: Callable[[], None], over: Callable[[], None]) -> None:
        self.timer = timer
        self._refresh = refresh
        self._over = over
        self._handles: list[asyncio.TimerHandle] = []

    def restart(self) -> None:
        """A 2xx to INVITE or UPDATE passed: the interval begins anew."""
        self.stop()
        if not self.timer.interval_s:
            return
        loop = asyncio.get_running_loop()
        if self.timer.we_refresh:
            self._handles.append(loop.call_later(self.timer.refresh_after_s, self._refresh))
        self._handles.append(loop.call_later(self.timer.over_after_s, self._over))

    def stop(self) -> None:
        for handle in self._handles:
            handle.cancel()
        self._handles.clear()
