"""Background work of the adapter: a bounded number of tasks a device, whose failures are said and stay their own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from gateway.base.errors import GatewayError

log = logging.getLogger(__name__)


class Crew:
    """Tasks that belong to one device, or to the adapter. `close` cancels what still runs and waits for it."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], what: str) -> bool:
        """False, and the work is not begun, when the crew is full: the caller says what that means."""
        if len(self._tasks) >= self._limit:
            work.close()
            return False
        task = asyncio.create_task(self._guard(work, what), name=f"gb28181 {self._name} {what}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # One that is cancelled before its first step has never touched its work.
        task.add_done_callback(lambda _: work.close())
        return True

    async def _guard(self, work: Coroutine[Any, Any, None], what: str) -> None:
        try:
            await work
        except GatewayError as exc:
            log.info("%s: %s: %s", self._name, what, exc)
        except Exception:
            # A bug of ours in the work for one device must not take the others with it.
            log.exception("%s: %s failed", self._name, what)

    async def drain(self, timeout_s: float) -> None:
        """Let what runs come to its end, for so long."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=timeout_s)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._tasks)
