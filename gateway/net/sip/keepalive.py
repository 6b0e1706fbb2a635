"""CRLF CRLF on connections, so that NATs keep them and a dead one is known (RFC 5626 §4.4.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PONG_S = 10.0


class KeepAlive:
    """Pings one connection. `pong_s` after a ping without any byte from the peer `dead` is called, once."""

    def __init__(
        self,
        every_s: float,
        ping: Callable[[], bool],
        heard_at: Callable[[], float],
        clock: Callable[[], float],
        dead: Callable[[], None],
        *,
        pong_s: float = PONG_S,
    ) -> None:
        self._every_s = every_s
        self._pong_s = pong_s
        self._ping = ping
        self._heard_at = heard_at
        self._clock = clock
        self._dead = dead
        self._handle: asyncio.TimerHandle | None = None
        self._pinged = 0.0
        self._next()

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _next(self) -> None:
        self._handle = asyncio.get_running_loop().call_later(self._every_s, self._now)

    def _now(self) -> None:
        self._pinged = self._clock()
        if not self._ping():
            self._handle = None
            return
        self._handle = asyncio.get_running_loop().call_later(self._pong_s, self._judge)

    def _judge(self) -> None:
        if self._heard_at() < self._pinged:
            self._handle = None
            self._dead()
        else:
            self._next()
