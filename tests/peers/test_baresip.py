"""Calls with baresip: audio both ways by tone, H.264 both ways decoded at both ends, its ciphers, its ways to hold."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.sip.routing import MediaPolicy
from gateway.model.voice import CallState
from tests.paths.sip_rig import PATIENCE_S, RATE, Ear, Kit, kit, tone
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
