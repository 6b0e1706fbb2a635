"""An event loop whose time stands still until a test advances it.

A test marked `@by_hand` runs on it; `await advance(5.0)` runs every timer of the next five seconds in order, each at
its own time, with all that follows from it, and returns.

Threads are real, and take no time of this clock: it stands still until what a thread was given to do is done. Else the
patience of whoever waits for it would be over by the clock's next step, or not, as the machine is fast. What is not
done after `HANGS_S` of real time hangs, which some tests want: the clock goes on without it.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from gateway.store.store import Store

SPIN = 12
"""Turns of the loop given to what a timer sets off, before the next one."""
HANGS_S = 20.0
"""Much more than a busy machine's thread needs. A test that wants a thread to hang sets less."""


class HandLoop(asyncio.SelectorEventLoop):
    """`time()` moves by `advance` only."""

    def __init__(self) -> None:
        super().__init__()
        self._by_hand = 1000.0
        self._given: dict[asyncio.Future[Any] | Future[Any], float] = {}
        """What threads do now, and since when (real time)."""

    def time(self) -> float:
        return self._by_hand

    def next_timer(self) -> float | None:
        times = [handle.when() for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
        return min(times, default=None)

    def move_to(self, when: float) -> None:
        self._by_hand = max(self._by_hand, when)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        job = super().run_in_executor(executor, func, *args)
        self.given(job)
        return job

    def given(self, job: asyncio.Future[Any] | Future[Any]) -> None:
        """To a thread: time waits for it."""
        self._given[job] = time.monotonic()

    @property
    def threads_work(self) -> bool:
        since = time.monotonic() - HANGS_S
        self._given = {job: began for job, began in self._given.items() if not job.done()}
        return any(began > since for began in self._given.values())


def by_hand(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on a HandLoop. One that hangs in real time is ended by pytest's own means."""

    @functools.wraps(test)
    def runs(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=HandLoop) as runner:
            runner.run(test(*args, **kwargs))

    return runs


def on_hand_time(store: Store) -> None:
    """Time waits for what this store's thread writes as well."""
    loop, put = asyncio.get_running_loop(), store.db._put
    assert isinstance(loop, HandLoop)

    def given(*what: Any) -> Future[Any]:
        job = put(*what)
        loop.given(job)
        return job

    store.db._put = given  # type: ignore[method-assign]


async def settle() -> None:
    """Let everything that can run without time passing run."""
    loop = asyncio.get_running_loop()
    for _ in range(SPIN):
        await asyncio.sleep(0)
    while isinstance(loop, HandLoop) and loop.threads_work:
        time.sleep(0.0002)  # noqa: ASYNC251  (for the thread; this loop has nothing else to do)
        for _ in range(SPIN):
            await asyncio.sleep(0)


async def advance(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, HandLoop), "this test's loop runs on real time"
    end = loop.time() + seconds
    await settle()
    while (when := loop.next_timer()) is not None and when <= end:
        loop.move_to(when)
        await settle()
    loop.move_to(end)
    await settle()
