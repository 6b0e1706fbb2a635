"""An hour at a time old rows go and the database is copied, and a copy that fails ends nothing."""

from __future__ import annotations

import asyncio

import pytest

from gateway.base.errors import GatewayError
from gateway.core.housekeeping import EVERY_S, FIRST_S
from tests.fakes.loop import advance
from tests.unit.core.house import House, housed


@housed
async def test_it_goes_on_hour_by_hour(house: House) -> None:
    store, done, before = house.core.store, asyncio.Event(), []

    async def backup() -> None:
        done.set()
        raise GatewayError("no room", code="disk-full")

    store.backup = backup  # type: ignore[method-assign]
    store.positions.prune = before.append  # type: ignore[method-assign]
    await advance(FIRST_S - 1)
    assert before == []
    for round_ in range(3):
        await advance(1 if round_ == 0 else EVERY_S)
        await asyncio.wait_for(done.wait(), None)
        done.clear()
        assert len(before) == round_ + 1
        assert before[-1] == pytest.approx(house.clock.wall() - house.config.store.trail_keep, abs=1.0)
