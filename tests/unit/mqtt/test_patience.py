"""An answer is waited for while something moves, and no longer than that."""

from __future__ import annotations

import asyncio
import socket

import pytest

from adapters.mqtt.patience import MOST_TIMES, Patience, unacknowledged
from tests.fakes.loop import advance, by_hand


@by_hand
async def test_while_something_moves_it_is_waited_for() -> None:
    moved, answer = [0], asyncio.get_running_loop().create_future()

    async def ask() -> str:
        async with Patience(4.0, lambda: moved[0]):
            return await answer

    asked = asyncio.ensure_future(ask())
    for _ in range(20):
        await advance(3.0)
        moved[0] += 1
    assert not asked.done()
    answer.set_result("it")
    assert await asked == "it"


@by_hand
async def test_where_nothing_moves_it_ends_in_time() -> None:
    async def ask(progress: object) -> None:
        async with Patience(4.0, lambda: progress):
            await asyncio.get_running_loop().create_future()

    asked = asyncio.ensure_future(ask(1))
    await advance(3.9)
    assert not asked.done()
    await advance(2.2)
    with pytest.raises(TimeoutError):
        await asked


@by_hand
async def test_a_far_side_that_has_it_all_may_look_in_its_store_first() -> None:
    arrived = [True]

    async def ask() -> None:
        async with Patience(4.0, lambda: 1, lambda: arrived[0]):
            await asyncio.get_running_loop().create_future()

    asked = asyncio.ensure_future(ask())
    await advance(7.4)
    assert not asked.done(), "NATS waits for its store for five seconds"
    await advance(2.2)
    with pytest.raises(TimeoutError):
        await asked
    asked = asyncio.ensure_future(ask())
    await advance(3.0)
    arrived[0] = False
    await advance(2.0)
    with pytest.raises(TimeoutError):
        await asked


@by_hand
async def test_pings_do_not_lengthen_what_a_busy_far_side_has() -> None:
    """They go to and fro each five seconds, whoever forgot to answer."""
    moved = [0]

    async def ask() -> None:
        async with Patience(4.0, lambda: moved[0], lambda: True):
            await asyncio.get_running_loop().create_future()

    asked = asyncio.ensure_future(ask())
    for _ in range(2):
        await advance(5.0)
        moved[0] += 1
    await advance(1.0)
    with pytest.raises(TimeoutError):
        await asked


@by_hand
async def test_it_ends_though_something_moves_for_ever() -> None:
    moved = [0]

    def progress() -> int:
        moved[0] += 1
        return moved[0]

    async def ask() -> None:
        async with Patience(4.0, progress):
            await asyncio.get_running_loop().create_future()

    asked = asyncio.ensure_future(ask())
    for _ in range(MOST_TIMES + 2):
        await advance(4.0)
    with pytest.raises(TimeoutError):
        await asked


def test_what_the_far_side_has_not_acknowledged_is_counted() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert unacknowledged(one.fileno()) == 0
        one.send(b"x" * 1000)
        assert unacknowledged(one.fileno()) > 0
    assert unacknowledged(one.fileno()) == 0, "a socket that is closed"
