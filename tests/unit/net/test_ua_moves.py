"""Calls live through a change of our address: confirmed, held, early, ringing, with a re-INVITE pending."""

from __future__ import annotations

import asyncio

import pytest

from gateway.net.sip import (
    Call,
    CallOptions,
    IncomingCall,
    Listen,
    SipEndpoint,
)
from gateway.wire.sip import Hop, NameAddr
from tests.unit.net.phones import FAST, TAGS, WAIT, Callee, eventually, invite, media, session


def lose_first(sip: SipEndpoint, method: bytes) -> list[bytes]:
    """The next request of a method does not reach the endpoint, its repeats do."""
    lost: list[bytes] = []
    receive = sip._engine.core.receive_datagram

    def listen(data: bytes, hop: Hop, now: float) -> None:
        if data.startswith(method) and not lost:
            lost.append(data)
        else:
            receive(data, hop, now)

    sip._engine.core.receive_datagram = listen  # type: ignore[method-assign]
    return lost


async def moved(sip: SipEndpoint, to: Hop) -> Hop:
    """The same way from another address of ours (the socket is bound to the wildcard)."""
    return Hop("udp", ("127.0.0.2", sip.bound[0].port), to.remote)


def roaming() -> SipEndpoint:
    return SipEndpoint([Listen("udp", "0.0.0.0", 0)], timing=FAST, supported=TAGS)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("side", ["caller", "called"])
async def test_a_confirmed_or_held_call_moves(held: bool, side: str) -> None:
    async with roaming() as a, roaming() as b:
        callee = Callee(b)
        hop, mine = await a.hop_to("udp", ("127.0.0.1", b.bound[0].port)), session()
        call = await a.invite(invite(hop), hop, options=CallOptions(session=mine))
        await call.answered(WAIT)
        theirs = await callee.next()
        await theirs.acked(WAIT)
        if held:
            mine.n.hold(True)
            await call.reoffer()
        mover: Call = call if side == "caller" else theirs
        other: Call = theirs if side == "caller" else call
        its, seen = (mine, callee.sessions[0]) if side == "caller" else (callee.sessions[0], mine)
        its.n.change("audio", media(7000, "127.0.0.2"))
        endpoint = a if side == "caller" else b
        assert mover.dialog is not None and other.dialog is not None
        await mover.refresh_target(await moved(endpoint, mover.dialog.hop))
        assert NameAddr.parse(f"<{other.dialog.target}>").sip.host == "127.0.0.2" and seen.port == 7000
        assert (mine.direction == "sendonly") is held
        await other.bye()
        assert (await asyncio.wait_for(mover.ended(), WAIT)).by == "remote"


@pytest.mark.parametrize("update", [True, False])
async def test_an_early_call_moves_at_once_or_when_it_is_answered(update: bool) -> None:
    go = asyncio.Event()

    async def how(call: IncomingCall) -> None:
        call.ringing(183, media=True)
        await go.wait()
        call.accept()

    allow = ("INVITE", "ACK", "BYE", "CANCEL", "PRACK", *(("UPDATE",) if update else ()))
    async with roaming() as a, roaming() as b:
        callee = Callee(b, how, allow=allow)
        hop, mine = await a.hop_to("udp", ("127.0.0.1", b.bound[0].port)), session()
        call = await a.invite(invite(hop), hop, options=CallOptions(session=mine))
        theirs = await callee.next()
        await eventually(lambda: mine.port == 5000 and theirs.ua is not None and theirs.ua.offer_state == "stable")
        mine.n.change("audio", media(7000, "127.0.0.2"))
        await call.refresh_target(await moved(a, hop))
        assert (callee.sessions[0].port == 7000) is update
        go.set()
        await call.answered(WAIT)
        await eventually(lambda: callee.sessions[0].port == 7000)
        assert theirs.dialog is not None and "127.0.0.2" in theirs.dialog.target
        await theirs.bye()
        assert (await asyncio.wait_for(call.ended(), WAIT)).by == "remote"


async def test_a_ringing_call_that_came_in_answers_from_the_new_address() -> None:
    go = asyncio.Event()

    async def how(call: IncomingCall) -> None:
        call.ringing()
        await go.wait()
        call.accept()

    async with roaming() as a, roaming() as b:
        callee = Callee(b, how)
        hop = await a.hop_to("udp", ("127.0.0.1", b.bound[0].port))
        call = await a.invite(invite(hop), hop, options=CallOptions(session=session(), reliable="off"))
        theirs = await callee.next()
        await theirs.refresh_target(await moved(b, theirs.hop))
        go.set()
        answer = await call.answered(WAIT)
        assert answer.contact is not None and answer.contact.sip.host == "127.0.0.2"
        await call.bye()


async def test_a_move_while_a_reinvite_is_pending_follows_it() -> None:
    async with roaming() as a, roaming() as b:
        callee = Callee(b)
        hop, mine = await a.hop_to("udp", ("127.0.0.1", b.bound[0].port)), session()
        call = await a.invite(invite(hop), hop, options=CallOptions(session=mine))
        await call.answered(WAIT)
        theirs = await callee.next()
        await theirs.acked(WAIT)
        lost = lose_first(b, b"INVITE")
        first = asyncio.create_task(call.reoffer())
        await eventually(lambda: bool(lost))
        assert mine.n.offering
        mine.n.change("audio", media(7000, "127.0.0.2"))
        await asyncio.wait_for(call.refresh_target(await moved(a, hop)), WAIT)
        await asyncio.wait_for(first, WAIT)
        assert callee.sessions[0].port == 7000 and callee.sessions[0].asked.count("answer") == 3
        await call.bye()
