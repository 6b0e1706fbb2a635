"""Our address changes in the middle of calls: early, confirmed, held, refused by the peer, or with no way back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.sip.engine import LegState
from adapters.sip.routing import MediaPolicy
from gateway.base.errors import LinkDown
from gateway.model.voice import CallState, GroupId
from gateway.wire.sdp import NotAcceptable
from gateway.wire.sip import Hop
from tests.paths.sip_rig import WHO, Kit, site
from tests.paths.sip_sound import PATIENCE_S, Ear

PCMA = MediaPolicy(audio=("pcma",))


def moves_to(it: Kit, host: str) -> None:
    """The kit's address becomes `host`, as its uplink changes."""

    async def hop_to(transport: Any, remote: Any, **_: Any) -> Hop:
        return Hop(transport, (host, it.port), remote)

    it.endpoint.hop_to = hop_to  # type: ignore[method-assign]
    for called in it.routing.called:
        called()


@pytest.mark.parametrize("outgoing", [False, True])
async def test_a_confirmed_call_lives_through_a_change_of_our_address(outgoing: bool) -> None:
    async with site("8001", "8002", policy=PCMA, listen="0.0.0.0") as (it, (one, two)):
        await two.call(it, "600")
        if outgoing:
            await it.context.calls.dial(WHO, "8001", GroupId("kit1/talk/ops"), False)
            await one.media(lambda media: media.voice is not None)
        else:
            await one.call(it, "600")
        await it.seated(2)
        before = {seat.now for seat in it.context.talk.seats}
        moves_to(it, "127.0.0.2")
        for hold in it.context.calls.all:
            await hold.had(CallState.MOVING)
        for hold in it.context.calls.all:
            await hold.until(CallState.UP)
        assert not before & {seat.now for seat in it.context.talk.seats}
        assert one.leg is not None and "127.0.0.2" in one.leg.call.dialog.target  # type: ignore[union-attr]
        one.say(700)
        two.say(1100)
        await asyncio.gather(one.listen().hears(1100), two.listen().hears(700))


async def test_a_held_call_is_told_too_and_stays_held() -> None:
    async with site("8001", policy=PCMA, listen="0.0.0.0") as (it, (one,)):
        await one.call(it, "600")
        hold = it.context.calls.all[0]
        await hold.until(CallState.UP)
        await hold.handler.hold(WHO, True)
        moves_to(it, "127.0.0.2")
        await hold.had(CallState.MOVING)
        await hold.until(CallState.HELD)
        await hold.handler.hold(WHO, False)
        await hold.until(CallState.UP)


async def test_a_move_during_a_re_invite_waits_for_it() -> None:
    async with site("8001", policy=PCMA, listen="0.0.0.0") as (it, (one,)):
        await one.call(it, "600")
        hold = it.context.calls.all[0]
        await hold.until(CallState.UP)
        holding = asyncio.create_task(hold.handler.hold(WHO, True))
        await asyncio.sleep(0)
        moves_to(it, "127.0.0.2")
        await holding
        await hold.had(CallState.MOVING)
        await hold.until(CallState.HELD)
        assert one.leg is not None and "127.0.0.2" in one.leg.call.dialog.target  # type: ignore[union-attr]


async def test_a_ringing_call_is_told_once_it_is_answered() -> None:
    async with site("8001", policy=PCMA, listen="0.0.0.0") as (it, (one,)):
        one.auto_answer = False
        await it.context.calls.dial(WHO, "8001", None, False)
        await asyncio.wait_for(one.rings.wait(), PATIENCE_S)
        hold = it.context.calls.all[0]
        await hold.until(CallState.RINGING)
        moves_to(it, "127.0.0.2")
        assert one.leg is not None
        await one.leg.accept()
        await hold.until(CallState.UP)
        async with asyncio.timeout(PATIENCE_S):
            while "127.0.0.2" not in one.leg.call.dialog.target:  # type: ignore[union-attr]
                one.told.clear()
                await one.told.wait()


async def test_a_ringing_call_with_early_media_is_told_at_once_by_update() -> None:
    """The 183 was reliable and is acknowledged: nothing needs to wait for the answer (RFC 3311)."""
    async with site("8001", policy=PCMA, listen="0.0.0.0") as (it, (one,)):
        one.auto_answer = False
        await it.context.calls.dial(WHO, "8001", None, False)
        await asyncio.wait_for(one.rings.wait(), PATIENCE_S)
        hold = it.context.calls.all[0]
        assert one.leg is not None
        one.leg.ring(early=True)
        async with asyncio.timeout(PATIENCE_S):
            await it.seated()
        moves_to(it, "127.0.0.2")
        async with asyncio.timeout(PATIENCE_S):
            while "127.0.0.2" not in one.leg.call.dialog.target:  # type: ignore[union-attr]
                one.told.clear()
                await one.told.wait()
        assert one.leg.state is LegState.RINGING and hold.ended is None
        await one.leg.accept()
        await hold.until(CallState.UP)
        one.say(700)
        ear = Ear(it.engine, it.context.talk.seats[0].now or 0)
        try:
            await ear.hears(700)
        finally:
            ear.close()


async def test_a_peer_that_refuses_our_new_address_keeps_its_call_and_people_are_told() -> None:
    async with site("8001", policy=PCMA, listen="0.0.0.0") as (it, (one,)):
        await one.call(it, "600")
        hold = it.context.calls.all[0]
        await hold.until(CallState.UP)
        assert one.leg is not None

        def refuse(_: bytes) -> bytes:
            raise NotAcceptable("not now", 399)

        one.leg.session.answer = refuse  # type: ignore[assignment]
        moves_to(it, "127.0.0.2")
        async with asyncio.timeout(PATIENCE_S):
            while hold.status.code != "call-moving":
                hold.moved.clear()
                await hold.moved.wait()
        assert hold.ended is None and hold.stands(CallState.UP)


async def test_a_link_that_does_not_come_back_ends_the_call_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.sip.native_leg.MOVE_RETRIES_S", (0.01, 0.01))
    async with site("8001", policy=PCMA) as (it, (one,)):
        await one.call(it, "600")
        hold = it.context.calls.all[0]
        await hold.until(CallState.UP)

        async def hop_to(*_: Any, **__: Any) -> Hop:
            raise LinkDown("no route to host")

        it.endpoint.hop_to = hop_to  # type: ignore[method-assign]
        it.routing.called[0]()
        await asyncio.wait_for(hold.over.wait(), PATIENCE_S)
        assert hold.ended is not None and hold.ended[0] == "call-link-lost" and "no route" in hold.ended[1]
