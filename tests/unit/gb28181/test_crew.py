from __future__ import annotations

import asyncio
import logging

import pytest

from adapters.gb28181.crew import Crew
from gateway.base.errors import LinkDown


async def test_it_is_bounded_and_says_so() -> None:
    crew = Crew("kit1/ball-1", 2)
    gate = asyncio.Event()

    async def wait() -> None:
        await gate.wait()

    assert crew.start(wait(), "a") and crew.start(wait(), "b")
    assert not crew.start(wait(), "c")
    gate.set()
    await crew.drain(5)
    assert len(crew) == 0 and crew.start(wait(), "d")
    await crew.close()


async def test_failures_stay_their_own(caplog: pytest.LogCaptureFixture) -> None:
    crew = Crew("kit1/ball-1", 4)

    async def gone() -> None:
        raise LinkDown("no answer")

    async def bug() -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.INFO):
        crew.start(gone(), "asking")
        crew.start(bug(), "counting")
        await crew.drain(5)
    assert [r.levelname for r in caplog.records] == ["INFO", "ERROR"]


async def test_closing_cancels() -> None:
    crew = Crew("kit1/ball-1", 4)
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def forever() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    crew.start(forever(), "waiting")
    await asyncio.wait_for(started.wait(), 5)
    await crew.close()
    assert cancelled.is_set() and len(crew) == 0
