"""A bounded family of background tasks whose failures stay their own; and the beat of those that look now and then."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.base.errors import Busy

log = logging.getLogger(__name__)


async def beat(every_s: float) -> float:
    """Sleep to the next whole multiple of `every_s` on the loop's clock, at most so long; how late it was, in seconds.

    Whatever looks at something now and then does so at the same moments: a kit at rest is woken once for all of it.
    """
    loop = asyncio.get_running_loop()
    now = loop.time()
    # Timers may ring a hair early.
    due = (math.floor(now / every_s + 0.001) + 1) * every_s
    await asyncio.sleep(due - now)
    return max(0.0, loop.time() - due)


class Nest:
    """Children run until they end or the nest closes; a child that fails is logged (and told to `on_error`) and its
    siblings go on. Full means Busy.

    `asyncio.TaskGroup` is the right thing where one child's failure is everybody's; this is for children that serve
    strangers (a request, a connection).
    """

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def start(
        self,
        work: Coroutine[Any, Any, None],
        name: str,
        on_error: Callable[[Exception], None] | None = None,
    ) -> asyncio.Task[None]:
        """Run `work` as a child. Raises Busy when the nest is full or closed (the coroutine is closed unrun)."""
        if self._closed or len(self._tasks) >= self.limit:
            work.close()
            raise Busy(f"{self.name}: {len(self._tasks)} tasks run, no more are started")
        task = asyncio.get_running_loop().create_task(self._guard(work, name, on_error), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Cancelled before its first step, the coroutine would warn of never having been awaited.
        task.add_done_callback(lambda _: work.close())
        return task

    async def close(self) -> None:
        """Cancel every child and wait for its clean-up."""
        self._closed = True
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guard(
        self, work: Coroutine[Any, Any, None], name: str, on_error: Callable[[Exception], None] | None
    ) -> None:
        try:
            await work
        except Exception as exc:
            if on_error is None:
                log.exception("%s: %s failed", self.name, name)
                return
            try:
                on_error(exc)
            except Exception:
                log.exception("%s: %s failed, and so did its clean-up", self.name, name)
