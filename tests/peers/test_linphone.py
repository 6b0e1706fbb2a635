"""Calls with Linphone: audio both ways by tone, plain and with its ciphers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.sip.routing import MediaPolicy
from gateway.model.voice import CallState
from tests.paths.sip_rig import kit
from tests.paths.sip_sound import RATE, Ear, strength, tone
from tests.peers.linphone import PATIENCE_S, linphone


@pytest.mark.parametrize(("encryption", "secure"), [("none", ""), ("srtp", "sdes"), ("dtls", "dtls")])
async def test_audio_both_ways(tmp_path: Path, encryption: str, secure: str) -> None:
    async with kit() as it, linphone(tmp_path, tone(1000, 30), encryption=encryption) as phone:
        it.routing.policy = MediaPolicy(audio=("pcma",))
        await phone.order(f"call sip:600@127.0.0.1:{it.port}")
        hold = await it.context.calls.number(0)
        await hold.until(CallState.UP)
        await it.seated()
        await phone.says("Media streams established")
        assert (hold.status.secure, hold.status.audio) == (secure, "pcma")
        await phone.order(f"play {tmp_path}/tone.wav")
        voice = it.context.talk.seats[0].now
        assert voice is not None
        it.engine.cue(voice, tone(600), rate_hz=RATE)
        ear = Ear(it.engine, voice)
        try:
            await ear.hears(1000, windows=8)
        finally:
            ear.close()
        await phone.order("terminate")
        await asyncio.wait_for(hold.over.wait(), PATIENCE_S)
        assert hold.ended is not None and hold.ended[0] == "peer-hung-up"
        await phone.order("quit")
        await phone.says("Terminating")
        heard = phone.heard()
        windows = [heard[at : at + RATE // 5] for at in range(0, len(heard) - RATE // 5, RATE // 5)]
        assert sum(strength(window, 600) > 0.6 for window in windows) >= 3
