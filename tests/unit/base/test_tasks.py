"""What looks now and then does so at the same moments."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from gateway.base.tasks import Pace, beat
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


@by_hand
async def test_many_who_look_are_woken_by_one_timer() -> None:
    loop = asyncio.get_running_loop()
    tasks = [asyncio.create_task(beat(every_s)) for every_s in (1.0, 1.0, 2.0, 2.0)]
    await settle()
    timers = [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
    assert len(timers) == len({handle.when() for handle in timers}), "one for each moment"
    tasks[0].cancel()
    await advance(2.0)
    assert [task.cancelled() for task in tasks] == [True, False, False, False]
    assert all(task.done() for task in tasks)


@by_hand
async def test_what_happens_brings_the_next_look_forward() -> None:
    loop, pace = asyncio.get_running_loop(), Pace(1.0)
    looked: list[float] = []

    async def looks() -> None:
        while True:
            await pace.beat(5.0)
            looked.append(loop.time())

    loop.move_to(2000.0)  # type: ignore[attr-defined]
    task = asyncio.create_task(looks())
    await advance(7.3)
    assert looked == [2005.0]
    pace.stir()
    pace.stir()
    await advance(0.6)
    assert looked == [2005.0], "at the moment at which others look too"
    await advance(7.0)
    assert looked == [2005.0, 2008.0, 2010.0], "once, however often it was told"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    pace.stir()  # while nobody waits
    loop.move_to(2020.2)  # type: ignore[attr-defined]
    task = asyncio.create_task(pace.beat(5.0))
    await advance(1.0)
    assert task.done()
