"""The same dialogue with faults: each shows on the wire, and the ball comes back from those that end it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.sim import messages
from gateway.sim.calls import other_ssrc
from gateway.sim.profile import part_id
from tests.unit.sim.platform import BALL_ID, PATIENCE_S, Platform, profile_for, running, sink

CHANNEL = part_id(BALL_ID, "132", 1)
SSRC = 100_000_001


@pytest.mark.parametrize(
    ("fault", "present", "absent", "ssrc"),
    [
        ("no-ssrc", "m=video", "y=", SSRC),
        ("other-ssrc", f"y={other_ssrc(SSRC):010d}", "y=0100000001", other_ssrc(SSRC)),
        ("silent-ssrc", "y=0100000001", "\r\ny=0160", other_ssrc(SSRC)),
        ("port-zero", "m=video 0 ", "TCP", SSRC),
        ("unroutable-c", "c=IN IP4 192.0.2.2", "c=IN IP4 127", SSRC),
    ],
)
async def test_answers_that_lie(fault: str, present: str, absent: str, ssrc: int) -> None:
    async with Platform() as platform, running(profile_for(platform, fault)), sink() as rtp:
        await platform.registered()
        call = await platform.invite(CHANNEL, rtp.port)
        answer = (await call.answered(PATIENCE_S)).body.decode()
        assert present in answer and absent not in answer
        await call.ack()
        assert await rtp.ssrc() == ssrc
        await call.bye()


async def test_udp_only_answers_tcp_with_udp() -> None:
    async with Platform() as platform, running(profile_for(platform, "udp-only")), sink() as rtp:
        await platform.registered()
        call = await platform.invite(CHANNEL, rtp.port, tcp="passive")
        assert " RTP/AVP" in (await call.answered(PATIENCE_S)).body.decode()
        await call.ack()
        assert await rtp.ssrc() == SSRC
        await call.bye()


async def test_busy_once() -> None:
    async with Platform() as platform, running(profile_for(platform, "busy-once")), sink() as rtp:
        await platform.registered()
        async with asyncio.timeout(PATIENCE_S):
            end = await (await platform.invite(CHANNEL, rtp.port)).ended()
        assert "486" in end.detail
        call = await platform.invite(CHANNEL, rtp.port)
        await call.answered(PATIENCE_S)
        await call.ack()
        assert await rtp.ssrc() == SSRC
        await call.bye()


async def test_bye_after() -> None:
    async with Platform() as platform, running(profile_for(platform, "bye-after=0.1")), sink() as rtp:
        await platform.registered()
        call = await platform.invite(CHANNEL, rtp.port)
        await call.answered(PATIENCE_S)
        await call.ack()
        async with asyncio.timeout(PATIENCE_S):
            assert (await call.ended()).by == "remote"


async def test_no_bye_goes_silent_and_waits_for_ours() -> None:
    async with Platform() as platform, running(profile_for(platform, "no-bye=0.1")) as (_, told), sink() as rtp:
        await platform.registered()
        call = await platform.invite(CHANNEL, rtp.port)
        await call.answered(PATIENCE_S)
        await call.ack()
        await told.event("silent")
        assert call.end is None
        await call.bye()
        await told.event("stopped")


async def test_vanish_says_nothing_and_comes_back() -> None:
    async with Platform() as platform, running(profile_for(platform, "vanish=0.2")) as (_, told), sink() as rtp:
        await platform.registered()
        call = await platform.invite(CHANNEL, rtp.port)
        await call.answered(PATIENCE_S)
        await call.ack()
        await rtp.ssrc()
        await told.event("vanished")
        assert call.end is None  # no BYE came
        _, expires, _ = await platform.registered()
        assert expires == 3600  # and no Expires 0 either: the next thing heard is a new registration
        call = await platform.invite(CHANNEL, rtp.port)
        await call.answered(PATIENCE_S)
        await call.ack()


async def test_nat_rebinding_changes_every_source_port() -> None:
    async with Platform() as platform, running(profile_for(platform, "nat-rebind=0.3")) as (_, told), sink() as rtp:
        await platform.registered()
        assert platform.hop is not None
        before = platform.hop.remote
        call = await platform.invite(CHANNEL, rtp.port)
        await call.answered(PATIENCE_S)
        await call.ack()
        media = (await rtp.packet())[1]
        await told.event("rebound")
        async with asyncio.timeout(PATIENCE_S):
            while platform.hop.remote == before:
                await platform.heard("Keepalive")
            while (await rtp.packet())[1] == media:
                pass
        assert platform.registers.empty()


@pytest.mark.parametrize(
    ("fault", "total", "lengths"),
    [("catalog-lost", "3", 2), ("catalog-repeat", "3", 6), ("catalog-count-wrong", "6", 1)],
)
async def test_catalog_faults(fault: str, total: str, lengths: int) -> None:
    async with Platform() as platform, running(profile_for(platform, fault)):
        await platform.registered()
        await platform.say("Query", "Catalog")
        pages = [await platform.heard("Catalog") for _ in range(lengths)]
        assert {messages.field(page, "SumNum") for page in pages} == {total}
        await platform.say("Query", "DeviceInfo")
        async with asyncio.timeout(PATIENCE_S):
            while (command := messages.field(await platform.messages.get(), "CmdType")) == "Keepalive":
                pass
        assert command == "DeviceInfo"  # no page came after those


async def test_wrong_id_is_another_device() -> None:
    async with Platform() as platform, running(profile_for(platform, "wrong-id")):
        uri, _, _ = await platform.registered()
        assert BALL_ID not in uri and BALL_ID[:14] in uri


async def test_garbage_reaches_the_port_and_the_line_stays() -> None:
    async with Platform() as platform:
        noise: asyncio.Queue[object] = asyncio.Queue()
        platform.endpoint.on_heard(noise.put_nowait)
        async with running(profile_for(platform, "garbage-sip")):
            await platform.registered()
            async with asyncio.timeout(PATIENCE_S):
                await noise.get()
            await platform.heard("Keepalive")
