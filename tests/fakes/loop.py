"""An event loop whose time stands still until a test advances it.

A test marked `@by_hand` runs on it; `await advance(5.0)` runs every timer of the next five seconds in order, each at
its own time, with all that follows from it, and returns. Threads (the store's) are real: await their results as ever.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

SPIN = 12
"""Turns of the loop given to what a timer sets off, before the next one."""


class HandLoop(asyncio.SelectorEventLoop):
    """`time()` moves by `advance` only."""

    def __init__(self) -> None:
        super().__init__()
        self._by_hand = 1000.0

    def time(self) -> float:
        return self._by_hand

    def next_timer(self) -> float | None:
        times = [handle.when() for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
        return min(times, default=None)

    def move_to(self, when: float) -> None:
        self._by_hand = max(self._by_hand, when)


def by_hand(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on a HandLoop. One that hangs in real time is ended by pytest's own means."""

    @functools.wraps(test)
    def runs(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=HandLoop) as runner:
            runner.run(test(*args, **kwargs))

    return runs


async def settle() -> None:
    """Let everything that can run without time passing run."""
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
