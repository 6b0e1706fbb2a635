"""Time that is moved by hand waits for threads, but not for one that hangs."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from gateway.store.store import Store
from tests.fakes import loop
from tests.fakes.loop import advance, by_hand, on_hand_time


@by_hand
async def test_a_threads_work_takes_no_time_of_the_hand() -> None:
    async with asyncio.timeout(1.0):
        working = asyncio.create_task(asyncio.to_thread(time.sleep, 0.1))
        await advance(0.5)
        assert working.done()


@by_hand
async def test_nor_does_what_a_store_writes(tmp_path: Path) -> None:
    store = Store(tmp_path, b"k")
    on_hand_time(store)
    written = asyncio.create_task(store.db.write(lambda _conn: time.sleep(0.1)))
    await advance(0.5)
    assert written.done()
    store.close()


@by_hand
async def test_one_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "HANGS_S", 0.05)
    released = threading.Event()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            waits = asyncio.create_task(asyncio.to_thread(released.wait, 20))
            await advance(1.5)
    assert not waits.done()
    released.set()
    assert await waits
