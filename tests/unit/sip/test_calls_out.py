"""Calls that go out: ways tried in order, seats, ends."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any, cast

import pytest

from adapters.sip.calls import CallManager
from adapters.sip.engine import PictureLine, VideoWish
from adapters.sip.engine_choice import EngineChoice
from adapters.sip.native import NativeEngine
from adapters.sip.routing import MediaPolicy
from gateway.base.errors import Busy, Denied, LinkDown, NotFound, PeerError
from gateway.model.voice import CallState
from tests.fakes.loop import advance, by_hand
from tests.unit.sip.calls_rig import H264, VIDEO_OFFER, Rig, left_over, until_over
from tests.unit.sip.fake_legs import FakeIncoming, FakeSip
from tests.unit.sip.fakes import (
    WHO,
    FakeContext,
    FakeRouting,
    media_plane,
    origin,
    route,
)


async def test_a_number_is_dialled_and_gets_a_conversation_of_its_own(rig: Rig) -> None:
    rig.routing.routes = [route()]
    rig.sip.answers = ["ok"]
    hold = await rig.dial()
    await hold.until(CallState.UP)
    assert rig.context.talk.seats[0].group == hold.status.target and hold.status.trunk == "center"
    await hold.handler.hang_up(WHO)
    assert (await until_over(hold))[0] == "hung-up"


async def test_a_member_of_a_group_is_seated_there_once_it_answers(rig: Rig) -> None:
    rig.routing.routes = [route()]
    hold = await rig.dial("8002", "kit1/talk/ops")
    leg = await rig.sip.leg(0)
    assert not rig.context.talk.seats
    leg.owner.leg_ringing(cast(Any, leg))
    assert hold.stands(CallState.RINGING)
    leg.answer()
    await hold.until(CallState.UP)
    async with asyncio.timeout(5):
        await rig.context.talk.sat.wait()
    assert rig.context.talk.seats[0].member == "sip:8002" and rig.context.talk.seats[0].group == "kit1/talk/ops"


async def test_a_call_from_a_ball_shows_it_and_converses_with_it(rig: Rig) -> None:
    rig.routing.routes = [route()]
    hold = await rig.dial("8002", "kit1/ball-1/ch1", video=True)
    leg = await rig.sip.leg(0)
    stream = rig.context.streams.known["kit1/ball-1/ch1"]
    assert leg.did[0][2] == VideoWish(send=True, receive=True, near=stream)
    assert rig.routing.behalf == ["kit1/ball-1/ch1"] and not rig.context.talk.seats
    leg.answer()
    await hold.until(CallState.UP)
    leg.flow(video=PictureLine(7, (H264,), (H264,), "h264"))
    await asyncio.sleep(0)
    assert [seat.group for seat in rig.context.talk.seats] == ["kit1/talk/with-ch1"]
    assert len(rig.engine.subscriptions) == 1 and "kit1/call-1/ch1" in rig.context.streams.published


async def test_a_call_from_a_ball_whose_picture_the_caller_may_not_see_is_without(rig: Rig) -> None:
    rig.routing.routes = [route()]
    rig.context.streams.denied = True
    hold = await rig.dial("8002", "kit1/ball-1/ch1", video=True)
    leg = await rig.sip.leg(0)
    assert leg.did[0][2] == VideoWish(receive=True) and hold.status.code == "denied"
    leg.answer()
    await hold.until(CallState.UP)


async def test_no_picture_is_a_trouble_only_where_one_was_wanted(rig: Rig) -> None:
    rig.routing.routes = [route()]
    rig.sip.answers = ["ok", "ok"]
    for index, video in enumerate((False, True)):
        hold = await rig.dial(video=video)
        await hold.until(CallState.UP)
        rig.sip.legs[index].flow(no_video="sound only")
        assert (hold.status.code, hold.status.detail) == (("no-picture", "sound only") if video else ("", ""))


async def test_the_trunk_by_which_it_goes_is_the_call_s(rig: Rig) -> None:
    rig.routing.routes = [route("a"), replace(route("b"), trunk="spare")]
    rig.sip.answers = [PeerError("x", status=503), "ok"]
    hold = await rig.dial()
    await hold.until(CallState.UP)
    assert hold.status.trunk == "spare" and rig.manager.calls_of("spare") == 1


async def test_the_next_way_is_tried_when_a_way_fails(rig: Rig) -> None:
    rig.routing.routes = [route("a"), route("b"), route("c"), route("d")]
    rig.sip.answers = [LinkDown("dead"), PeerError("x", status=503), PeerError("x", status=408), "ok"]
    hold = await rig.dial()
    await hold.until(CallState.UP)
    assert [leg.did[0][1] for leg in rig.sip.legs] == ["b", "c", "d"]
    assert rig.routing.given_back == 3


@pytest.mark.parametrize(
    ("status", "code"), [(486, "peer-busy"), (403, "call-forbidden"), (603, "peer-declined"), (480, "peer-unavailable")]
)
async def test_who_has_spoken_is_not_called_another_way(rig: Rig, status: int, code: str) -> None:
    rig.routing.routes = [route("a"), route("b")]
    rig.sip.answers = [PeerError("x", status=status)]
    hold = await rig.dial()
    assert (await until_over(hold))[0] == code and len(rig.sip.legs) == 1


async def test_every_way_failed(rig: Rig) -> None:
    rig.routing.routes = [route("a"), route("b")]
    rig.sip.answers = [PeerError("x", status=503), LinkDown("dead")]
    hold = await rig.dial()
    assert (await until_over(hold))[0] == "call-link-lost"


@pytest.mark.parametrize("error", [Denied("x", code="number-denied"), NotFound("x"), Busy("x"), LinkDown("x")])
async def test_what_the_routing_refuses_is_raised_at_once(rig: Rig, error: Exception) -> None:
    rig.routing.error = error
    with pytest.raises(type(error)):
        await rig.dial("00900123456")
    assert not rig.context.calls.all


@by_hand
async def test_it_rings_and_nobody_answers() -> None:
    with media_plane() as (engine, plane):
        context, routing, sip = FakeContext(engine, plane), FakeRouting(), FakeSip(engine)
        routing.routes = [route("a", policy=MediaPolicy(max_ring_s=15)), route("b")]
        async with CallManager(cast(Any, context), routing, cast(Any, sip), native=cast(Any, sip)) as manager:
            rig = Rig(engine, context, routing, sip, manager)
            hold = await rig.dial()
            await advance(16)
            assert hold.ended is not None and hold.ended[0] == "no-answer" and len(sip.legs) == 1
        left_over(rig)


async def test_hung_up_while_it_rings(rig: Rig) -> None:
    rig.routing.routes = [route("a"), route("b")]
    hold = await rig.dial()
    await rig.sip.leg(0)
    await hold.handler.hang_up(WHO)
    assert (await until_over(hold))[0] == "hung-up" and len(rig.sip.legs) == 1


async def test_a_group_that_is_full_by_then_ends_the_answered_call(rig: Rig) -> None:
    rig.routing.routes = [route()]
    hold = await rig.dial("8002", "kit1/talk/ops")
    leg = await rig.sip.leg(0)
    rig.context.talk.denied = True
    leg.answer()
    assert (await until_over(hold))[0] == "talk-denied" and leg.end is not None


async def test_a_moved_kit_tells_every_call(rig: Rig) -> None:
    hold, leg = await rig.comes()
    await hold.until(CallState.UP)
    rig.routing.called[0]()
    await asyncio.sleep(0)
    assert "move" in leg.did


async def test_stopping_hangs_up_whatever_stands(rig: Rig) -> None:
    up, _ = await rig.comes()
    await up.until(CallState.UP)
    rig.routing.origin = origin("console", "")
    rings, _ = await rig.comes()
    rig.routing.routes = [route()]
    calling = await rig.dial()
    await rig.manager.__aexit__(None, None, None)
    assert {hold.ended[0] for hold in (up, rings, calling) if hold.ended} == {"stopping"}


async def test_two_hundred_calls_with_random_ends_leave_nothing(rig: Rig) -> None:
    chance = random.Random(28181)
    for number in range(200):
        kind = chance.choice(["group", "channel", "console", "number", "out", "out-group"])
        rig.routing.routes = [route("a"), route("b")][: chance.randint(1, 2)]
        rig.sip.answers = [chance.choice(["ok", None, LinkDown("x"), PeerError("x", status=503)]) for _ in range(2)]
        rig.context.talk.denied = chance.random() < 0.1
        legs = len(rig.sip.legs)
        if kind.startswith("out"):
            await rig.dial("8002", "kit1/talk/ops" if kind == "out-group" else "")
        else:
            ref = {"group": "kit1/talk/ops", "channel": "kit1/ball-1/ch1", "number": "8002"}.get(kind, "")
            rig.routing.origin = origin(kind, ref, number=str(number))
            await rig.arrive(FakeIncoming(chance.choice([b"", VIDEO_OFFER])))
        for _ in range(chance.randint(0, 12)):
            await asyncio.sleep(0)
        for leg in rig.sip.legs[legs:]:
            match chance.choice(["peer", "link", "answer", "none", "local"]):
                case "peer":
                    leg.ends("peer-hung-up")
                case "link":
                    leg.ends("call-link-lost")
                case "answer" if not leg.incoming and not leg._answer.done():
                    leg.answer(chance.choice([None, PeerError("x", status=486)]))
                case "local":
                    await rig.context.calls.all[-1].handler.hang_up(WHO)
    await rig.manager.__aexit__(None, None, None)
    left_over(rig)
    assert len(rig.context.calls.all) >= 200


async def test_an_engine_with_workers_is_closed_after_its_calls() -> None:
    class Workers(FakeSip):
        closed = -1

        async def close(self) -> None:
            self.closed = self.standing()

    with media_plane() as (engine, plane):
        context, routing = FakeContext(engine, plane), FakeRouting()
        workers, native = Workers(engine), FakeSip(engine)
        workers.answers, routing.routes = ["ok"], [route()]
        manager = CallManager(cast(Any, context), routing, cast(Any, workers), native=cast(Any, native))
        async with manager:
            rig = Rig(engine, context, routing, workers, manager)
            hold = await rig.dial()
            await hold.until(CallState.UP)
            await manager.handler(cast(Any, None))(cast(Any, FakeIncoming()))
            await native.leg(0)
            assert manager.figures()["legs"] == 2, "each is counted once"
        assert workers.closed == 0
        left_over(rig)


async def test_a_leg_of_our_own_engine_is_counted_once() -> None:
    with media_plane() as (_, plane):
        native = NativeEngine(plane)
        native._legs.add(cast(Any, object()))
        assert EngineChoice(plane.engine, native).standing() + native.standing() == 1
