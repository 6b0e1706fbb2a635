"""What looks now and then does so at the same moments."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from gateway.base.tasks import beat
from tests.fakes.loop import advance, by_hand, settle


@by_hand
async def test_who_looks_now_and_then_looks_at_the_same_moments() -> None:
    loop = asyncio.get_running_loop()
    looked: list[tuple[float, float]] = []

    async def looks(every_s: float) -> None:
        while True:
            assert await beat(every_s) == 0.0
            looked.append((loop.time(), every_s))

    tasks = []
    for every_s in (1.0, 2.0, 5.0):
        tasks.append(asyncio.create_task(looks(every_s)))
        await advance(0.3)  # none begins when another does
    began, looked[:] = loop.time(), []
    await advance(20.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert {at for at, _ in looked} == {at for at, every_s in looked if every_s == 1.0}, "one waking for all"
    for every_s in (1.0, 2.0, 5.0):
        times = [at for at, of in looked if of == every_s]
        assert len(times) == 20 / every_s
        assert times[0] - began <= every_s
        assert all(b - a == every_s for a, b in pairwise(times))


@by_hand
async def test_a_loop_that_stood_still_is_late_by_so_much() -> None:
    task = asyncio.create_task(beat(1.0))
    await settle()
    loop = asyncio.get_running_loop()
    loop.move_to(loop.time() + 7.5)  # type: ignore[attr-defined]
    assert await task == 6.5


@by_hand
async def test_a_timer_that_rings_early_does_not_ring_twice() -> None:
    loop = asyncio.get_running_loop()
    loop.move_to(2000.0 - 1e-6)  # type: ignore[attr-defined]
    task = asyncio.create_task(beat(1.0))
    await advance(0.5)
    assert not task.done()
    await advance(0.6)
    assert task.done()
