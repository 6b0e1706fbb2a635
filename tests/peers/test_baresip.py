"""Calls with baresip: audio both ways by tone, H.264 both ways decoded at both ends, its ciphers, its ways to hold."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.sip.routing import MediaPolicy, Target
from gateway.model.voice import CallState
from tests.paths.sip_rig import RATE, Ear, Kit, kit, picture, strength, tone
from tests.peers.baresip import PATIENCE_S, Baresip, baresip

BALL = "kit1/ball-1/ch1"


async def dialled(it: Kit, phone: Baresip, number: str = "600") -> None:
    await phone.order("dial", f"sip:{number}@127.0.0.1:{it.port}")
    await phone.event("CALL_ESTABLISHED")
    await it.context.calls.all[-1].until(CallState.UP)


async def heard_both_ways(it: Kit, phone: Baresip, hz: float, ours: float = 600) -> None:
    """Its sine is heard here, our tone there."""
    voice = it.context.talk.seats[0].now
    assert voice is not None
    it.engine.cue(voice, tone(ours), rate_hz=RATE)
    ear = Ear(it.engine, voice)
    try:
        await ear.hears(hz)
    finally:
        ear.close()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            rate, samples = phone.heard()
            last = samples[-rate:]
            if len(last) == rate and _tone_at(last, ours, rate):
                return
            await asyncio.sleep(0.1)


def _tone_at(samples: object, hz: float, rate: int) -> bool:
    return strength(samples, hz * RATE / rate) > 0.6  # type: ignore[arg-type]


@pytest.mark.parametrize(("codec", "modules", "rate"), [("pcma", "g711", 8000), ("opus", "opus", 48000)])
async def test_audio_both_ways(tmp_path: Path, codec: str, modules: str, rate: int) -> None:
    async with kit() as it, baresip(tmp_path, codecs=(modules,), rate=rate) as phone:
        it.routing.policy = MediaPolicy(audio=(codec,))
        await dialled(it, phone)
        assert it.context.calls.all[0].status.audio == codec
        await heard_both_ways(it, phone, 1000)
        await phone.order("hangup")
        await asyncio.wait_for(it.context.calls.all[0].over.wait(), PATIENCE_S)


@pytest.mark.parametrize(("mediaenc", "secure"), [("srtp", "sdes"), ("srtp-mand", "sdes"), ("dtls_srtp", "dtls")])
async def test_its_ciphers(tmp_path: Path, mediaenc: str, secure: str) -> None:
    async with kit() as it, baresip(tmp_path, account=f";mediaenc={mediaenc}") as phone:
        it.routing.policy = MediaPolicy(audio=("pcma",))
        await dialled(it, phone)
        await heard_both_ways(it, phone, 1000)
        assert it.context.calls.all[0].status.secure == secure
