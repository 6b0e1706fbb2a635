"""Kits in turn: a flood of one keeps nobody else waiting."""

from __future__ import annotations

import asyncio

from adapters.mqtt.turns import ALL_BYTES, EACH_BYTES, MOST_EACH, Turns


async def test_each_kit_has_its_turn_whoever_sends_most() -> None:
    turns: Turns[int] = Turns()
    taken = [turns.put("flood", number, 10) for number in range(MOST_EACH + 5)]
    assert taken == [True] * MOST_EACH + [False] * 5
    assert turns.put("one", 100, 10) and turns.put("two", 200, 10) and turns.put("one", 101, 10)
    order = []
    for _ in range(6):
        kit, thing = await turns.take()
        order.append((kit, thing))
        turns.done(kit)
    assert order == [("flood", 0), ("one", 100), ("two", 200), ("flood", 1), ("one", 101), ("flood", 2)]
    assert len(turns) == MOST_EACH - 3


async def test_a_kits_messages_are_worked_on_one_at_a_time_in_their_order() -> None:
    turns: Turns[int] = Turns()
    turns.put("kit7", 1, 1)
    kit, first = await turns.take()
    turns.put("kit7", 2, 1)
    turns.put("kit8", 3, 1)
    assert await turns.take() == ("kit8", 3), "kit7 is being worked on"
    waiting = asyncio.ensure_future(turns.take())
    await asyncio.sleep(0)
    assert (kit, first) == ("kit7", 1) and not waiting.done()
    turns.done("kit8")
    turns.done("kit7")
    assert await waiting == ("kit7", 2)
    turns.done("kit7")
    assert turns.put("kit7", 4, 1) and await turns.take() == ("kit7", 4)


async def test_bytes_are_bounded_of_each_and_of_all() -> None:
    turns: Turns[int] = Turns()
    assert turns.put("large", 1, EACH_BYTES * 2), "a single message may be larger"
    assert not turns.put("large", 2, 1)
    kits = 0
    while turns.put(f"kit{kits}", 1, EACH_BYTES):
        kits += 1
    assert kits == ALL_BYTES // EACH_BYTES - 2
    await turns.take()
    assert turns.put("another", 1, EACH_BYTES)
