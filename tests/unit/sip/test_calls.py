"""Calls in and out on legs that do what a test says: seats, states, ends, transfers; nothing is left over."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from adapters.sip.calls import CallLimits, CallManager
from adapters.sip.engine import PictureLine, Referral, VideoWish
from adapters.sip.routing import MediaPolicy
from gateway.base.errors import Busy, Denied, LinkDown, NotFound, PeerError, Unsupported
from gateway.contract.voice import KeyedBy
from gateway.model.reason import REASONS
from gateway.model.voice import CallState, GroupId, Priority
from gateway.wire.sdp import Codec, PayloadType
from tests.fakes.loop import advance, by_hand
from tests.unit.sip.fakes import (
    WHO,
    FakeContext,
    FakeHold,
    FakeIncoming,
    FakeLeg,
    FakeRouting,
    FakeSip,
    SwitchEngine,
    media_plane,
    origin,
    route,
)

VIDEO_OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\nm=video 4002 RTP/AVP 96\r\n"
)
H264 = PayloadType(96, Codec("h264", 90000))


@dataclass
class Rig:
    engine: SwitchEngine
    context: FakeContext
    routing: FakeRouting
    sip: FakeSip
    manager: CallManager

    async def arrive(self, incoming: FakeIncoming | None = None) -> FakeIncoming:
        incoming = incoming or FakeIncoming()
        await self.manager.handler(cast(Any, Endpoint(self)))(cast(Any, incoming))
        return incoming

    async def comes(self, incoming: FakeIncoming | None = None) -> tuple[FakeHold, FakeLeg]:
        """A call that came in and has its leg."""
        first, legs = len(self.context.calls.all), len(self.sip.legs)
        await self.arrive(incoming)
        return await self.context.calls.number(first), await self.sip.leg(legs)

    async def dial(self, number: str = "8002", group: str = "", video: bool = False) -> FakeHold:
        ident = await self.context.calls.dial(WHO, number, GroupId(group) if group else None, video)
        return next(hold for hold in self.context.calls.all if hold.id == ident)


class Endpoint:
    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.found: Any = None

    def find_call(self, replaces: Any) -> Any:
        leg = next((one for one in self.rig.sip.legs if one.dialog == replaces and one.end is None), None)
        return None if leg is None else type("Call", (), {"dialog_ids": leg.dialog})()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    with media_plane() as (engine, plane):
        context = FakeContext(engine, plane)
        routing, sip = FakeRouting(), FakeSip(engine)
        manager = CallManager(
            cast(Any, context), routing, cast(Any, sip), native=cast(Any, sip), limits=CallLimits(max_calls=300)
        )
        async with manager:
            yield Rig(engine, context, routing, sip, manager)
        assert context.calls.dial is None
        left_over(Rig(engine, context, routing, sip, manager))


def left_over(rig: Rig) -> None:
    """Nothing is."""
    assert not rig.context.talk.seats and not rig.context.streams.viewings and not rig.context.streams.published
    assert rig.routing.taken == rig.routing.given_back
    assert rig.sip.standing() == 0 and rig.manager.figures()["calls"] == 0
    for hold in rig.context.calls.all:
        assert hold.ended is not None and hold.ended[0] in REASONS, hold.ended
    for seat in rig.context.talk.ever:
        assert seat.taken_away or not seat.voices or seat.now is None
    assert not rig.engine.subscriptions


async def until_over(hold: FakeHold) -> tuple[str, str]:
    async with asyncio.timeout(5):
        await hold.over.wait()
    assert hold.ended is not None
    return hold.ended


# — in —


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
            assert hold.status.code == "no-media" and hold.stands(CallState.UP)
            seat.tell("media", detail="pcma")
            assert hold.status.code == ""
            seat.tell("stopped")
            await advance(3600)
            assert hold.status.code == "no-media" and hold.ended is None
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
            assert hold.ended is not None and hold.ended[0] == "no-media"
        left_over(rig)


# — out —


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


async def test_the_next_way_is_tried_when_a_way_fails(rig: Rig) -> None:
    rig.routing.routes = [route("a"), route("b"), route("c"), route("d")]
    rig.sip.answers = [LinkDown("dead"), PeerError("x", status=503), PeerError("x", status=408), "ok"]
    hold = await rig.dial()
    await hold.until(CallState.UP)
    assert [leg.did[0][1] for leg in rig.sip.legs] == ["b", "c", "d"]
    assert rig.routing.given_back == 3


@pytest.mark.parametrize(("status", "code"), [(486, "peer-busy"), (603, "peer-declined"), (480, "peer-unavailable")])
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


# — transfer —


async def test_a_person_transfers_blind(rig: Rig) -> None:
    hold, leg = await rig.comes()
    await hold.until(CallState.UP)
    rig.routing.routes = [route()]
    await hold.handler.transfer(WHO, "8002")
    assert ("transfer", "sip:8002", None) in leg.did, "a phone of ours calls through us again"
    assert (await until_over(hold))[0] == "transferred"


async def test_a_person_joins_two_calls_by_attended_transfer(rig: Rig) -> None:
    one, leg = await rig.comes()
    other, second = await rig.comes()
    await one.until(CallState.UP)
    await other.until(CallState.UP)
    await one.handler.transfer(WHO, "", attended_with=other.id)
    assert leg.did[-2][0] == "transfer" and leg.did[-2][2] is second
    with pytest.raises(NotFound):
        await other.handler.transfer(WHO, "", attended_with="call-99")


async def test_orders_before_the_answer_are_refused_in_words(rig: Rig) -> None:
    rig.routing.routes = [route()]
    hold = await rig.dial()
    await rig.sip.leg(0)
    for order in (
        hold.handler.hold(WHO, True),
        hold.handler.digits(WHO, "1"),
        hold.handler.transfer(WHO, "", attended_with="call-7"),
        hold.handler.transfer(WHO, "8003"),
    ):
        with pytest.raises(LinkDown) as caught:
            await order
        assert caught.value.code == "call-not-up"


class Reply:
    def __init__(self) -> None:
        self.told: list[int] = []
        self.final = asyncio.Event()

    def tell(self, status: int, reason: str = "") -> None:
        self.told.append(status)
        if status >= 200:
            self.final.set()


async def test_a_peer_that_transfers_us_is_replaced_in_its_group(rig: Rig) -> None:
    hold, leg = await rig.comes()
    await hold.until(CallState.UP)
    rig.routing.routes = [route()]
    rig.sip.answers = ["ok"]
    reply = Reply()
    referral = Referral("8002", "sip:8002@x", replaces="abc;to-tag=1;from-tag=2")
    assert leg.owner.leg_referred(cast(Any, leg), referral, reply)
    async with asyncio.timeout(5):
        await reply.final.wait()
    assert reply.told == [100, 200]
    assert [seat.member for seat in rig.context.talk.seats] == ["sip:8001", "sip:8002"]
    assert rig.sip.legs[1].did[0][3] == "abc;to-tag=1;from-tag=2"
    leg.ends("peer-hung-up")
    await until_over(hold)
    assert [seat.member for seat in rig.context.talk.seats] == ["sip:8002"]


async def test_a_transfer_to_a_number_that_is_not_allowed_is_refused(rig: Rig) -> None:
    hold, leg = await rig.comes()
    await hold.until(CallState.UP)
    rig.routing.error = Denied("no", code="number-denied")
    assert not leg.owner.leg_referred(cast(Any, leg), Referral("0090", "sip:0090@x"), Reply())
    assert hold.status.code == "number-denied" and hold.ended is None


async def test_a_transfer_that_fails_is_reported_and_the_call_goes_on(rig: Rig) -> None:
    hold, leg = await rig.comes()
    await hold.until(CallState.UP)
    rig.routing.routes = [route()]
    rig.sip.answers = [PeerError("x", status=486)]
    reply = Reply()
    assert leg.owner.leg_referred(cast(Any, leg), Referral("8002", "sip:8002@x"), reply)
    async with asyncio.timeout(5):
        await reply.final.wait()
    assert reply.told == [100, 486] and hold.ended is None


async def test_a_call_with_replaces_takes_the_other_s_place(rig: Rig) -> None:
    hold, leg = await rig.comes()
    await hold.until(CallState.UP)
    incoming = FakeIncoming()
    incoming.replaces = leg.dialog
    rig.routing.origin = origin(number="8003")
    second, _ = await rig.comes(incoming)
    assert (await until_over(hold))[0] == "call-replaced"
    assert second.stands(CallState.UP) and second.status.target == "kit1/talk/ops"


async def test_replaces_of_a_call_that_is_over_is_481(rig: Rig) -> None:
    incoming = FakeIncoming()
    incoming.replaces = ("nobody", "a", "b")
    hold, leg = await rig.comes(incoming)
    await until_over(hold)
    assert ("reject", 481) in leg.did


# — back to back —


async def test_one_phone_calls_another_through_us(rig: Rig) -> None:
    rig.routing.origin = origin("number", "8002")
    rig.routing.routes = [route()]
    hold, leg = await rig.comes()
    callee = await rig.sip.leg(1)
    other = await rig.context.calls.number(1)
    callee.state = callee.state.RINGING
    callee.flow(early=True, voice=rig.engine.a_voice(), audio="pcma")
    await leg.until(("ring", True))
    callee.answer()
    await hold.until(CallState.UP)
    assert {seat.group for seat in rig.context.talk.seats} == {hold.status.target}
    assert len(rig.context.talk.seats) == 2
    leg.owner.leg_digit(cast(Any, leg), "5")
    await callee.until(("digits", "5"))
    callee.ends("peer-hung-up")
    await until_over(other)
    assert (await until_over(hold))[0] == "peer-hung-up"


async def test_the_called_phone_is_busy_and_the_caller_hears_it(rig: Rig) -> None:
    rig.routing.origin = origin("number", "8002")
    rig.routing.routes = [route()]
    rig.sip.answers = [PeerError("x", status=486)]
    hold, leg = await rig.comes()
    assert (await until_over(hold))[0] == "peer-busy" and ("reject", 486) in leg.did


async def test_the_caller_gives_up_and_the_called_phone_stops_ringing(rig: Rig) -> None:
    rig.routing.origin = origin("number", "8002")
    rig.routing.routes = [route()]
    hold, leg = await rig.comes()
    callee = await rig.sip.leg(1)
    leg.ends("call-cancelled")
    await until_over(await rig.context.calls.number(1))
    assert callee.end is not None and (await until_over(hold))[0] == "call-cancelled"


# — the end of all —


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
