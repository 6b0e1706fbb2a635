"""Live figures: how often the media plane is asked, and who gets them when."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from gateway.core.figures import EVERY_S, NO_PICTURE_S, REST_S, STIRRED_S
from gateway.model.principal import SYSTEM
from tests.fakes.loop import advance
from tests.unit.core.house import VIEWER, House, housed
from tests.unit.core.test_streams import STREAM, Source, goes_live, turn


def asked(house: House) -> list[float]:
    """When it is asked from now on; each time is answered before it counts."""
    once, times = house.core.figures.once, []

    async def noted() -> None:
        await once()
        times.append(asyncio.get_running_loop().time())

    house.core.figures.once = noted  # type: ignore[method-assign]
    return times


@housed
async def test_a_media_plane_at_rest_is_not_asked_and_one_that_nobody_looks_at_seldom(house: House) -> None:
    times = asked(house)
    await advance(3 * REST_S)
    assert times == [], "nothing is open"
    house.core.streams.offer(Source().offer(on_demand=False))
    await goes_live(house)
    await advance(REST_S)
    assert len(times) >= STIRRED_S - EVERY_S, "it came just now"
    assert house.core.figures.engine["streams"] == 1
    times.clear()
    await advance(5 * REST_S)
    assert len(times) == 5 and all(b - a == REST_S for a, b in pairwise(times))


@housed
async def test_who_watches_and_hears_has_figures_each_second(house: House) -> None:
    house.core.streams.offer(Source().offer(on_demand=False))
    await goes_live(house)
    await advance(2 * REST_S)
    times = asked(house)
    async with house.core.streams.view(STREAM, VIEWER, "whep"):
        await advance(2 * REST_S)
        assert len(times) < REST_S, "nobody hears of it"
        times.clear()
        async with house.core.bus.subscribe(SYSTEM, types=["alarm"]):
            await advance(2 * REST_S)
            assert len(times) < REST_S, "nobody hears of streams"
        async with house.core.bus.subscribe(SYSTEM, types=["stream"]) as events:
            times.clear()
            began = asyncio.get_running_loop().time()
            await advance(1.1 * EVERY_S)
            assert times and times[0] - began <= EVERY_S, "from the next second on"
            await advance(20 * EVERY_S)
            assert len(times) >= 20 and all(b - a == EVERY_S for a, b in pairwise(times))
            assert len(events._waiting) >= 20


@housed
async def test_who_comes_and_looks_has_figures_of_now(house: House) -> None:
    house.core.streams.offer(Source().offer(on_demand=False))
    await goes_live(house)
    await advance(2 * REST_S + EVERY_S * 4)
    times, now = asked(house), asyncio.get_running_loop().time()
    await asyncio.gather(*(house.core.figures.fresh() for _ in range(5)))
    assert times == [now], "one question for all who come at once"
    await advance(EVERY_S / 2)
    await house.core.figures.fresh()
    assert len(times) == 1, "they are of the last second"
    await advance(EVERY_S)
    await house.core.figures.fresh()
    assert len(times) == 2


@housed
async def test_sound_without_a_picture_is_found_though_nobody_looks(house: House) -> None:
    house.core.streams.offer(Source().offer(on_demand=False))
    await advance(2 * REST_S)
    leg = house.engine.newest_leg(STREAM)
    house.engine.media(leg)
    house.engine.track(house.engine.legs[leg], "pcma")
    await turn()
    await advance(NO_PICTURE_S - EVERY_S)
    assert house.core.streams.status(STREAM).code != "audio-only"
    await advance(2.5 * EVERY_S)
    assert house.core.streams.status(STREAM).code == "audio-only"
