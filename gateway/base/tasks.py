"""A bounded family of background tasks whose failures stay their own; and the beat of those that look now and then."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine
from typing import Any
from weakref import WeakKeyDictionary

from gateway.base.errors import Busy

log = logging.getLogger(__name__)


_moments: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[float, list[asyncio.Future[None]]]] = WeakKeyDictionary()
"""Of each loop: who waits for which moment."""


async def beat(every_s: float) -> float:
    """Sleep to the next whole multiple of `every_s` on the loop's clock, at most so long; how late it was, in seconds.

    Whatever looks at something now and then does so at the same moments, by one timer: a kit at rest is woken once for
    all of it.
    """
    loop = asyncio.get_running_loop()
    due = _next(loop, every_s)
    await _at(loop, due)
    return max(0.0, loop.time() - due)


class Pace:
    """A beat for what follows events and looks by the clock as well: slow, and soon after `stir`. On one loop, for one
    who waits."""

    def __init__(self, soon_s: float) -> None:
        self._soon_s = soon_s
        self._stirred = False
        self._waits: asyncio.Future[None] | None = None

    def stir(self) -> None:
        """Something happened: the next beat is the next multiple of `soon_s`."""
        self._stirred = True
        if self._waits is not None and not self._waits.done():
            self._waits.set_result(None)

    async def beat(self, every_s: float) -> None:
        """As `beat`, unless it is brought forward. What happened while nobody waited counts too."""
        loop = asyncio.get_running_loop()
        if every_s > self._soon_s and not self._stirred:
            self._waits = _at(loop, _next(loop, every_s))
            try:
                await self._waits
            finally:
                self._waits = None
            if not self._stirred:
                return
        self._stirred = False
        await beat(self._soon_s)


def _next(loop: asyncio.AbstractEventLoop, every_s: float) -> float:
    # Timers may ring a hair early.
    return (math.floor(loop.time() / every_s + 0.001) + 1) * every_s


def _at(loop: asyncio.AbstractEventLoop, due: float) -> asyncio.Future[None]:
    moments = _moments.setdefault(loop, {})
    if (waiting := moments.get(due)) is None:
        waiting = moments[due] = []
        loop.call_at(due, _ring, moments, due)
    future: asyncio.Future[None] = loop.create_future()
    waiting.append(future)
    return future


def _ring(moments: dict[float, list[asyncio.Future[None]]], due: float) -> None:
    for future in moments.pop(due):
        if not future.done():
            future.set_result(None)


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
