"""Cameras stop by themselves, belong to one at a time, and are told no more than they can take."""

from __future__ import annotations

import asyncio

import pytest

from gateway.base.errors import Busy, PeerError, Unsupported
from gateway.contract.device import ChannelReport
from gateway.model.device import Capabilities, DeviceState
from gateway.model.ids import ChannelRef
from gateway.model.ptz import LensMove, PtzMove
from tests.fakes.device import FakeHandler
from tests.fakes.loop import advance, settle
from tests.unit.core.house import OPERATOR, OTHER, TECHNICIAN, House, housed

REF = ChannelRef("kit1", "ball-1", "ch1")
LEFT, RIGHT = PtzMove(pan=-0.5), PtzMove(pan=0.5)


async def camera(house: House) -> FakeHandler:
    handler = FakeHandler()
    id_ = await house.core.devices.admit("gb28181", "1", slug="ball-1", by="t")
    hold = house.core.devices.attach(id_, handler)
    hold.channels([
        ChannelReport("a", "A", capabilities=Capabilities(ptz=True, focus=True)),
        ChannelReport("b", "fixed"),
    ])  # fmt: skip
    hold.state(DeviceState.ONLINE)
    return handler


@housed
async def test_a_move_that_is_not_renewed_is_stopped_three_times(house: House) -> None:
    handler, ptz = await camera(house), house.core.ptz
    await ptz.move(OPERATOR, REF, LEFT)
    await advance(0.99)
    assert handler.stops == []
    await advance(1.0)
    began = handler.moves[0][0]
    assert [round(at - began, 2) for at in handler.stops] == [1.0, 1.15, 1.4]


@housed
async def test_renewing_keeps_it_moving_and_repeats_rarely(house: House) -> None:
    handler, ptz = await camera(house), house.core.ptz
    for _ in range(20):
        await ptz.move(OPERATOR, REF, LEFT)
        await advance(0.2)
    assert handler.stops == []
    assert 9 <= len(handler.moves) <= 11, "the same move is sent again each 0.4 s at most"


@housed
async def test_stop_is_sent_at_once_and_a_new_move_ends_its_repeats(house: House) -> None:
    handler, ptz = await camera(house), house.core.ptz
    await ptz.move(OPERATOR, REF, LEFT)
    await ptz.stop(OPERATOR, REF)
    assert len(handler.stops) == 1
    await advance(0.1)
    await ptz.move(OPERATOR, REF, RIGHT)
    await advance(0.5)
    assert len(handler.stops) == 1 and handler.moves[-1][1] == RIGHT


@housed
async def test_a_stop_overtakes_a_move_that_hangs(house: House) -> None:
    handler, ptz = await camera(house), house.core.ptz
    handler.hangs = True
    moving = asyncio.create_task(ptz.move(OPERATOR, REF, LEFT))
    await settle()
    handler.hangs = False
    await ptz.stop(OPERATOR, REF)
    await moving
    assert handler.moves[-1][1].is_stop


@housed
async def test_quick_moves_become_the_latest(house: House) -> None:
    handler, ptz = await camera(house), house.core.ptz
    await ptz.move(OPERATOR, REF, LEFT)
    moves = [asyncio.create_task(ptz.move(OPERATOR, REF, PtzMove(pan=n / 100))) for n in range(1, 51)]
    await settle()
    await advance(0.11)
    await asyncio.gather(*moves)
    assert [m.pan for _, m in handler.moves] == [-0.5, 0.5]


@housed
async def test_one_holds_it_and_a_higher_role_takes_it(house: House) -> None:
    handler, ptz = await camera(house), house.core.ptz
    assert await ptz.move(OPERATOR, REF, LEFT)
    assert not await ptz.move(OPERATOR, REF, LEFT), "a renewal takes nothing new"
    with pytest.raises(Busy) as held:
        await ptz.move(OTHER, REF, RIGHT)
    assert held.value.code == "ptz-held" and "otto" in str(held.value)
    moving = asyncio.create_task(ptz.move(TECHNICIAN, REF, RIGHT))
    await advance(0.2)
    assert await moving
    holder = ptz.holder(str(REF))
    assert holder is not None and holder.name == "tina"
    await advance(1.0 + house.config.ptz.keep + 0.1)
    assert ptz.holder(str(REF)) is None
    assert await ptz.move(OTHER, REF, LEFT)
    assert handler.moves[-1][1] == LEFT


@housed
async def test_anybody_may_stop_and_the_lens_stops_as_well(house: House) -> None:
    handler, ptz = await camera(house), house.core.ptz
    await ptz.lens(OPERATOR, REF, LensMove(focus=1.0))
    await ptz.stop(OTHER, REF)
    await advance(1.0)
    assert handler.lenses[0] == LensMove(focus=1.0) and set(handler.lenses[1:]) == {LensMove()}


@housed
async def test_refusals_are_told(house: House) -> None:
    handler, ptz = await camera(house), house.core.ptz
    with pytest.raises(Unsupported) as fixed:
        await ptz.move(OPERATOR, ChannelRef("kit1", "ball-1", "ch2"), LEFT)
    assert fixed.value.code == "no-ptz"
    handler.failing = PeerError("403", status=403)
    with pytest.raises(PeerError):
        await ptz.move(OPERATOR, REF, LEFT)
    await advance(2.0)
    assert len(handler.stops) == 3, "the device may have moved all the same: the stop is tried"


@housed
async def test_cameras_stop_when_the_daemon_does(house: House) -> None:
    handler = await camera(house)
    await house.core.ptz.move(OPERATOR, REF, LEFT, hold_s=5.0)
    closing = asyncio.create_task(house.core.ptz.close())
    await advance(1.0)
    await closing
    assert len(handler.stops) == 3
