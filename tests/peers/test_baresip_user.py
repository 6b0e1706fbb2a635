"""baresip as a softphone of the kit: it registers with its password at the real daemon and talks to a radio."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.sim.radio import RATE_HZ, Heard, Radio, RadioProfile, tone_share
from tests.peers.baresip import baresip
from tests.peers.stage import Stage, ports

pytestmark = pytest.mark.peer

PASSWORD = "correct-horse-battery"
HEARD = 0.6


def tuned(heard: Heard, hz: float) -> bool:
    return len(heard.samples) > RATE_HZ // 4 and tone_share(heard.samples[-RATE_HZ // 4 :], hz, RATE_HZ) > HEARD


async def test_it_registers_with_digest_dials_the_group_and_the_radio_hears_it(tmp_path: Path) -> None:
    with ports() as free:
        more = (
            f"[adapter.roip.channels.radio-1]\nkind = 'usrp'\nlisten = '127.0.0.1:{free.usrp}'\n"
            f"peer = '127.0.0.1:{free.radio}'\n[talk.group.ops]\nnumber = '600'\nmembers = ['radio-1/ch1']\n"
            f"[adapter.sip.users.8001]\npassword = '{PASSWORD}'\ncalls = ['groups']\n"
        )
        stage = Stage(tmp_path, free, more=more)
        try:
            await stage.daemon()
            await stage.until("the gateway's start", stage.ready)
            profile = RadioProfile(("127.0.0.1", free.radio), ("127.0.0.1", free.usrp))
            account = f";auth_user=8001;auth_pass={PASSWORD}"
            folder = tmp_path / "phone"
            folder.mkdir()
            async with (
                Radio(profile) as radio,
                baresip(
                    folder,
                    registrar=f"127.0.0.1:{free.phones}",
                    account=account,
                    codecs=("opus",),
                    rate=48000,
                    channels=2,
                    source="ausine,1000",
                ) as phone,
            ):
                await phone.says("200 OK (Fieldgate) [1 binding]")
                status = stage.client.get("/sip/status")
                assert [one["user"] for one in status["phones"]] == ["8001"], status
                await phone.order("dial", f"sip:600@127.0.0.1:{free.phones}")
                await phone.event("CALL_ESTABLISHED")
                await radio.until(lambda heard: tuned(heard, 1000.0), 15)
                (call,) = stage.client.get("/api/v1/calls")
                assert (call["peer"], call["target"], call["state"]) == ("8001", "kit1/talk/ops", "up")
                await phone.order("hangup")
                await phone.event("CALL_CLOSED")
        finally:
            await stage.stop()
