"""Whole calls over the real user agent and the real media plane: what is said on one phone is heard on the others."""

from __future__ import annotations

import asyncio

import pytest

from adapters.sip.engine import LegState
from adapters.sip.routing import MediaPolicy, Srtp, Target
from gateway.base.errors import PeerError
from gateway.model.voice import CallState, GroupId
from tests.paths.sip_rig import WHO, site
from tests.paths.sip_sound import PATIENCE_S

PCMA = MediaPolicy(audio=("pcma",))
CONSOLE = Target("console")


@pytest.mark.parametrize("codec", ["pcma", "pcmu", "g722", "opus"])
async def test_two_phones_in_a_group_hear_each_other(codec: str) -> None:
    async with site("8001", "8002", policy=MediaPolicy(audio=(codec,))) as (it, (one, two)):
        for phone, hz in ((one, 700.0), (two, 1100.0)):
            leg = await phone.call(it, "600")
            assert leg.media.audio == codec
            phone.say(hz)
        await asyncio.gather(one.listen().hears(1100), two.listen().hears(700))


@pytest.mark.parametrize(
    ("kit_srtp", "phone_srtp", "secure"),
    [
        ("required", "optional", "sdes"),
        ("optional", "sdes", "sdes"),
        ("optional", "dtls", "dtls"),
        ("required", "dtls", "dtls"),
        ("dtls", "optional", "dtls"),
        ("off", "optional", ""),
    ],
)
async def test_ciphered_calls_are_heard_both_ways(kit_srtp: Srtp, phone_srtp: Srtp, secure: str) -> None:
    async with site("8001", "8002") as (it, (one, two)):
        it.routing.policy = MediaPolicy(srtp=kit_srtp, audio=("pcma",))
        one.policy = two.policy = MediaPolicy(srtp=phone_srtp, audio=("pcma",))
        if kit_srtp in ("dtls", "required") and phone_srtp == "optional":
            # a phone that offers plain RTP is refused; called by us, it takes the cipher
            with pytest.raises(PeerError, match="488"):
                await one.call(it, "600")
            for number in ("8001", "8002"):
                await it.context.calls.dial(WHO, number, GroupId("kit1/talk/ops"), False)
            await asyncio.gather(*(phone.media(lambda media: media.voice is not None) for phone in (one, two)))
        else:
            await asyncio.gather(one.call(it, "600"), two.call(it, "600"))
        assert (await one.media(lambda media: bool(media.audio))).secure == secure
        ears = (one.listen(), two.listen())
        one.say(700)
        two.say(1100)
        await asyncio.gather(ears[0].hears(1100), ears[1].hears(700))
        assert {hold.status.secure for hold in it.context.calls.all if hold.ended is None} == {secure}


async def test_no_common_codec_is_488_with_words() -> None:
    async with site("8001") as (it, (one,)):
        it.routing.policy = MediaPolicy(audio=("opus",))
        one.policy = PCMA
        with pytest.raises(PeerError, match=r"488.*(?i:pcma)"):
            await one.call(it, "600")
        (hold,) = it.context.calls.all
        await asyncio.wait_for(hold.over.wait(), PATIENCE_S)
        assert hold.ended is not None and hold.ended[0] == "no-common-codec"


async def test_the_phone_hangs_up_and_so_do_we() -> None:
    async with site("8001") as (it, (one,)):
        await one.call(it, "600")
        assert one.leg is not None
        await one.leg.hang_up()
        hold = it.context.calls.all[0]
        await asyncio.wait_for(hold.over.wait(), PATIENCE_S)
        assert hold.ended == ("peer-hung-up", "")
        await one.call(it, "600")
        hold = it.context.calls.all[1]
        await hold.handler.hang_up(WHO)
        assert (await one.ended()).code == "peer-hung-up"


async def test_hold_by_either_side_is_silence_and_resumes() -> None:
    async with site("8001", "8002", policy=PCMA) as (it, (one, two)):
        await one.call(it, "600")
        await two.call(it, "600")
        first = it.context.calls.all[0]
        one.say(700)
        ear = two.listen()
        await ear.hears(700)
        assert one.leg is not None
        await one.leg.hold(True)
        assert first.stands(CallState.HELD_BY_PEER)
        await ear.silent()
        await one.leg.hold(False)
        assert first.stands(CallState.UP)
        await ear.hears(700)
        await first.handler.hold(WHO, True)
        await one.media(lambda media: media.held_by_peer)
        await ear.silent()
        await first.handler.hold(WHO, False)
        await one.media(lambda media: not media.held_by_peer)
        await ear.hears(700)


async def test_a_call_to_the_console_rings_until_a_person_takes_it() -> None:
    async with site("8001", policy=PCMA) as (it, (one,)):
        it.routing.numbers["0"] = CONSOLE
        placing = asyncio.create_task(one.call(it, "0"))
        await asyncio.wait_for(one.rings.wait(), PATIENCE_S)
        hold = await it.context.calls.number(0)
        assert hold.stands(CallState.RINGING_IN)
        group = await hold.handler.answer(WHO)
        await placing
        assert it.context.talk.seats[0].group == group and hold.stands(CallState.UP)


async def test_a_caller_that_gives_up_is_seen() -> None:
    async with site("8001", policy=PCMA) as (it, (one,)):
        it.routing.numbers["0"] = CONSOLE
        placing = asyncio.create_task(one.call(it, "0"))
        await asyncio.wait_for(one.rings.wait(), PATIENCE_S)
        assert one.leg is not None
        await one.leg.hang_up()
        hold = await it.context.calls.number(0)
        await asyncio.wait_for(hold.over.wait(), PATIENCE_S)
        assert hold.ended is not None and hold.ended[0] == "call-cancelled"
        await asyncio.gather(placing, return_exceptions=True)


async def test_a_number_is_dialled_into_a_group() -> None:
    async with site("8001", "8002", policy=PCMA) as (it, (one, two)):
        await one.call(it, "600")
        ident = await it.context.calls.dial(WHO, "8002", GroupId("kit1/talk/ops"), False)
        hold = next(one for one in it.context.calls.all if one.id == ident)
        await hold.until(CallState.UP)
        await two.media(lambda media: media.voice is not None)
        one.say(700)
        two.say(1100)
        await asyncio.gather(one.listen().hears(1100), two.listen().hears(700))


async def test_a_phone_that_declines_is_told_as_it_is() -> None:
    async with site("8001", policy=PCMA) as (it, (one,)):
        one.auto_answer = False
        await it.context.calls.dial(WHO, "8001", None, False)
        await asyncio.wait_for(one.rings.wait(), PATIENCE_S)
        hold = it.context.calls.all[0]
        await hold.until(CallState.RINGING)
        assert one.leg is not None
        one.leg.reject(603)
        await asyncio.wait_for(hold.over.wait(), PATIENCE_S)
        assert hold.ended is not None and hold.ended[0] == "peer-declined"


async def test_one_phone_calls_another_through_us() -> None:
    async with site("8001", "8002", policy=PCMA) as (it, (one, two)):
        it.routing.numbers["8002"] = Target("number", "8002")
        await one.call(it, "8002")
        await two.media(lambda media: media.voice is not None)
        one.say(700)
        two.say(1100)
        await asyncio.gather(one.listen().hears(1100), two.listen().hears(700))
        assert two.leg is not None
        await two.leg.hang_up()
        assert (await one.ended()).code == "peer-hung-up"


async def test_digits_by_rfc_4733_and_by_info_reach_the_other_phone() -> None:
    async with site("8001", "8002", policy=PCMA) as (it, (one, two)):
        it.routing.numbers["8002"] = Target("number", "8002")
        await one.call(it, "8002")
        media = await two.media(lambda media: media.voice is not None)
        heard: list[str] = []
        got = asyncio.Event()

        def listen(event: object) -> None:
            if getattr(event, "state", "") == "dtmf":
                heard.append(getattr(event, "detail", ""))
                got.set()

        two.plane.on_voice(media.voice, listen)
        assert one.leg is not None
        await one.leg.digits("15#")
        async with asyncio.timeout(PATIENCE_S):
            while heard != ["1", "5", "#"]:
                got.clear()
                await got.wait()
        await one.leg.call.info(b"Signal=7\r\nDuration=100\r\n", "application/dtmf-relay")
        async with asyncio.timeout(PATIENCE_S):
            while heard[-1] != "7":
                got.clear()
                await got.wait()


async def test_a_phone_transfers_itself_away_blind() -> None:
    async with site("8001", "8002", "8003", policy=PCMA) as (it, (one, two, three)):
        await one.call(it, "600")
        await three.call(it, "600")
        assert one.leg is not None
        await one.leg.transfer("sip:8002@kit")
        await one.leg.hang_up()
        await two.media(lambda media: media.voice is not None)
        two.say(1100)
        await three.listen().hears(1100)
        with pytest.raises(PeerError, match="603"):
            assert three.leg is not None
            await three.leg.transfer("sip:00900123456@kit")


async def test_a_phone_transfers_the_other_one_into_a_group() -> None:
    async with site("8001", "8002", "8003", policy=PCMA) as (it, (one, two, three)):
        it.routing.numbers["8002"] = Target("number", "8002")
        await three.call(it, "600")
        await one.call(it, "8002")
        await two.media(lambda media: media.voice is not None)
        assert one.leg is not None
        await one.leg.transfer("sip:600@kit")
        await one.leg.hang_up()
        two.say(1100)
        await three.listen().hears(1100)
        assert len(it.context.talk.seats) == 2 and len(it.context.calls.all) == 3
        assert two.leg is not None and two.leg.state is LegState.UP


async def test_an_attended_transfer_joins_two_calls() -> None:
    """A person at the kit has two phones on the line and joins them; one INVITEs the other with Replaces."""
    async with site("8001", "8002", policy=PCMA) as (it, (one, two)):
        await one.call(it, "600")
        await two.call(it, "600")
        first, second = it.context.calls.all
        await second.until(CallState.UP)
        asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def referred(leg: object, referral: object, reply: object) -> bool:
            asked.set_result(getattr(referral, "replaces", ""))
            reply.tell(200)  # type: ignore[attr-defined]
            return True

        one.leg_referred = referred  # type: ignore[method-assign]
        await first.handler.transfer(WHO, "", attended_with=second.id)
        assert two.leg is not None
        call_id, own, other = two.leg.dialog
        assert await asked == f"{call_id};to-tag={own};from-tag={other}"
        assert first.ended is not None and first.ended[0] == "transferred"


async def test_a_call_with_replaces_takes_the_other_s_place() -> None:
    async with site("8001", "8002", "8003", policy=PCMA) as (it, (one, two, three)):
        await one.call(it, "600")
        await two.call(it, "600")
        assert one.leg is not None
        call_id, own, other = one.leg.dialog
        await three.call(it, "600", Replaces=f"{call_id};to-tag={other};from-tag={own}")
        assert (await one.ended()).code == "peer-hung-up"
        three.say(900)
        await two.listen().hears(900)


async def test_a_codec_changes_in_the_middle_of_a_call() -> None:
    async with site("8001", "8002") as (it, (one, two)):
        it.routing.policy = MediaPolicy(audio=("pcma", "opus"))
        one.policy = MediaPolicy(audio=("pcma", "opus"))
        await one.call(it, "600")
        await two.call(it, "600")
        hold = it.context.calls.all[0]
        assert hold.status.audio == "pcma" and one.leg is not None
        one.leg.session._policy = MediaPolicy(audio=("opus",))
        line = one.leg.session._lines["audio"]
        one.leg.session._negotiation.change("audio", one.leg.session._local("audio", line))
        await one.leg.call.reoffer()
        assert hold.status.audio == "opus"
        one.say(700)
        await two.listen().hears(700)
