"""The list of calls, and what people order of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from gateway.base.errors import Busy, LinkDown, Unsupported
from gateway.contract.media import Offer
from gateway.contract.voice import CallHandler
from gateway.core.calls import ENDED_KEPT
from gateway.core.facts import Missed
from gateway.model.command import Action, Outcome
from gateway.model.ids import DeviceId, StreamId
from gateway.model.principal import Principal
from gateway.model.voice import CallState, CallStatus, GroupId
from tests.unit.core.house import AUDITOR, OPERATOR, VIEWER, House, housed
from tests.unit.core.talkers import OPS
from tests.unit.core.test_talk_orders import order


class Far:
    """A call's handler: what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.failing: Exception | None = None

    def _take(self, *what: Any) -> None:
        self.asked.append(what)
        if self.failing is not None:
            raise self.failing

    async def answer(self, who: Principal) -> GroupId:
        self._take("answer", who.name)
        return GroupId("kit1/talk/call-1")

    async def hang_up(self, who: Principal) -> None:
        self._take("hang up", who.name)

    async def hold(self, who: Principal, held: bool) -> None:
        self._take("hold", held)

    async def transfer(self, who: Principal, target: str, *, attended_with: str = "") -> None:
        self._take("transfer", target, attended_with)

    async def digits(self, who: Principal, digits: str) -> None:
        self._take("digits", digits)


def ringing(peer: str = "8001", **more: Any) -> CallStatus:
    return CallStatus("", "sip", True, CallState.RINGING_IN, peer, **more)


@housed
async def test_a_call_from_ringing_to_its_end(house: House) -> None:
    calls, far = house.core.calls, cast(CallHandler, Far())
    async with house.core.bus.subscribe(OPERATOR, types=["call"]) as events:
        hold = calls.open(ringing(), far)
        assert hold.id == "call-1" and hold.status.started > 0
        hold.change(CallState.UP, audio="pcma", peer_name="Gate" * 200)
        hold.change(CallState.UP, audio="pcma")
        hold.end("peer-left")
        hold.end("twice")
        hold.change(CallState.UP)
        states = []
        async for event in events:
            assert not isinstance(event, Missed) and event.subject == hold.id
            states.append(event.data.state)
            if event.data.state is CallState.ENDED:
                break
    assert states == ["ringing-in", "up", "ended"], "what changes nothing is not told"
    (listed,) = calls.list(OPERATOR)
    assert (listed.state, listed.code, listed.answered > 0, len(listed.peer_name)) == ("ended", "peer-left", True, 200)
    with pytest.raises(TypeError):
        hold.change(None, colour="red")
    rows = [(row.name, row.act) for row in await house.core.audit.read(AUDITOR)]
    assert ("sip:8001", "call.start") in rows and ("sip:8001", "call.end") in rows


@housed
async def test_bounds(house: House) -> None:
    calls, far = house.core.calls, cast(CallHandler, Far())
    holds = [calls.open(ringing(str(number)), far) for number in range(house.config.talk.max_calls)]
    with pytest.raises(Busy) as many:
        calls.open(ringing(), far)
    assert many.value.code == "too-many-calls" and calls.count() == {"ringing-in": 64}
    for hold in holds:
        hold.end("x")
    for number in range(ENDED_KEPT):
        calls.open(ringing(str(number)), far).end("x")
    assert len(calls.list(OPERATOR)) == ENDED_KEPT and calls.total == 64 + ENDED_KEPT and calls.count() == {}


@housed
async def test_orders_reach_the_one_who_has_the_call(house: House) -> None:
    far = Far()
    hold = house.core.calls.open(ringing(), cast(CallHandler, far))
    other = house.core.calls.open(ringing("8002"), cast(CallHandler, Far()))
    answered = await order(house, OPERATOR, Action.CALL_ANSWER, hold.id)
    assert answered.data == {"group": "kit1/talk/call-1"}
    await order(house, OPERATOR, Action.CALL_HOLD, hold.id, on=True)
    await order(house, OPERATOR, Action.CALL_TRANSFER, hold.id, to="8003")
    await order(house, OPERATOR, Action.CALL_TRANSFER, hold.id, **{"with": other.id})
    await order(house, OPERATOR, Action.CALL_DIGITS, hold.id, digits="12#a")
    await order(house, OPERATOR, Action.CALL_HANG_UP, hold.id)
    assert far.asked == [
        ("answer", "otto"), ("hold", True), ("transfer", "8003", ""), ("transfer", "", other.id),
        ("digits", "12#A"), ("hang up", "otto"),
    ]  # fmt: skip
    for action, args, code in (
        (Action.CALL_TRANSFER, {}, "bad-request"),
        (Action.CALL_TRANSFER, {"to": "1", "with": other.id}, "bad-request"),
        (Action.CALL_TRANSFER, {"with": "call-99"}, "not-found"),
        (Action.CALL_DIGITS, {"digits": "12x"}, "bad-request"),
        (Action.CALL_DIGITS, {}, "bad-request"),
        (Action.CALL_HOLD, {"on": 1}, "bad-request"),
    ):
        assert (await order(house, OPERATOR, action, hold.id, **args)).code == code, args
    far.failing = LinkDown("no answer", code="link-down")
    failed = await order(house, OPERATOR, Action.CALL_HOLD, hold.id)
    assert (failed.outcome, failed.code) == (Outcome.FAILED, "link-down")
    far.failing = Unsupported("not while it rings")
    assert (await order(house, OPERATOR, Action.CALL_HOLD, hold.id)).outcome is Outcome.REFUSED
    hold.end("x")
    assert (await order(house, OPERATOR, Action.CALL_HANG_UP, hold.id)).code == "call-ended"
    assert (await order(house, OPERATOR, Action.CALL_HANG_UP, "call-77")).code == "not-found"
    acts = [(row.act, row.outcome) for row in await house.core.audit.read(AUDITOR)]
    assert ("call.answer", "done") in acts and ("call.hang-up", "done") in acts and ("call.hold", "failed") in acts


async def quiet(_: object) -> None:
    """A stream that nobody opens."""


@housed
async def test_placing_calls(house: House) -> None:
    dialled: list[Any] = []

    async def dial(who: Principal, number: str, group: str | None, video: bool) -> str:
        dialled.append((who.name, number, group, video))
        return house.core.calls.open(ringing(number, target=group or "kit1/talk/call-5"), cast(CallHandler, Far())).id

    assert (await order(house, OPERATOR, Action.CALL_PLACE, "", number="8001")).code == "no-dialer"
    forget = house.core.calls.dialer("sip", dial)
    into = await order(house, OPERATOR, Action.CALL_PLACE, "600", number="8001", video=True)
    assert into.data["group"] == OPS
    own = await order(house, OPERATOR, Action.CALL_PLACE, "", number="sip:8002")
    assert own.data == {"call": "call-2", "group": "kit1/talk/call-5"}
    assert dialled == [("otto", "8001", OPS, True), ("otto", "8002", None, False)]
    house.core.streams.offer(Offer(StreamId("kit1/ball-1/ch1"), DeviceId("kit1/ball-1"), "Ball", quiet))
    ball = await order(house, OPERATOR, Action.CALL_PLACE, "ball-1/ch1", number="8003", video=True)
    assert ball.outcome is Outcome.DONE and dialled[-1] == ("otto", "8003", "kit1/ball-1/ch1", True)
    bound = replace(OPERATOR, scope="kit1/ball-2")
    assert (await order(house, bound, Action.CALL_PLACE, "ball-1/ch1", number="8003")).code == "denied"
    assert (await order(house, OPERATOR, Action.CALL_PLACE, "ball-9/ch1", number="8003")).code == "not-found"
    for number in ("", "a b", "x" * 200, "tel:1"):
        assert (await order(house, OPERATOR, Action.CALL_PLACE, "", number=number)).outcome is not Outcome.DONE
    forget()
    assert (await order(house, OPERATOR, Action.CALL_PLACE, "", number="8001")).code == "no-dialer"


@housed
async def test_scopes_and_roles_of_the_list(house: House) -> None:
    calls = house.core.calls
    group = calls.open(ringing("1", target=OPS), cast(CallHandler, Far()))
    ball = calls.open(ringing("2", target="kit1/ball-1/ch1"), cast(CallHandler, Far()))
    nowhere = calls.open(ringing("3"), cast(CallHandler, Far()))
    bound = replace(OPERATOR, scope="kit1/ball-1")
    assert [call.id for call in calls.list(OPERATOR)] == [nowhere.id, ball.id, group.id]
    assert [call.id for call in calls.list(bound)] == [ball.id]
    assert (await order(house, bound, Action.CALL_HANG_UP, group.id)).code == "denied"
    async with (
        house.core.bus.subscribe(bound, types=["call"]) as mine,
        house.core.bus.subscribe(VIEWER, types=["call", "talk"]) as viewers,
    ):
        group.end("x")
        ball.end("x")
        async for event in mine:
            assert not isinstance(event, Missed) and event.subject == ball.id
            break
        house.core.talk.group(OPS).publish()
        async for event in viewers:
            assert not isinstance(event, Missed) and event.type == "talk"
            break
