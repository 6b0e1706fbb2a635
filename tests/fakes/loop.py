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
import selectors
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from gateway.store.store import Store

SPIN = 12
"""Turns of the loop given to what a timer sets off, before the next one."""
HANGS_S = 20.0
"""Much more than a busy machine's thread needs. A test that wants a thread to hang sets less."""
LOOK_S = 0.02


class _Selector(selectors.DefaultSelector):
    """How long the loop sleeps follows from its timers, which are of another time: it looks up now and then."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(LOOK_S if timeout is None else min(timeout, LOOK_S))


class HandLoop(asyncio.SelectorEventLoop):
    """`time()` moves by `advance` only."""

    def __init__(self) -> None:
        super().__init__(_Selector())
        self._by_hand = 1000.0
        self._given: dict[asyncio.Future[Any] | Future[Any], float] = {}
        """What threads do now, and since when (real time)."""
        self._waits: asyncio.Future[None] | None = None
        self.ended = 0
        """Jobs of threads that were seen to be done: whoever waits for one may not have had his turn yet."""

    def time(self) -> float:
        return self._by_hand

    def next_timer(self) -> float | None:
        times = [handle.when() for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
        return min(times, default=None)

    def move_to(self, when: float) -> None:
        self._by_hand = max(self._by_hand, when)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        job = super().run_in_executor(executor, func, *args)
        self.given(job)
        return job

    def given(self, job: asyncio.Future[Any] | Future[Any]) -> None:
        """To a thread: time waits for it."""
        self._given[job] = time.monotonic()

    def wake(self, _job: Future[Any]) -> None:
        """In a thread."""
        with suppress(RuntimeError):  # it is closed
            self.call_soon_threadsafe(lambda: None)

    async def threads(self) -> bool:
        """When none works any more, but such as hang. False: none did."""
        if not self._work():
            return False
        self._waits = self.create_future()
        await self._waits
        return True

    def _work(self) -> bool:
        left = {job: began for job, began in self._given.items() if not job.done()}
        self.ended += len(self._given) - len(left)
        self._given = left
        since = time.monotonic() - HANGS_S if self._given else 0.0
        return any(began > since for began in self._given.values())

    def _run_once(self) -> None:
        if self._waits is not None and not self._work():
            waits, self._waits = self._waits, None
            if not waits.done():
                waits.set_result(None)
        super()._run_once()  # type: ignore[misc]


def by_hand(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on a HandLoop. One that hangs in real time is ended by pytest's own means."""

    @functools.wraps(test)
    def runs(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=HandLoop) as runner:
            runner.run(test(*args, **kwargs))

    return runs


def on_hand_time(store: Store) -> None:
    """Time waits for what is written into this store as well."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, HandLoop)

    put = store.db._put

    def given(*what: Any) -> Future[Any]:
        job = put(*what)
        loop.given(job)
        job.add_done_callback(loop.wake)
        return job

    async def write(job: Any, *, durable: bool = False) -> Any:
        # Not only written: whoever waits for it has heard.
        written = asyncio.wrap_future(store.db._put(job, durable))
        loop.given(written)
        return await written

    store.db._put, store.db.write = given, write  # type: ignore[method-assign]


async def settle() -> None:
    """Let everything that can run without time passing run. What a thread was done with meanwhile has all of its turns
    too, be it in the last of ours."""
    loop = asyncio.get_running_loop()
    while True:
        ended = loop.ended if isinstance(loop, HandLoop) else 0
        for _ in range(SPIN):
            await asyncio.sleep(0)
        if not isinstance(loop, HandLoop):
            return
        if not await loop.threads() and loop.ended == ended:
            return


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
