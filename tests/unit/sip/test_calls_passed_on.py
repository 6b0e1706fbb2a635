"""Transfers both ways, Replaces, and one phone that calls another through us."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from adapters.sip.engine import Referral
from adapters.sip.routing import Target
from gateway.base.errors import Denied, LinkDown, NotFound, PeerError
from gateway.model.voice import CallState
from tests.unit.sip.calls_rig import Rig, until_over
from tests.unit.sip.fake_legs import FakeIncoming, FakeLeg
from tests.unit.sip.fakes import (
    WHO,
    FakeHold,
    origin,
    route,
)


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


@pytest.mark.parametrize(
    ("target", "seated"),
    [
        (Target("group", "kit1/talk/ops"), "kit1/talk/ops"),
        (Target("channel", "kit1/ball-1/ch1", may_talk=False), "kit1/talk/with-ch1"),
        (Target("console"), "kit1/talk/call-room-1"),
    ],
)
async def test_a_person_transfers_into_what_is_ours_without_a_word_to_the_phone(
    rig: Rig, target: Target, seated: str
) -> None:
    rig.routing.origin = origin("channel", "kit1/ball-1/ch1")
    hold, leg = await rig.comes()
    await hold.until(CallState.UP)
    before = rig.context.talk.seats[0]
    rig.routing.targets["600"] = target
    await hold.handler.transfer(WHO, "600")
    (seat,) = rig.context.talk.seats
    assert (seat.group, seat.now, seat.wish.may_talk) == (seated, leg.media.voice, target.may_talk)
    assert before.left and before.now is None and hold.status.target == seated and hold.stands(CallState.UP)
    assert not any(deed[0] == "transfer" for deed in leg.did)
    assert before.wish.on_end is not None and seat.wish.on_end is not None
    before.wish.on_end("conversation-over", "")
    await asyncio.sleep(0)
    assert hold.ended is None, "the seat that it left is nothing to it"
    seat.taken_away = True
    seat.wish.on_end("conversation-over", "")
    assert (await until_over(hold))[0] == "conversation-over"


async def test_a_transfer_into_a_group_that_refuses_leaves_the_call_where_it_is(rig: Rig) -> None:
    hold, leg = await rig.comes()
    await hold.until(CallState.UP)
    rig.routing.targets["601"] = Target("group", "kit1/talk/ops")
    rig.context.talk.denied = True
    with pytest.raises(Denied):
        await hold.handler.transfer(WHO, "601")
    assert rig.context.talk.seats[0].now == leg.media.voice and hold.stands(CallState.UP)


async def test_a_call_that_ends_while_it_is_seated_elsewhere_leaves_no_seat(rig: Rig) -> None:
    hold, leg = await rig.comes()
    await hold.until(CallState.UP)
    rig.routing.targets["601"] = Target("group", "kit1/talk/ops")
    leg.ends()
    with pytest.raises(LinkDown):
        await hold.handler.transfer(WHO, "601")
    await until_over(hold)


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
    assert rig.routing.behalf == ["kit1/talk/ops"], "the group calls"


async def back_to_back(rig: Rig) -> tuple[FakeHold, FakeLeg, FakeHold, FakeLeg]:
    """8001, who called, and 8002, whom we called for him."""
    rig.routing.origin, rig.routing.routes = origin("number", "8002"), [route()]
    hold, leg = await rig.comes()
    callee = await rig.sip.leg(1)
    other = await rig.context.calls.number(1)
    callee.answer()
    await hold.until(CallState.UP)
    return hold, leg, other, callee


@pytest.mark.parametrize("referrer", [0, 1])
async def test_a_phone_transfers_the_other_one_into_a_group(rig: Rig, referrer: int) -> None:
    pair = await back_to_back(rig)
    hold, leg = pair[2 * referrer], pair[2 * referrer + 1]
    other = pair[2 - 2 * referrer]
    rig.routing.targets["600"] = Target("group", "kit1/talk/ops")
    reply = Reply()
    assert leg.owner.leg_referred(cast(Any, leg), Referral("600", "sip:600@x"), reply)
    async with asyncio.timeout(5):
        await reply.final.wait()
    assert reply.told == [100, 200] and len(rig.sip.legs) == 2
    leg.ends("peer-hung-up")
    await until_over(hold)
    assert [seat.group for seat in rig.context.talk.seats] == ["kit1/talk/ops"]
    assert other.stands(CallState.UP) and other.status.target == "kit1/talk/ops"


async def test_a_phone_transfers_the_other_one_to_a_third(rig: Rig) -> None:
    hold, leg, other, callee = await back_to_back(rig)
    rig.sip.answers = ["ok"]
    reply = Reply()
    assert leg.owner.leg_referred(cast(Any, leg), Referral("8003", "sip:8003@x"), reply)
    async with asyncio.timeout(5):
        await reply.final.wait()
    leg.ends("peer-hung-up")
    await until_over(hold)
    third = await rig.context.calls.number(2)
    assert other.stands(CallState.UP) and third.stands(CallState.UP)
    assert other.status.target == third.status.target
    callee.ends("peer-hung-up")
    assert (await until_over(third))[0] == "peer-hung-up", "these two end together now"


async def test_a_phone_alone_in_a_group_has_nobody_to_transfer_there(rig: Rig) -> None:
    hold, leg = await rig.comes()
    await hold.until(CallState.UP)
    rig.routing.targets["700"] = Target("channel", "kit1/ball-1/ch1")
    assert not leg.owner.leg_referred(cast(Any, leg), Referral("700", "sip:700@x"), Reply())
    assert "transfer to 700" in hold.status.detail and hold.ended is None


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
