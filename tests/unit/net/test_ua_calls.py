"""Calls with a media session: offer and answer on every way that an INVITE has for it, 100rel, forks, refusals."""

from __future__ import annotations

import asyncio

import pytest

from gateway.base.errors import LinkDown, PeerError
from gateway.net.sip import CallOptions, IncomingCall
from gateway.wire.sdp import LocalMedia, Negotiation, audio_codecs
from gateway.wire.sip import SipRequest
from tests.unit.net.phones import (
    WAIT,
    Callee,
    Session,
    eventually,
    invite,
    phone,
    session,
    talking,
    way,
)
from tests.unit.net.strangers import SDP_TYPE, deaf, in_dialog, peer, with_sdp


async def test_offer_in_the_invite_answer_in_the_200() -> None:
    async with talking() as pair:
        assert (pair.mine.port, pair.other.port) == (5000, 4000)
        assert pair.ours.confirmed and pair.theirs.confirmed and pair.theirs.offered
        assert pair.ours.dialog_ids == (pair.theirs.call_id, pair.theirs.dialog_ids[2], pair.theirs.dialog_ids[1])
        assert pair.ours.peer_allows("UPDATE") and pair.ours.remote.user == "kit"
        await pair.ours.bye()
        assert (await asyncio.wait_for(pair.theirs.ended(), WAIT)).by == "remote"


async def test_late_offer_in_the_200_answer_in_the_ack() -> None:
    async with talking(late=True) as pair:
        assert not pair.theirs.offered
        assert pair.mine.asked == ["answer"] and pair.other.asked == ["offer", "answered"]
        assert (pair.mine.port, pair.other.port) == (5000, 4000)


async def test_reliable_early_media() -> None:
    def how(call: IncomingCall) -> None:
        call.ringing(183, media=True)
        call.ringing(180)
        call.accept()  # waits for the PRACK

    async with talking(how) as pair:
        assert (pair.mine.port, pair.other.port) == (5000, 4000)
        assert pair.mine.asked == ["offer", "answered"] and pair.other.asked == ["answer"]
        lines = [line for line in pair.sent if line.startswith("SIP/2.0 1") and "100" not in line]
        assert lines == ["SIP/2.0 183 Session Progress", "SIP/2.0 180 Ringing"]


async def test_early_media_without_100rel() -> None:
    def how(call: IncomingCall) -> None:
        call.ringing(183, media=True)
        call.accept()

    async with talking(how, reliable="off") as pair:
        assert (pair.mine.port, pair.other.port) == (5000, 4000)
        assert pair.mine.asked == ["offer", "answered"], "the 200 says the same again"
        assert not any("PRACK" in line for line in pair.sent)


async def test_offer_in_a_reliable_183_answer_in_the_prack() -> None:
    def how(call: IncomingCall) -> None:
        call.ringing(183, media=True)
        call.accept()

    async with talking(how, late=True) as pair:
        assert pair.other.asked == ["offer", "answered"] and pair.mine.asked == ["answer"]
        assert (pair.mine.port, pair.other.port) == (5000, 4000)


async def test_a_183_of_ours_that_nobody_pracks_is_repeated_and_ends_in_504() -> None:
    async with phone() as b:
        callee = Callee(b, lambda call: call.ringing(183, media=True))
        async with deaf(b) as (hop, send, got):
            send(bytes(with_sdp(invite(hop), "100rel")))
            call = await callee.next()
            assert (await asyncio.wait_for(call.ended(), WAIT)).by == "local"
            await eventually(lambda: any(r.status == 504 for r in got))
        early = [r for r in got if r.status == 183]
        assert len(early) > 3 and len({r.headers.get("RSeq") for r in early}) == 1


async def test_a_prack_for_nothing_is_481_and_a_broken_one_400() -> None:
    async with phone() as b:
        callee = Callee(b, lambda call: call.ringing(183, media=True))
        async with deaf(b) as (hop, send, got):
            asked = with_sdp(invite(hop), "100rel")
            send(bytes(asked))
            call = await callee.next()
            await eventually(lambda: any(r.status == 183 for r in got))
            first = next(r for r in got if r.status == 183)
            rseq = int(first.headers.get("RSeq") or 0)
            for number, (rack, status) in enumerate(
                [
                    (f"{rseq + 1} 1 INVITE", 481),
                    ("x 1 INVITE", 400),
                    (f"{rseq} 1 INVITE", 200),
                    (f"{rseq} 1 INVITE", 481),
                ],
                2,
            ):
                send(bytes(in_dialog(asked, first, "PRACK", number, [("RAck", rack)])))
                await eventually(lambda number=number: any(r.cseq.number == number for r in got))  # type: ignore[misc]
                assert next(r.status for r in got if r.cseq.number == number) == status
            call.reject(486)


async def test_reliable_1xx_out_of_order_is_not_taken() -> None:
    async with phone() as a, peer() as (address, said):
        hop = await a.hop_to("udp", address)
        call = await a.invite(invite(hop), hop, options=CallOptions(session=session()))
        heard: list[int] = []
        call.on_provisional(lambda r: heard.append(r.status))
        request = await said.request("INVITE")
        headers = [("Contact", f"<sip:x@{address[0]}:{address[1]}>"), ("Require", "100rel")]
        for status, rseq in ((183, 7), (182, 9), (183, 7), (180, 8)):
            said.answer(request, status, [*headers, ("RSeq", str(rseq))])
        first, second = await said.request("PRACK"), await said.request("PRACK")
        assert [p.headers.get("RAck") for p in (first, second)] == ["7 1 INVITE", "8 1 INVITE"]
        assert heard == [183, 180] and a.counters["provisional_out_of_order"] == 2
        for prack in (first, second):
            said.answer(prack, 200)
        await call.bye()


@pytest.mark.parametrize(
    ("headers", "options", "status"),
    [
        ([("Require", "100rel")], {"reliable": "off"}, 420),
        ([], {"reliable": "required"}, 421),
        ([("Supported", "timer"), ("Session-Expires", "60")], {}, 422),
        ([("Content-Type", "text/plain")], {}, 415),
    ],
)
async def test_what_can_not_be_done_is_refused(
    headers: list[tuple[str, str]], options: dict[str, str], status: int
) -> None:
    async with phone() as b:
        Callee(b, None, **options)
        async with deaf(b) as (hop, send, got):
            asked = invite(hop)
            body = b"hello" if status == 415 else b""
            send(bytes(SipRequest("INVITE", asked.uri, asked.headers.extend(headers), body)))
            await eventually(lambda: any(r.final for r in got))
            answer = next(r for r in got if r.final)
            assert answer.status == status
            if status == 422:
                assert answer.headers.get("Min-SE") == "90"


async def test_nothing_common_is_488_with_its_words() -> None:
    async with phone() as a, phone() as b:
        Callee(b)
        hop = await way(a, b)
        mine = Session(Negotiation([LocalMedia("audio", "127.0.0.1", 4000, audio_codecs(("opus",), dtmf=False))]))
        call = await a.invite(invite(hop), hop, options=CallOptions(session=mine))
        with pytest.raises(PeerError, match="no common codec") as caught:
            await call.answered(WAIT)
        assert caught.value.status == 488 and call.end is not None and call.end.status == 488
        assert mine.asked == ["offer", "rolled back"]


async def test_an_answer_that_can_not_be_taken_ends_the_call() -> None:
    async with phone() as a, peer() as (address, said):
        hop = await a.hop_to("udp", address)
        call = await a.invite(invite(hop), hop, options=CallOptions(session=session()))
        contact = ("Contact", f"<sip:x@{address[0]}:{address[1]}>")
        body = b"v=0\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nm=audio 6000 RTP/AVP 18\r\n"
        said.answer(await said.request("INVITE"), 200, [contact, ("Content-Type", SDP_TYPE)], body)
        assert (await said.request("ACK")).cseq.number == 1
        bye = await said.request("BYE")
        assert "488" in (bye.headers.get("Reason") or "")
        said.answer(bye, 200)
        with pytest.raises(PeerError) as caught:
            await call.answered(WAIT)
        assert caught.value.status == 488


async def test_an_ack_without_the_answer_ends_the_call() -> None:
    async with phone() as b:
        callee = Callee(b)
        async with deaf(b) as (hop, send, got):
            asked = invite(hop)
            send(bytes(asked))
            call = await callee.next()
            await eventually(lambda: any(r.ok for r in got))
            send(bytes(in_dialog(asked, next(r for r in got if r.ok), "ACK", 1)))
            end = await asyncio.wait_for(call.ended(), WAIT)
            assert end.status == 488 and "ACK" in end.detail


async def test_a_phone_that_never_acknowledges_is_hung_up() -> None:
    async with phone() as b:
        callee = Callee(b)
        async with deaf(b) as (hop, send, got):
            send(bytes(with_sdp(invite(hop))))
            call = await callee.next()
            with pytest.raises(LinkDown, match="never acknowledged"):
                await call.acked(WAIT)
            assert len([r for r in got if r.ok]) > 4, "the 200 was repeated"


async def test_forks_the_first_200_wins_and_the_others_are_hung_up() -> None:
    async with phone() as a, peer() as (address, said):
        hop = await a.hop_to("udp", address)
        mine = session()
        call = await a.invite(invite(hop), hop, options=CallOptions(session=mine))
        request = await said.request("INVITE")
        contact = [("Contact", f"<sip:x@{address[0]}:{address[1]}>"), ("Content-Type", SDP_TYPE)]

        def sdp(port: int) -> bytes:
            return f"v=0\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nm=audio {port} RTP/AVP 8\r\n".encode()

        said.answer(request, 183, contact, sdp(6000), tag="one")
        said.answer(request, 183, contact, sdp(6002), tag="two")
        await eventually(lambda: mine.port == 6000)
        said.answer(request, 200, contact, sdp(6002), tag="two")
        await call.answered(WAIT)
        assert mine.port == 6002, "the answer of the dialog that won counts"
        assert (await said.request("ACK")).to.tag == "two"
        said.answer(request, 200, contact, sdp(6000), tag="one")
        acks = [await said.request("ACK"), bye := await said.request("BYE")]
        assert [r.to.tag for r in acks] == ["one", "one"]
        said.answer(bye, 200)
        said.answer(request, 200, contact, sdp(6002), tag="two")
        assert (await said.request("ACK")).to.tag == "two", "a repeated 200 gets its ACK again"
        assert call.end is None and mine.port == 6002
        await eventually(lambda: len(a._engine.core.dialogs) == 1)  # what lost is forgotten


async def test_cancel_that_crosses_the_200_ends_in_ack_and_bye() -> None:
    async with phone() as a, peer() as (address, said):
        hop = await a.hop_to("udp", address)
        call = await a.invite(invite(hop), hop, options=CallOptions(session=session()))
        request = await said.request("INVITE")
        said.answer(request, 180, [("Contact", f"<sip:x@{address[0]}:{address[1]}>")])
        await eventually(lambda: call.dialog is not None)
        goodbye = asyncio.create_task(call.bye())
        cancel = await said.request("CANCEL")
        body = b"v=0\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nm=audio 6000 RTP/AVP 8\r\n"
        said.answer(request, 200, [("Contact", f"<sip:x@{address[0]}:{address[1]}>"), ("Content-Type", SDP_TYPE)], body)
        said.answer(cancel, 481)
        assert (await said.request("ACK")).cseq.number == 1
        said.answer(await said.request("BYE"), 200)
        await asyncio.wait_for(goodbye, WAIT)


async def test_in_dialog_requests_go_by_the_route_set_strict_and_loose() -> None:
    for route, uri, routes in (
        ("<sip:{p};lr>", "sip:x@192.0.2.7", ["<sip:{p};lr>"]),
        ("<sip:{p}>", "sip:{p}", ["<sip:x@192.0.2.7>"]),
    ):
        async with phone() as a, peer() as (address, said), peer() as (proxy, routed):
            place = f"{proxy[0]}:{proxy[1]}"
            hop = await a.hop_to("udp", address)
            call = await a.invite(invite(hop), hop, options=CallOptions(session=session()))
            request = await said.request("INVITE")
            headers = [
                ("Contact", "<sip:x@192.0.2.7>"),
                ("Content-Type", SDP_TYPE),
                ("Record-Route", route.format(p=place)),
            ]
            body = b"v=0\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nm=audio 6000 RTP/AVP 8\r\n"
            said.answer(request, 200, headers, body)
            ack = await routed.request("ACK")
            await call.answered(WAIT)
            assert (ack.uri, ack.values("Route")) == (uri.format(p=place), [r.format(p=place) for r in routes])
            goodbye = asyncio.create_task(call.bye())
            routed.answer(await routed.request("BYE"), 200)
            await asyncio.wait_for(goodbye, WAIT)


async def test_the_contact_of_the_peer_is_followed_or_its_source_kept() -> None:
    for follow, there in (("contact", True), ("source", False)):
        async with phone() as a, peer() as (address, said), peer() as (other, moved):
            hop = await a.hop_to("udp", address)
            options = CallOptions(session=session(), follow=follow)  # type: ignore[arg-type]
            call = await a.invite(invite(hop), hop, options=options)
            headers = [("Contact", f"<sip:x@{other[0]}:{other[1]}>"), ("Content-Type", SDP_TYPE)]
            body = b"v=0\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nm=audio 6000 RTP/AVP 8\r\n"
            said.answer(await said.request("INVITE"), 200, headers, body)
            await call.answered(WAIT)
            assert (await (moved if there else said).request("ACK")).uri == f"sip:x@{other[0]}:{other[1]}"
            goodbye = asyncio.create_task(call.bye())
            who = moved if there else said
            who.answer(await who.request("BYE"), 200)
            await asyncio.wait_for(goodbye, WAIT)


async def test_a_phone_behind_nat_is_met_at_its_source() -> None:
    async with phone() as b:
        callee = Callee(b)
        async with deaf(b) as (hop, send, got):
            request = with_sdp(invite(hop))
            request = request.with_headers(request.headers.set("Contact", "<sip:center@10.9.9.9:5060>"))
            send(bytes(request), "10.9.9.9")
            call = await callee.next()
            await eventually(lambda: any(r.ok for r in got))
            send(bytes(in_dialog(request, next(r for r in got if r.ok), "ACK", 1)))
            await call.acked(WAIT)
            before = len(got)
            asyncio.get_running_loop().create_task(call.bye())
            await eventually(lambda: any(isinstance(m, SipRequest) for m in got[before:]))
