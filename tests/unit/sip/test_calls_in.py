"""Calls that come in, on legs that do what a test says: seats, states, pictures, ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from adapters.sip.calls import CallLimits, CallManager
from adapters.sip.engine import PictureLine, VideoWish
from adapters.sip.routing import MediaPolicy
from gateway.base.errors import Busy, Unsupported
from gateway.contract.voice import KeyedBy
from gateway.model.voice import CallState, Priority
from tests.fakes.loop import advance, by_hand
from tests.unit.sip.calls_rig import H264, VIDEO_OFFER, Rig, left_over, until_over
from tests.unit.sip.fake_legs import FakeIncoming, FakeSip
from tests.unit.sip.fakes import (
    WHO,
    FakeContext,
    FakeRouting,
    media_plane,
    origin,
)


async def test_a_phone_calls_a_group_and_is_seated_with_its_voice(rig: Rig) -> None:
    hold, leg = await rig.comes()
    await hold.until(CallState.UP)
    seat = rig.context.talk.seats[0]
    assert (seat.group, seat.member, seat.now) == ("kit1/talk/ops", "sip:8001", leg.media.voice)
    assert seat.wish.keyed_by is KeyedBy.VOICE and seat.wish.principal == WHO
    assert hold.status.audio == "pcma" and hold.status.target == "kit1/talk/ops" and hold.status.answered
    leg.ends("peer-hung-up")
    assert (await until_over(hold))[0] == "peer-hung-up" and seat.left and seat.now is None


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda rig: setattr(rig.context.talk, "denied", True), 403),
        (lambda rig: rig.context.talk.groups.clear(), 404),
    ],
)
async def test_a_seat_that_is_refused_refuses_the_call(rig: Rig, spoil: Any, status: int) -> None:
    spoil(rig)
    hold, leg = await rig.comes()
    await until_over(hold)
    assert ("reject", status) in leg.did and "accept" not in leg.did


async def test_somebody_unknown_is_the_routing_s_matter(rig: Rig) -> None:
    rig.routing.origin = None
    incoming = await rig.arrive()
    assert incoming.rejected == [403] and not rig.context.calls.all


async def test_the_caller_who_gives_up_while_it_rings(rig: Rig) -> None:
    rig.routing.origin = origin("console", "")
    hold, leg = await rig.comes()
    await asyncio.sleep(0)
    assert ("ring", False) in leg.did and hold.stands(CallState.RINGING_IN)
    leg.ends("call-cancelled")
    assert (await until_over(hold))[0] == "call-cancelled"


async def test_a_call_to_the_console_is_taken_by_a_person(rig: Rig) -> None:
    rig.routing.origin = origin("console", "")
    hold, leg = await rig.comes()
    async with asyncio.timeout(5):
        await rig.context.talk.sat.wait()
        await asyncio.sleep(0)
        group = await hold.handler.answer(WHO)
    assert group == rig.context.talk.seats[0].group and "accept" in leg.did
    assert hold.stands(CallState.UP) and hold.status.target == group
    with pytest.raises(Unsupported):
        await hold.handler.answer(WHO)
    await hold.handler.hang_up(WHO)
    assert await until_over(hold) == ("hung-up", "sip:8001")


@by_hand
async def test_nobody_takes_it() -> None:
    with media_plane() as (engine, plane):
        context, routing, sip = FakeContext(engine, plane), FakeRouting(), FakeSip(engine)
        routing.origin = origin("console", "", policy=MediaPolicy(max_ring_s=20))
        async with CallManager(cast(Any, context), routing, cast(Any, sip), native=cast(Any, sip)) as manager:
            rig = Rig(engine, context, routing, sip, manager)
            await rig.arrive()
            await advance(19)
            assert not context.calls.all[0].over.is_set()
            await advance(2)
            assert (context.calls.all[0].ended or ("",))[0] == "no-answer"
            assert ("reject", 480) in sip.legs[0].did
        left_over(rig)


async def test_a_channel_is_conversed_with_and_its_picture_shown(rig: Rig) -> None:
    rig.routing.origin = origin("channel", "kit1/ball-1/ch1", may_talk=False)
    hold, leg = await rig.comes(FakeIncoming(VIDEO_OFFER))
    await hold.until(CallState.UP)
    stream = rig.context.streams.known["kit1/ball-1/ch1"]
    assert ("taken", VideoWish(send=True, receive=True, near=stream)) in leg.did
    assert rig.context.talk.seats[0].wish.may_talk is False and rig.context.streams.viewings
    session = rig.engine._handle("open_rtp_session")
    rig.engine.sessions[session] = "video"
    leg.flow(video=PictureLine(session, send=(H264,), receive=(H264,), codec="h264"))
    assert list(rig.engine.subscriptions.values()) == [stream] and hold.status.video == "h264"
    await asyncio.sleep(0)
    offer = rig.context.streams.offers[0]
    assert offer.id == f"kit1/{hold.id}/ch1" and offer.title == "Wang" and offer.near == session
    publication = rig.context.streams.published[offer.id]
    assert publication.legs[0].session == session
    await publication.ask()
    assert "want_picture" in leg.did
    # held: the stream stays and says so, and what goes out stops
    leg.flow(video=replace(cast(Any, leg.media.video), send=(), receive=()))
    async with asyncio.timeout(5):
        while "call-held" not in publication.said:
            publication.opened.clear()
            await publication.opened.wait()
    assert publication.legs[0].closed and not rig.engine.subscriptions
    leg.flow(video=PictureLine(session, send=(H264,), receive=(H264,), codec="h264"))
    async with asyncio.timeout(5):
        while len(publication.legs) < 2:
            publication.opened.clear()
            await publication.opened.wait()
    leg.ends()
    await until_over(hold)


async def test_a_picture_that_may_not_be_seen_leaves_an_audio_call_that_says_so(rig: Rig) -> None:
    rig.routing.origin = origin("channel", "kit1/ball-1/ch1")
    rig.context.streams.denied = True
    hold, _ = await rig.comes(FakeIncoming(VIDEO_OFFER))
    await hold.until(CallState.UP)
    assert hold.status.code == "denied" and "no picture" in hold.status.detail


async def test_the_peer_s_wish_for_a_key_frame_starts_the_picture_anew(rig: Rig) -> None:
    rig.routing.origin = origin("channel", "kit1/ball-1/ch1")
    hold, leg = await rig.comes(FakeIncoming(VIDEO_OFFER))
    await hold.until(CallState.UP)
    session = rig.engine._handle("open_rtp_session")
    rig.engine.sessions[session] = "video"
    leg.flow(video=PictureLine(session, send=(H264,), codec="h264"))
    before = set(rig.engine.subscriptions)
    leg.owner.leg_picture_wanted(cast(Any, leg))
    after = set(rig.engine.subscriptions)
    assert len(after) == 1 and after != before
    leg.owner.leg_picture_wanted(cast(Any, leg))  # at once again: too soon
    assert set(rig.engine.subscriptions) == after


async def test_hold_by_either_side_shows_and_takes_the_voice_away(rig: Rig) -> None:
    hold, leg = await rig.comes()
    await hold.until(CallState.UP)
    seat = rig.context.talk.seats[0]
    voice = leg.media.voice
    leg.flow(held_by_peer=True, voice=None)
    assert hold.stands(CallState.HELD_BY_PEER) and seat.now is None and seat.said[-1][0] == "call-held"
    leg.flow(held_by_peer=False, voice=voice)
    assert hold.stands(CallState.UP) and seat.now == voice
    await hold.handler.hold(WHO, True)
    assert hold.stands(CallState.HELD)
    await hold.handler.hold(WHO, False)
    leg.owner.leg_moving(cast(Any, leg), True)
    assert hold.stands(CallState.MOVING)
    leg.owner.leg_moving(cast(Any, leg), False)
    assert hold.stands(CallState.UP)


async def test_digits_of_info_key_the_floor_where_the_member_is_keyed_by_digits(rig: Rig) -> None:
    rig.routing.origin = origin(policy=MediaPolicy(keyed_by="digit"))
    hold, leg = await rig.comes()
    await hold.until(CallState.UP)
    for digit in "*5#":
        leg.owner.leg_digit(cast(Any, leg), digit)
    assert rig.context.talk.seats[0].presses == ["press", "release"]


async def test_an_emergency_call_presses_at_once(rig: Rig) -> None:
    rig.routing.origin = origin(emergency=True)
    hold, _ = await rig.comes()
    await hold.until(CallState.UP)
    seat = rig.context.talk.seats[0]
    assert seat.presses == ["emergency"] and seat.wish.priority is Priority.EMERGENCY


async def test_the_core_ends_the_seat_and_the_call_goes_with_it(rig: Rig) -> None:
    hold, leg = await rig.comes()
    await hold.until(CallState.UP)
    on_end = rig.context.talk.seats[0].wish.on_end
    assert on_end is not None
    rig.context.talk.seats[0].taken_away = True
    on_end("talk-removed", "by the dispatcher")
    assert (await until_over(hold))[0] == "talk-removed" and ("hang_up", "talk-removed") in leg.did


async def test_a_second_call_of_one_number_gets_a_name_of_its_own(rig: Rig) -> None:
    first, _ = await rig.comes()
    await first.until(CallState.UP)
    second, _ = await rig.comes()
    await second.until(CallState.UP)
    assert len({seat.member for seat in rig.context.talk.seats}) == 2


async def test_more_calls_than_allowed_are_turned_away(rig: Rig) -> None:
    rig.manager._limits = CallLimits(max_calls=1)
    hold, _ = await rig.comes()
    await hold.until(CallState.UP)
    incoming = await rig.arrive()
    assert incoming.rejected == [503]
    with pytest.raises(Busy, match="1 calls"):
        await rig.dial()


@by_hand
async def test_a_leg_without_rtp_says_so_and_stays() -> None:
    with media_plane() as (engine, plane):
        context, routing, sip = FakeContext(engine, plane), FakeRouting(), FakeSip(engine)
        async with CallManager(cast(Any, context), routing, cast(Any, sip), native=cast(Any, sip)) as manager:
            rig = Rig(engine, context, routing, sip, manager)
            await rig.arrive()
            await advance(9)
            hold, seat = context.calls.all[0], context.talk.seats[0]
            assert hold.status.code == "no-media-phone" and hold.stands(CallState.UP)
            seat.tell("media", detail="pcma")
            assert hold.status.code == ""
            seat.tell("stopped")
            await advance(3600)
            assert hold.status.code == "no-media-phone" and hold.ended is None
        left_over(rig)


@by_hand
async def test_where_the_policy_says_so_no_rtp_is_a_hang_up() -> None:
    with media_plane() as (engine, plane):
        context, routing, sip = FakeContext(engine, plane), FakeRouting(), FakeSip(engine)
        routing.origin = origin(policy=MediaPolicy(no_media_s=30))
        async with CallManager(cast(Any, context), routing, cast(Any, sip), native=cast(Any, sip)) as manager:
            rig = Rig(engine, context, routing, sip, manager)
            await rig.arrive()
            await advance(1)
            hold, seat, leg = context.calls.all[0], context.talk.seats[0], sip.legs[0]
            seat.tell("media")
            seat.tell("stopped")
            leg.flow(held_by_peer=True)
            await advance(40)
            assert not hold.over.is_set(), "a held call is silent by right"
            leg.flow(held_by_peer=False)
            seat.tell("stopped")
            await advance(31)
            assert hold.ended is not None and hold.ended[0] == "no-media-phone"
        left_over(rig)
