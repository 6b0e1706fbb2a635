"""Live figures: how often the media plane is asked."""

from __future__ import annotations

import asyncio

from gateway.core.figures import EVERY_S, REST_TICKS
from tests.fakes.loop import advance
from tests.unit.core.house import House, housed


def asked(house: House) -> list[float]:
    """When it is asked from now on; each time is answered before it counts."""
    once, times = house.core.figures.once, []

    async def noted() -> None:
        await once()
        times.append(asyncio.get_running_loop().time())

    house.core.figures.once = noted  # type: ignore[method-assign]
    return times


async def until(times: list[float], count: int) -> None:
    for _ in range(1000):
        if len(times) >= count:
            return
        await advance(EVERY_S / 10)
    raise AssertionError(f"asked {len(times)} times")


@housed
async def test_a_media_plane_at_rest_is_seldom_asked(house: House) -> None:
    times = asked(house)
    await until(times, 2)
    # Ticks are at whole moments of the loop's clock: the first may have been late by more than the second.
    assert times[1] - times[0] > EVERY_S * (REST_TICKS - 1)
    # Something is open: every second, from the next one on.
    stream = house.engine.open_stream("a")
    house.core.plane.on_stream(stream, lambda _event: None)
    times.clear()
    began = asyncio.get_running_loop().time()
    await until(times, 3)
    assert times[-1] - began < EVERY_S * REST_TICKS
    assert house.core.figures.engine["streams"] == 1
    house.core.plane.forget_stream(stream)
    house.engine.close_stream(stream)
