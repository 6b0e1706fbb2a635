"""Announcements of cameras: how many are read, and when the network is asked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.onvif import hello
from adapters.onvif.hello import ASK_EVERY_S, MAX_PER_S, REOPEN_S, Hello
from gateway.wire import wsd
from tests.fakes.loop import advance, by_hand

VECTOR = (Path(__file__).parents[2] / "vectors" / "wsd" / "hello.xml").read_bytes()


def test_a_flood_is_read_up_to_its_bound_and_the_next_second_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(hello, "time", type("", (), {"monotonic": lambda: now[0]}))
    told: list[Any] = []
    ear = Hello(lambda *one: told.append(one))
    for _ in range(5 * MAX_PER_S):
        ear._heard(VECTOR, "192.0.2.9", 3702, "eth0")
    assert len(told) == ear.heard == MAX_PER_S
    now[0] += 1.0
    ear._heard(VECTOR, "192.0.2.9", 3702, "eth0")
    assert len(told) == MAX_PER_S + 1


class Network:
    """A group that nobody else is in."""

    deaf = ""

    def __init__(self, *_: Any) -> None:
        self.closed = False
        ALL.append(self)

    def ask(self, question: bytes) -> None:
        ASKED.append((asyncio.get_running_loop().time(), question))

    def close(self) -> None:
        self.closed = True


ALL: list[Network] = []
ASKED: list[tuple[float, bytes]] = []


@by_hand
async def test_many_wishes_are_one_question_and_nothing_ticks_between_them() -> None:
    ALL.clear()
    ASKED.clear()
    patch = pytest.MonkeyPatch()
    patch.setattr(hello, "Group", Network)
    ear = Hello(lambda *_: None)
    task = asyncio.create_task(ear.run())
    try:
        await advance(0.1)
        first, each = ASKED[0][0], len(wsd.TYPES)
        assert len(ASKED) == each
        for _ in range(3):
            ear.seek()
            await advance(0.5)
        assert len(ASKED) == each, "asked too soon"
        await advance(ASK_EVERY_S)
        assert len(ASKED) == 2 * each and ASKED[-1][0] - first >= ASK_EVERY_S
        loop: Any = asyncio.get_running_loop()
        assert loop.next_timer() - loop.time() > ASK_EVERY_S, "it waits for a wish, or to join anew"
        await advance(REOPEN_S)
        assert [one.closed for one in ALL] == [True, False]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        patch.undo()
    assert all(one.closed for one in ALL)
