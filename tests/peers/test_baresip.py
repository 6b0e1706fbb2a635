"""Calls with baresip: audio both ways by tone, H.264 both ways decoded at both ends, its ciphers, its ways to hold."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.sip.routing import MediaPolicy, Target
from gateway.model.voice import CallState, GroupId
from tests.paths.sip_pictures import decoded, picture
from tests.paths.sip_rig import WHO, Kit, kit, site
from tests.paths.sip_sound import PATIENCE_S, RATE, Ear, tone
from tests.peers.baresip import Baresip, baresip

BALL = "kit1/ball-1/ch1"


async def dialled(it: Kit, phone: Baresip, number: str = "600") -> None:
    await phone.order("dial", f"sip:{number}@127.0.0.1:{it.port}")
    await phone.event("CALL_ESTABLISHED")
    await it.context.calls.all[-1].until(CallState.UP)


async def heard_both_ways(it: Kit, hz: float = 600, index: int = 0) -> None:
    """Our tone goes to it, and it says what it hears: decoded and encoded by it, the tone comes back."""
    voice = it.context.talk.seats[index].now
    assert voice is not None
    it.engine.cue(voice, tone(hz), rate_hz=RATE)
    ear = Ear(it.engine, voice)
    try:
        await ear.hears(hz)
    finally:
        ear.close()


@pytest.mark.parametrize(
    ("codec", "module", "rate", "channels"),
    [("pcma", "g711", 8000, 1), ("g722", "g722", 16000, 1), ("opus", "opus", 48000, 2)],
)
async def test_audio_both_ways(tmp_path: Path, codec: str, module: str, rate: int, channels: int) -> None:
    async with kit() as it, baresip(tmp_path, codecs=(module,), rate=rate, channels=channels) as phone:
        it.routing.policy = MediaPolicy(audio=(codec,))
        await dialled(it, phone)
        assert it.context.calls.all[0].status.audio == codec
        await heard_both_ways(it)
        await phone.order("hangup")
        await asyncio.wait_for(it.context.calls.all[0].over.wait(), PATIENCE_S)


@pytest.mark.parametrize(("mediaenc", "secure"), [("srtp", "sdes"), ("srtp-mand", "sdes"), ("dtls_srtp", "dtls")])
async def test_its_ciphers(tmp_path: Path, mediaenc: str, secure: str) -> None:
    async with kit() as it, baresip(tmp_path, account=f";mediaenc={mediaenc}") as phone:
        it.routing.policy = MediaPolicy(audio=("pcma",))
        await dialled(it, phone)
        await heard_both_ways(it)
        assert it.context.calls.all[0].status.secure == secure


async def test_h264_both_ways_decoded_at_both_ends(tmp_path: Path) -> None:
    async with kit() as it, baresip(tmp_path, video=True) as phone:
        it.routing.policy = MediaPolicy(audio=("pcma",), video=("h264",))
        it.routing.numbers["700"] = Target("channel", BALL)
        async with picture(it.engine, it.context.streams.known[BALL]):
            await dialled(it, phone, "700")
            async with asyncio.timeout(PATIENCE_S):
                await it.context.streams.published_now.wait()
            (publication,) = it.context.streams.published.values()
            assert await decoded(it.engine, publication.handle) == (352, 288)  # type: ignore[attr-defined]
            await phone.says("receiving with resolution 320 x 240")  # said when a picture is decoded
            assert it.context.calls.all[0].status.video == "h264"
            await heard_both_ways(it)


@pytest.mark.parametrize(("mediaenc", "secure"), [("srtp-mand", "sdes"), ("dtls_srtp", "dtls")])
async def test_ciphered_pictures(tmp_path: Path, mediaenc: str, secure: str) -> None:
    async with kit() as it, baresip(tmp_path, video=True, account=f";mediaenc={mediaenc}") as phone:
        it.routing.policy = MediaPolicy(audio=("pcma",), video=("h264",))
        it.routing.numbers["700"] = Target("channel", BALL)
        async with picture(it.engine, it.context.streams.known[BALL]):
            await dialled(it, phone, "700")
            async with asyncio.timeout(PATIENCE_S):
                await it.context.streams.published_now.wait()
            (publication,) = it.context.streams.published.values()
            assert await decoded(it.engine, publication.handle) == (352, 288)  # type: ignore[attr-defined]
            await phone.says("receiving with resolution 320 x 240")
            assert it.context.calls.all[0].status.secure == secure


async def test_we_call_it_and_hang_up(tmp_path: Path) -> None:
    async with kit() as it, baresip(tmp_path, account=";answermode=auto") as phone:
        it.routing.policy = MediaPolicy(audio=("pcma",))
        it.routing.phones["8001"] = phone  # type: ignore[assignment]
        await it.context.calls.dial(WHO, "8001", GroupId("kit1/talk/ops"), False)
        await phone.event("CALL_ESTABLISHED")
        hold = it.context.calls.all[0]
        await hold.until(CallState.UP)
        await it.seated()
        await heard_both_ways(it)
        await hold.handler.hang_up(WHO)
        await phone.event("CALL_CLOSED")


async def test_hold_by_either_side(tmp_path: Path) -> None:
    sine = baresip(tmp_path, codecs=("opus",), rate=48000, channels=2, source="ausine,1000")
    async with kit() as it, sine as phone:
        it.routing.policy = MediaPolicy(audio=("opus",))
        await dialled(it, phone)
        hold = it.context.calls.all[0]
        ear = Ear(it.engine, it.context.talk.seats[0].now or 0)
        try:
            await ear.hears(1000)
            await phone.order("hold")
            await hold.until(CallState.HELD_BY_PEER)
            await phone.order("resume")
            await hold.until(CallState.UP)
            ear.follow(it.context.talk.seats[0].now or 0)
            await ear.hears(1000)
            await hold.handler.hold(WHO, True)
            assert hold.stands(CallState.HELD)
            await hold.handler.hold(WHO, False)
            ear.follow(it.context.talk.seats[0].now or 0)
            await ear.hears(1000)
        finally:
            ear.close()


async def test_it_transfers_itself_away(tmp_path: Path) -> None:
    async with site("8002", policy=MediaPolicy(audio=("pcma",))) as (it, (other,)), baresip(tmp_path) as phone:
        await dialled(it, phone)
        await phone.order("transfer", "sip:8002@kit")
        await other.media(lambda media: media.voice is not None)
        assert it.context.calls.all[1].status.peer == "8002"
        await asyncio.wait_for(it.context.calls.all[0].over.wait(), PATIENCE_S)
