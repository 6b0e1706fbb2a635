"""What goes wrong in calls: a phone vanishes or never acknowledges, a link breaks, late offers."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from typing import Any

import pytest

from adapters.sip.engine import Referral, ReferralReply
from adapters.sip.routing import MediaPolicy, Target
from gateway.base.errors import GatewayError, PeerError
from gateway.model.voice import CallState, GroupId
from gateway.net.sip import CallOptions, Listen, SipEndpoint
from gateway.wire.sip import Hop, new_request
from gateway.wire.sip.transaction import Timers
from tests.paths.sip_rig import WHO, site
from tests.paths.sip_sound import PATIENCE_S, Ear

PCMA = MediaPolicy(audio=("pcma",))
QUICK = Timers(t1=0.02, t2=0.08)


async def test_a_transfer_that_the_peer_can_not_make_leaves_the_call_up() -> None:
    async with site("8001", "8002", policy=PCMA) as (it, (one, _)):
        await one.call(it, "600")
        hold = it.context.calls.all[0]
        await hold.until(CallState.UP)

        def referred(leg: object, referral: Referral, reply: ReferralReply) -> bool:
            reply.tell(486)
            return True

        one.leg_referred = referred  # type: ignore[method-assign]
        with pytest.raises(PeerError, match="486") as caught:
            await hold.handler.transfer(WHO, "8002")
        assert caught.value.code == "transfer-failed" and hold.stands(CallState.UP)


@pytest.mark.parametrize("outgoing", [False, True])
async def test_a_call_of_a_lost_trunk_ends_within_seconds_when_nobody_answers(
    outgoing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.sip.calls.ASK_S", 0.3)
    async with site("8001", policy=PCMA) as (it, (one,)):
        if outgoing:
            await it.context.calls.dial(WHO, "8001", GroupId("kit1/talk/ops"), False)
        else:
            it.routing.trunk = "center"
            await one.call(it, "600")
        hold = await it.context.calls.number(0)
        await hold.until(CallState.UP)
        await hold.handler.leg.probe("trunk center: silent", PATIENCE_S)
        assert not hold.over.is_set(), "its far side is there"
        one.endpoint.guard(gate=lambda _: False)  # dead: nothing is read any more
        it.routing.lost[0]("center", "trunk center: silent")
        await asyncio.wait_for(hold.over.wait(), PATIENCE_S)
        assert hold.ended is not None and hold.ended[0] == "call-link-lost"
        assert hold.ended[1].startswith("trunk center: silent")


async def test_a_late_offer_is_answered_in_the_ack() -> None:
    async with site("8001", policy=PCMA) as (it, (one,)):
        leg_options: list[CallOptions] = []
        invite = one.endpoint.invite

        async def late(request: Any, hop: Any, *, auth: Any = None, options: Any = None) -> Any:
            options = CallOptions(session=options.session, late=True)
            leg_options.append(options)
            return await invite(request, hop, auth=auth, options=options)

        one.endpoint.invite = late  # type: ignore[method-assign]
        await one.call(it, "600")
        await it.seated()
        assert it.context.calls.all[0].status.audio == "pcma"
        one.say(700)
        ear = Ear(it.engine, it.context.talk.seats[0].now or 0)
        try:
            await ear.hears(700)
        finally:
            ear.close()


async def test_a_phone_that_never_acknowledges_is_hung_up() -> None:
    rude = SipEndpoint([Listen("udp", "127.0.0.1", 0)])
    async with site("8001", policy=PCMA, timing=QUICK) as (it, _), rude:
        body = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
        hop = Hop("udp", ("127.0.0.1", rude.bound[0].port), (it.host, it.port))
        request = new_request(
            "INVITE",
            f"sip:600@{it.host}:{it.port}",
            from_="sip:rude@127.0.0.1",
            hop=hop,
            contact_user="rude",
            body=body,
            content_type="application/sdp",
        )
        await rude.invite(request, hop)
        hold = await it.context.calls.number(0)
        await asyncio.wait_for(hold.over.wait(), PATIENCE_S)
        assert hold.ended is not None and hold.ended[0] == "no-ack"


async def test_a_phone_that_vanishes_is_found_out_by_the_next_order() -> None:
    async with site("8001", policy=PCMA, timing=QUICK) as (it, (one,)):
        await one.call(it, "600")
        hold = it.context.calls.all[0]
        await hold.until(CallState.UP)
        await one.endpoint.__aexit__(None, None, None)
        with pytest.raises(GatewayError):
            await hold.handler.hold(WHO, True)
        await asyncio.wait_for(hold.over.wait(), PATIENCE_S)
        assert hold.ended is not None and hold.ended[0] == "call-link-lost"


async def test_two_hundred_calls_with_random_ends_leave_nothing() -> None:
    """The audit of `site` on its way out: no session, voice, subscription, seat, viewing or place is left."""
    chance = random.Random(3)
    async with site("8001", "8002", policy=PCMA) as (it, phones):
        it.routing.numbers["0"] = Target("console")
        it.routing.numbers["8002"] = Target("number", "8002")
        it.routing.numbers["700"] = Target("channel", "kit1/ball-1/ch1")

        async def one_call(index: int) -> None:
            phone = phones[0]
            phone.auto_answer = chance.random() < 0.8
            kind = chance.choice(["600", "0", "8002", "700", "404", "out"])
            try:
                if kind == "out":
                    await it.context.calls.dial(WHO, "8001", chance.choice([None, GroupId("kit1/talk/ops")]), True)
                    await asyncio.wait_for(phone.rings.wait(), PATIENCE_S)
                else:
                    placing = asyncio.ensure_future(phone.call(it, kind))
                    await asyncio.wait([placing], timeout=chance.choice([0, 0.005, 0.02, 0.1]))
                    if not placing.done():
                        placing.cancel()
                        await asyncio.gather(placing, return_exceptions=True)
            except (GatewayError, TimeoutError):
                pass
            match chance.choice(["phone", "kit", "both"]):
                case "phone":
                    await phone.leg.hang_up() if phone.leg else None
                case "kit":
                    for hold in it.context.calls.all:
                        if hold.ended is None:
                            await hold.handler.hang_up(WHO)
                case "both":
                    ends = [hold.handler.hang_up(WHO) for hold in it.context.calls.all if hold.ended is None]
                    await asyncio.gather(*ends, *([phone.leg.hang_up()] if phone.leg else []))
            if phone.leg is not None:
                await phone.leg.hang_up()
            phone.rings.clear()

        async with asyncio.timeout(60):
            for index in range(200):
                await one_call(index)
            for hold in it.context.calls.all:
                if hold.ended is None:
                    await hold.handler.hang_up(WHO)
                await hold.over.wait()
        assert len(it.context.calls.all) > 150
        async with asyncio.timeout(90):  # what nobody answered any more stands for 64·T1 (RFC 3261 §17.1.2.2)
            while it.manager.figures()["legs"] or it.endpoint.standing["dialogs"]:  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(0.02)


async def test_a_tcp_connection_that_falls_ends_the_call_unless_the_phone_is_found_again() -> None:
    async with site("8001", policy=PCMA, timing=QUICK) as (it, (one,)):
        tcp = it.endpoint.bound[1].port
        hop = await one.endpoint.hop_to("tcp", ("127.0.0.1", tcp))
        await one.call(it, "600", hop=hop)
        hold = it.context.calls.all[0]
        await hold.until(CallState.UP)
        await one.endpoint.__aexit__(None, None, None)  # the phone's program dies
        with contextlib.suppress(GatewayError):
            await hold.handler.hold(WHO, True)
        await asyncio.wait_for(hold.over.wait(), PATIENCE_S)
        assert hold.ended is not None and hold.ended[0] == "call-link-lost"


async def test_early_media_of_the_called_is_heard_by_the_caller() -> None:
    async with site("8001", "8002", policy=PCMA) as (it, (one, two)):
        it.routing.numbers["8002"] = Target("number", "8002")
        two.auto_answer = False
        placing = asyncio.create_task(one.call(it, "8002"))
        await asyncio.wait_for(two.rings.wait(), PATIENCE_S)
        assert two.leg is not None
        two.leg.ring(early=True)
        two.say(1400)  # "the number you have called …"
        await one.media(lambda media: media.early and media.voice is not None)
        await one.listen().hears(1400)
        assert not placing.done()
        two.leg.reject(486)
        with pytest.raises(GatewayError, match="486"):
            await placing


async def test_rtp_of_a_stranger_is_ignored_and_told() -> None:
    async with site("8001", policy=PCMA) as (it, (one,)):
        it.routing.policy = MediaPolicy(audio=("pcma",), latch="strict", srtp="off")
        leg = await one.call(it, "600")
        hold = it.context.calls.all[0]
        await it.seated()
        one.say(700)
        ear = Ear(it.engine, it.context.talk.seats[0].now or 0)
        agreed = leg.session._agreed("audio")
        assert agreed is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            try:
                await ear.hears(700)
                packets = [struct.pack("!BBHII", 0x80, 8, n, n * 160, 0xBAD) + b"\xd5" * 160 for n in range(50)]
                async with asyncio.timeout(PATIENCE_S):
                    while hold.status.code != "rtp-stranger":
                        for packet in packets:
                            stranger.sendto(packet, ("127.0.0.1", agreed.port))
                        hold.moved.clear()
                        await hold.moved.wait()
                assert str(stranger.getsockname()[1]) in hold.status.detail
                await ear.hears(700)
            finally:
                ear.close()


async def test_a_person_transfers_a_phone_of_ours_through_us() -> None:
    async with site("8001", "8002", policy=PCMA) as (it, (one, _)):
        await one.call(it, "600")
        hold = it.context.calls.all[0]
        await hold.until(CallState.UP)
        asked: list[str] = []

        def referred(leg: object, referral: Referral, reply: ReferralReply) -> bool:
            asked.append(referral.uri)
            reply.tell(200)
            return True

        one.leg_referred = referred  # type: ignore[method-assign]
        await hold.handler.transfer(WHO, "8002")
        assert asked == [f"sip:8002@{it.host}:{it.port}"]
        assert hold.ended is not None and hold.ended[0] == "transferred"


async def test_a_peer_that_dies_in_silence_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """No RTP alone ends nothing; no answer to the question whether it is there does."""
    monkeypatch.setattr("adapters.sip.call_ear.SILENT_S", 0.3)
    monkeypatch.setattr("adapters.sip.call_ear.PROBE_S", 0.3)
    async with site("8001", policy=PCMA, timing=QUICK) as (it, (one,)):
        leg = await one.call(it, "600")
        hold = it.context.calls.all[0]
        await it.seated()
        one.engine.set_voice(leg.media.voice or 0, transmit="never")
        async with asyncio.timeout(PATIENCE_S):
            while hold.status.code != "no-media-phone":
                hold.moved.clear()
                await hold.moved.wait()
        await leg.call.info(b"", None)  # it is there, and so is its call
        assert not hold.over.is_set()
        await one.endpoint.__aexit__(None, None, None)
        await asyncio.wait_for(hold.over.wait(), PATIENCE_S)
        assert hold.ended is not None and hold.ended[0] == "call-link-lost"
