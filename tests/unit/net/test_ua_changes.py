"""Changes inside calls: re-INVITE and UPDATE both ways, glare, session timers, hold, a new address, INFO, REFER."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.base.errors import LocalProtocolError, PeerError
from gateway.net.sip import (
    CallOptions,
    IncomingCall,
    IncomingRequest,
    Referral,
    attended_target,
)
from gateway.wire.sip.refer import Replaces
from gateway.wire.sip.session_timer import SessionTimer
from tests.unit.net.phones import WAIT, Callee, eventually, invite, media, phone, session, talking, way


async def test_reinvites_both_ways_hold_and_resume() -> None:
    async with talking() as pair:
        changes: list[int] = []
        pair.theirs.on_change(lambda: changes.append(1))
        pair.mine.n.hold(True)
        await pair.ours.reoffer()
        assert (pair.mine.direction, pair.other.direction) == ("sendonly", "recvonly") and changes == [1]
        pair.mine.n.hold(False)
        await pair.theirs.reoffer()
        assert pair.mine.direction == pair.other.direction == "sendrecv"
        assert pair.other.asked == ["answer", "answer", "offer", "answered"]


async def test_a_refused_reoffer_leaves_the_call_as_it_was() -> None:
    async with talking() as pair:
        pair.mine.n.change("audio", media(4444))
        pair.other.n.change("audio", None)
        with pytest.raises(PeerError) as caught:
            await pair.ours.reoffer()
        assert caught.value.status == 488 and pair.mine.asked[-1] == "rolled back"
        assert pair.mine.port == 5000 and pair.ours.end is None and pair.theirs.end is None


async def test_glare_is_waited_out_on_both_sides() -> None:
    async with talking() as pair:
        await asyncio.wait_for(asyncio.gather(pair.ours.reoffer(), pair.theirs.reoffer()), WAIT)
        assert "rolled back" in [*pair.mine.asked, *pair.other.asked], "they crossed"
        assert pair.ours.end is None and pair.mine.direction == "sendrecv"


async def test_many_changes_at_once_go_one_after_the_other() -> None:
    async with talking() as pair:
        await asyncio.wait_for(asyncio.gather(*(pair.ours.reoffer() for _ in range(8))), WAIT)
        assert pair.other.asked.count("answer") == 9


async def test_reinvite_without_sdp_gets_an_offer_and_its_answer_in_the_ack() -> None:
    async with talking() as pair:
        dialog = pair.ours.dialog
        assert dialog is not None
        core, clock = pair.ours.engine.core, pair.ours.engine.clock
        response = await pair.ours.engine.exchange(lambda: core.send_in_dialog(dialog, "INVITE", clock()), "re-INVITE")
        answer = pair.mine.answer(response.body)
        core.ack(dialog, response.cseq.number, clock(), body=answer, content_type="application/sdp")
        pair.ours.engine.pump()
        await eventually(lambda: pair.other.asked[-2:] == ["offer", "answered"])
        assert pair.theirs.end is None


@pytest.mark.parametrize("caller", [True, False])
async def test_a_reinvite_without_sdp_is_offered_to_by_either_side(caller: bool) -> None:
    async with talking() as pair:
        asks, gives = (pair.ours, pair.theirs) if caller else (pair.theirs, pair.ours)
        taker, giver = (pair.mine, pair.other) if caller else (pair.other, pair.mine)
        dialog = asks.dialog
        assert dialog is not None
        core, clock = asks.engine.core, asks.engine.clock
        response = await asks.engine.exchange(lambda: core.send_in_dialog(dialog, "INVITE", clock()), "re-INVITE")
        answer = taker.answer(response.body)
        # A change of theirs waits for the ACK, and the ACK is not taken for the answer to it.
        change = asyncio.create_task(gives.reoffer())
        core.ack(dialog, response.cseq.number, clock(), body=answer, content_type="application/sdp")
        asks.engine.pump()
        await asyncio.wait_for(change, WAIT)
        assert giver.asked[-4:] == ["offer", "answered", "offer", "answered"]
        assert asks.end is None and gives.end is None


async def test_our_change_waits_for_the_ack_of_theirs() -> None:
    async with talking() as pair:
        dialog = pair.ours.dialog
        assert dialog is not None
        core, clock = pair.ours.engine.core, pair.ours.engine.clock
        offer = pair.mine.offer()
        response = await pair.ours.engine.exchange(
            lambda: core.send_in_dialog(dialog, "INVITE", clock(), body=offer, content_type="application/sdp"),
            "re-INVITE",
        )
        pair.mine.answered(response.body)
        change = asyncio.create_task(pair.theirs.reoffer())
        await asyncio.sleep(0)
        assert pair.other.asked == ["answer", "answer"], "its offer waits"
        core.ack(dialog, response.cseq.number, clock())
        pair.ours.engine.pump()
        await asyncio.wait_for(change, WAIT)
        assert pair.other.asked == ["answer", "answer", "offer", "answered"]
        assert pair.ours.end is None and pair.theirs.end is None


async def test_update_in_an_early_call_both_ways() -> None:
    early = asyncio.Event()

    async def how(call: IncomingCall) -> None:
        call.ringing(183, media=True)
        await early.wait()
        call.accept()

    async with phone() as a, phone() as b:
        callee = Callee(b, how)
        hop, mine = await way(a, b), session()
        call = await a.invite(invite(hop), hop, options=CallOptions(session=mine))
        theirs = await callee.next()
        await eventually(lambda: mine.port == 5000 and theirs.ua is not None and theirs.ua.offer_state == "stable")
        mine.n.change("audio", media(4100))
        await call.reoffer()
        assert callee.sessions[0].port == 4100
        callee.sessions[0].n.change("audio", media(5100))
        await theirs.reoffer()
        assert mine.port == 5100 and not call.confirmed
        early.set()
        await call.answered(WAIT)
        assert mine.port == 5100
        await call.bye()


async def test_reoffer_while_early_waits_where_the_peer_takes_no_update() -> None:
    go = asyncio.Event()

    async def how(call: IncomingCall) -> None:
        call.ringing()
        await go.wait()
        call.accept()

    async with phone() as a, phone() as b:
        callee = Callee(b, how, allow=("INVITE", "ACK", "BYE", "CANCEL"))
        hop, mine = await way(a, b), session()
        call = await a.invite(invite(hop), hop, options=CallOptions(session=mine))
        await callee.next()
        mine_change = asyncio.create_task(call.reoffer())
        go.set()
        await call.answered(WAIT)
        await asyncio.wait_for(mine_change, WAIT)
        assert callee.sessions[0].asked == ["answer", "answer"]
        await call.bye()


# — session timers —


class Quick(SessionTimer):
    """Its seconds are short."""

    @property
    def refresh_after_s(self) -> float:
        return super().refresh_after_s / 200

    @property
    def over_after_s(self) -> float:
        return super().over_after_s / 20  # far behind the refresh, whatever the machine is busy with


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.net.sip.ua.SessionTimer", Quick)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("refresher", ["us", "peer"])
@pytest.mark.parametrize("update", [True, False])
async def test_the_session_is_refreshed_by_whom_it_was_agreed(refresher: Any, update: bool) -> None:
    allow = ("INVITE", "ACK", "BYE", "CANCEL", *(("UPDATE",) if update else ()))
    callee = {"allow": allow, "session_expires_s": 90}
    async with talking(None, callee, session_expires_s=90, refresher=refresher, allow=allow) as pair:
        assert pair.ours.ua is not None and pair.theirs.ua is not None
        assert pair.ours.ua.timer.we_refresh is (refresher == "us") is not pair.theirs.ua.timer.we_refresh
        dialog = pair.ours.dialog
        assert dialog is not None
        who = dialog if refresher == "us" else pair.theirs.dialog
        assert who is not None
        before = who.local_seq
        await eventually(lambda: who.local_seq >= before + 3 or pair.ours.end is not None)
        assert pair.ours.end is None and pair.theirs.end is None
        assert ("offer" in pair.other.asked) is (refresher == "peer" and not update)


@pytest.mark.usefixtures("quick")
async def test_a_session_that_nobody_refreshes_is_hung_up() -> None:
    async with talking(None, {"session_expires_s": 90}, session_expires_s=90, refresher="us") as pair:
        assert pair.ours.ua is not None
        pair.ours.ua.clock.stop()
        end = await asyncio.wait_for(pair.theirs.ended(), WAIT)
        assert end.by == "link" and "session timer" in end.detail
        assert (await asyncio.wait_for(pair.ours.ended(), WAIT)).by == "remote"


async def test_a_422_is_asked_again_with_what_it_wants() -> None:
    async with talking(None, {"min_se_s": 300}, session_expires_s=120) as pair:
        assert pair.ours.ua is not None and pair.ours.ua.timer.interval_s == 300
        assert any("422" in line for line in pair.sent)


async def test_a_peer_without_timers_has_none_and_one_with_its_wish_is_followed() -> None:
    async with talking(None, {"session_expires_s": 0}, session_expires_s=0) as pair:
        assert pair.ours.ua is not None and pair.ours.ua.timer.interval_s == 0
    async with talking(None, {"session_expires_s": 0}, session_expires_s=600) as pair:
        assert pair.theirs.ua is not None and pair.theirs.ua.timer.interval_s == 600


# — INFO, OPTIONS, REFER —


async def test_infos_are_handled_in_order_and_sent_one_at_a_time() -> None:
    async with talking() as pair:
        got: list[bytes] = []
        running = 0

        async def handle(incoming: IncomingRequest) -> None:
            nonlocal running
            running += 1
            assert running == 1
            await asyncio.sleep(0)
            got.append(incoming.request.body)
            running -= 1

        pair.theirs.on_info(handle)
        answers = await asyncio.gather(*(pair.ours.info(b"Signal=%d" % i, "application/dtmf-relay") for i in range(9)))
        assert got == [b"Signal=%d" % i for i in range(9)] and {a.status for a in answers} == {200}


async def test_a_failing_info_handler_is_answered_500_and_the_next_one_served() -> None:
    async with talking() as pair:

        async def handle(incoming: IncomingRequest) -> None:
            if incoming.request.body == b"bad":
                raise ValueError("a bug")

        pair.theirs.on_info(handle)
        assert (await pair.ours.info(b"bad", "text/plain")).status == 500
        assert (await pair.ours.info(b"good", "text/plain")).status == 200


async def test_options_in_and_out_of_the_dialog() -> None:
    async with talking() as pair:
        inside = await pair.ours.send("OPTIONS")
        assert inside.status == 200 and "UPDATE" in (inside.headers.get("Allow") or "")


async def test_blind_transfer_is_reported() -> None:
    async with talking() as pair:
        asked: list[Referral] = []

        async def refer(referral: Referral) -> None:
            asked.append(referral)
            await referral.accept()
            await referral.report(180)
            await referral.report(200)

        pair.theirs.on_refer(refer)
        transfer = await pair.ours.refer("sip:8002@center", headers=[("Referred-By", "<sip:center@h>")])
        assert [status async for status in transfer.progress()] == [100, 180, 200]
        assert await transfer.done(WAIT) == 200
        assert (asked[0].target.uri, asked[0].replaces, asked[0].referred_by) == (
            "sip:8002@center",
            "",
            "<sip:center@h>",
        )
        assert pair.ours.ua is not None and not pair.ours.ua.transfers


async def test_transfer_without_reports_refused_and_unwanted() -> None:
    async with talking() as pair:
        with pytest.raises(PeerError) as caught:
            await pair.ours.refer("sip:8002@center")
        assert caught.value.status == 405

        async def quiet(referral: Referral) -> None:
            await referral.accept()
            await referral.report(200)

        pair.theirs.on_refer(quiet)
        transfer = await pair.ours.refer("sip:8002@center", notify=False)
        assert await transfer.done(WAIT) == 0 and [s async for s in transfer.progress()] == []

        async def no(referral: Referral) -> None:
            referral.reject(603)

        pair.theirs.on_refer(no)
        with pytest.raises(PeerError) as caught:
            await pair.ours.refer("sip:8002@center")
        assert caught.value.status == 603


async def test_a_transfer_whose_call_ends_is_over() -> None:
    async with talking() as pair:

        async def refer(referral: Referral) -> None:
            await referral.accept()

        pair.theirs.on_refer(refer)
        transfer = await pair.ours.refer("sip:8002@center")
        await pair.theirs.bye()
        assert await transfer.done(WAIT) == 0


async def test_attended_transfer_names_the_call_it_replaces() -> None:
    async with talking() as first, talking() as second:
        target = attended_target(second.ours)
        asked: asyncio.Future[Referral] = asyncio.get_running_loop().create_future()

        async def refer(referral: Referral) -> None:
            asked.set_result(referral)
            await referral.accept()

        first.theirs.on_refer(refer)
        await first.ours.refer(target)
        referral = await asyncio.wait_for(asked, WAIT)
        replaces = Replaces.parse(referral.replaces)
        assert second.b.find_call(replaces) is second.theirs and second.a.find_call(replaces) is None
        assert second.b.find_call(Replaces(replaces.call_id, "x", replaces.from_tag)) is None


async def test_what_needs_a_media_session_says_so() -> None:
    async with phone() as a, phone() as b:
        b.on_call(lambda call: _accept(call))
        hop = await way(a, b)
        call = await a.invite(invite(hop), hop)
        await call.answered(WAIT)
        await call.ack()
        with pytest.raises(LocalProtocolError, match="media session"):
            await call.reoffer()
        await call.bye()


async def _accept(call: IncomingCall) -> None:
    call.accept()
