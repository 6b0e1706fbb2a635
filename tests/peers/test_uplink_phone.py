"""baresip as a softphone of a center: it registers there and dials the group of a kit; by its voice it has the floor
there and the kit's radio hears it, over the real bundle; when it is silent the radio gets the floor."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.model.voice import GroupId
from gateway.sim.radio import RATE_HZ, Heard, tone_share
from tests.paths.test_uplink_talk import on_the_air
from tests.paths.uplink_rig import county, until
from tests.peers.baresip import baresip
from tests.peers.stage import Ports, ports
from tests.unit.webrtc.client import only_loopback

pytestmark = pytest.mark.peer

PASSWORD = "correct-horse-battery"
OPS = GroupId("kit7/talk/ops")
HEARD = 0.6


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ports, Ports]]:
    only_loopback(monkeypatch)
    with ExitStack() as stack:
        yield stack.enter_context(ports()), stack.enter_context(ports())


def tuned(heard: Heard, hz: float) -> bool:
    return len(heard.samples) > RATE_HZ // 4 and tone_share(heard.samples[-RATE_HZ // 4 :], hz, RATE_HZ) > HEARD


async def test_a_phone_of_the_center_talks_in_a_group_of_the_kit(tmp_path: Path, free: tuple[Ports, Ports]) -> None:
    at_kit, at_center = free
    more_kit = (
        f"[adapter.roip.channels.radio-1]\nkind = 'usrp'\nlisten = '127.0.0.1:{at_kit.usrp}'\n"
        f"peer = '127.0.0.1:{at_kit.radio}'\n[talk.group.ops]\nnumber = '611'\nmode = 'half'\n"
        "members = ['radio-1/ch1']\n"
    )
    more_center = f"[adapter.sip.users.8001]\npassword = '{PASSWORD}'\ncalls = ['groups']\n"
    folder = tmp_path / "phone"
    folder.mkdir()
    async with (
        on_the_air(at_kit) as radio,
        county(tmp_path, *free, more_kit=more_kit, more_center=more_center) as made,
        baresip(
            folder,
            registrar=f"127.0.0.1:{at_center.phones}",
            account=f";auth_user=8001;auth_pass={PASSWORD}",
            codecs=("opus",),
            rate=48000,
            channels=2,
            source="ausine,1000",
        ) as phone,
    ):
        await made.here()
        await until("the group is known", lambda: any(one.id == OPS for one in made.center.core.fleet.groups()))
        await phone.says("200 OK (Fieldgate) [1 binding]")
        await phone.order("dial", f"sip:611@127.0.0.1:{at_center.phones}")
        await phone.event("CALL_ESTABLISHED")
        await radio.until(lambda heard: tuned(heard, 1000.0), 30)
        group = made.kit.core.talk.group(OPS)
        assert group.floor.holder, "its voice has keyed it at the kit, whose floor it is"
        # The person behind it says nothing any more: the radio gets the floor.
        (call,) = await made.center.local("get", "/api/v1/calls")
        assert (call["peer"], call["target"], call["state"]) == ("8001", OPS, "up")
        await phone.order("mute")
        await until("its voice lets go", lambda: group.floor.holder == "")
        keyed = asyncio.create_task(radio.call(8.0))
        try:
            await until("the radio has the floor", lambda: group.floor.holder == "kit7/radio-1/ch1")
        finally:
            keyed.cancel()
            await asyncio.gather(keyed, return_exceptions=True)
        await phone.order("hangup")
        await phone.event("CALL_CLOSED")
        await until("its seat is given back", lambda: not any(m.id == call["id"] for m in group.status.members))
