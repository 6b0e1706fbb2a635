"""Live pictures: the INVITE walk, the ladder of transports, what devices answer, and how calls end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.base.errors import LinkDown, PeerError
from gateway.config.units import HostPort
from tests.unit.gb28181.fakes import FakePublication
from tests.unit.gb28181.rig import free_port, rigged
from tests.unit.gb28181.scripted import BALL, CHANNEL, HOST, PLATFORM, Media, ScriptedDevice, keepalive


async def until_live(pub: FakePublication, task: asyncio.Task[None]) -> None:
    """The call stands and media has come: what worked is remembered."""
    waiting = asyncio.create_task(pub.live.wait())
    await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    if not pub.live.is_set():
        waiting.cancel()
        assert task.done(), "neither live nor over"
        await task


async def test_udp_from_offer_to_bye(tmp_path: Path) -> None:
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        ball = await rig.online()
        pub, task = await rig.watch()
        invite = await ball.got(lambda r: r.method == "INVITE")
        text = invite.body.decode()
        y = next(line[2:] for line in text.splitlines() if line.startswith("y="))
        assert invite.headers.get("Subject") == f"{CHANNEL}:{y},{PLATFORM}:0"
        assert f"c=IN IP4 {HOST}" in text and "RTP/AVP 96" in text and "f=v/" in text
        assert invite.contact is not None and invite.contact.uri.startswith(f"sip:{PLATFORM}@{HOST}:")
        assert invite.target.user == CHANNEL
        await until_live(pub, task)
        assert pub.said == ["opening", "waiting-media"] and pub.ssrcs == [int(y)]
        assert await ball.order("IFameCmd") == "Send", "a key frame is asked for at once"
        assert pub.ask is not None
        await pub.ask()
        assert await ball.order("IFameCmd") == "Send"
        task.cancel()
        bye = await ball.got(lambda r: r.method == "BYE")
        assert bye.call_id == invite.call_id and bye.to.tag == "call"
        await asyncio.gather(task, return_exceptions=True)
        assert pub.legs[0].closed and '"media":"udp"' in rig.attached.remembered


async def test_key_frames_are_spelt_by_the_version(tmp_path: Path) -> None:
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        ball = await rig.online(version="3.0")
        await rig.watch()
        assert await ball.order("IFrameCmd") == "Send"


async def test_tcp_passive_we_listen(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online(media=Media("tcp"))
        pub, task = await rig.watch()
        invite = await ball.got(lambda r: r.method == "INVITE")
        assert b"TCP/RTP/AVP" in invite.body and b"a=setup:passive" in invite.body
        await until_live(pub, task)
        assert pub.legs[0].tcp and '"media":"tcp-passive"' in rig.attached.remembered


async def test_udp_although_tcp_was_offered(tmp_path: Path) -> None:
    """Both sockets listen whatever was agreed: no time is lost."""
    async with rigged(tmp_path) as rig:
        ball = await rig.online(media=Media("udp"))
        pub, task = await rig.watch()
        await until_live(pub, task)
        assert len([r for r in ball.seen if r.method == "INVITE"]) == 1


async def test_the_ladder_goes_down_and_is_remembered(tmp_path: Path) -> None:
    async with rigged(tmp_path, first_media=0.3) as rig:
        ball = await rig.online(media=Media("udp", only=" RTP/AVP"))
        pub, task = await rig.watch()
        await until_live(pub, task)
        assert len(pub.legs) == 2 and pub.legs[0].closed and not pub.legs[1].closed
        assert sum(r.method == "BYE" for r in ball.seen) == 1, "the attempt that failed is hung up"
        task.cancel()
        await ball.got(lambda r: r.method == "BYE")
        await asyncio.gather(task, return_exceptions=True)
        await rig.restart()
        await ball.message("<Notify><CmdType>Keepalive</CmdType><SN>3</SN></Notify>")
        ball.seen.clear()
        pub, task = await rig.watch()
        await until_live(pub, task)
        (invite,) = (r for r in ball.seen if r.method == "INVITE")
        assert b" RTP/AVP" in invite.body, "what worked comes first, also after our restart"


async def test_tcp_active_we_dial(tmp_path: Path) -> None:
    async with rigged(tmp_path, media_ladder=("tcp-active",)) as rig:
        ball = await rig.online(media=Media("listen"))
        pub, task = await rig.watch()
        invite = await ball.got(lambda r: r.method == "INVITE")
        assert b"a=setup:active" in invite.body
        await until_live(pub, task)
        assert pub.legs[0].tcp


async def test_tcp_active_with_an_address_that_leads_nowhere(tmp_path: Path) -> None:
    """The answer names 192.0.2.2; the device is dialled where it signals from."""
    async with rigged(tmp_path, media_ladder=("tcp-active",)) as rig:
        await rig.online(media=Media("listen", sdp=ODD["unroutable"]))
        pub, task = await rig.watch()
        await until_live(pub, task)


ODD: dict[str, Callable[[str, int], str]] = {
    "port 0": lambda y, port: ScriptedDevice.sdp(y, 0),
    "unroutable": lambda y, port: ScriptedDevice.sdp(y, port).replace(HOST, "192.0.2.2"),
    "recvonly": lambda y, port: ScriptedDevice.sdp(y, port).replace("sendonly", "recvonly"),
    "no m= at all": lambda y, port: "v=0\r\ns=Play\r\n",
    "empty": lambda y, port: "",
}


@pytest.mark.parametrize("odd", ODD)
async def test_media_is_taken_whatever_the_answer_says(tmp_path: Path, odd: str) -> None:
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        await rig.online(media=Media("udp", sdp=ODD[odd]))
        pub, task = await rig.watch()
        await until_live(pub, task)


@pytest.mark.parametrize(
    ("line", "ssrc"), [("y=0060205514", 60205514), ("", -1), ("y=02000000070200000007", None), ("y=ball", None)]
)
async def test_ssrc_of_the_answer(tmp_path: Path, line: str, ssrc: int | None) -> None:
    """Another one is switched to; none leaves ours; an unreadable one means: the first that comes."""
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        ball = await rig.online(
            media=Media("udp", sdp=lambda y, port: ScriptedDevice.sdp(y, port).replace(f"y={y}", line))
        )
        pub, task = await rig.watch()
        invite = await ball.got(lambda r: r.method == "INVITE")
        await until_live(pub, task)
        ours = int(invite.body.decode().partition("y=")[2].splitlines()[0])
        assert pub.ssrcs == [ours if ssrc == -1 else ssrc]


@pytest.mark.parametrize("lacks", ["bare", "tagless"])
async def test_a_200_that_lacks_what_rfc_3261_wants(tmp_path: Path, lacks: str) -> None:
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        ball = await rig.online(media=Media("udp", **{lacks: True}))  # type: ignore[arg-type]
        pub, task = await rig.watch()
        await until_live(pub, task)
        task.cancel()
        bye = await ball.got(lambda r: r.method == "BYE")
        assert bye.call_id == next(r.call_id for r in ball.seen if r.method == "INVITE")


async def test_no_media_by_any_transport_says_so(tmp_path: Path) -> None:
    async with rigged(tmp_path, first_media=0.1) as rig:
        ball = await rig.online(media=Media(""))
        pub, task = await rig.watch()
        with pytest.raises(LinkDown) as caught:
            await task
        assert caught.value.code == "no-media"
        offered = [r.body for r in ball.seen if r.method == "INVITE"]
        assert [b"passive" in o for o in offered] == [True, False, False]
        assert [b"active" in o for o in offered] == [False, False, True]
        assert sum(r.method == "BYE" for r in ball.seen) == 3 and all(leg.closed for leg in pub.legs)


async def test_refused(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.online(media=Media(status=488))
        _, task = await rig.watch()
        with pytest.raises(PeerError) as caught:
            await task
        assert (caught.value.code, caught.value.status) == ("invite-refused", 488)


async def test_busy_with_nothing_to_clear(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online(media=Media(status=486))
        _, task = await rig.watch()
        with pytest.raises(PeerError) as caught:
            await task
        assert caught.value.code == "device-busy"
        assert sum(r.method == "INVITE" for r in ball.seen) == 1


async def test_our_restart_ends_the_calls_of_before(tmp_path: Path) -> None:
    """A call that we forgot keeps the device's only stream busy: its dialog is remembered and ended."""
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        ball = await rig.online()
        pub, task = await rig.watch()
        await until_live(pub, task)
        invite = ball.dialogs[-1]
        assert invite.call_id in rig.attached.remembered
        remembered = rig.attached.remembered
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await ball.got(lambda r: r.method == "BYE")
        rig.attached.remembered = remembered  # as if we had been killed before the BYE
        await rig.restart()
        bye = await ball.got(lambda r: r.method == "BYE")
        assert bye.call_id == invite.call_id and bye.from_.tag == invite.from_.tag and bye.to.tag == "call"
        assert bye.cseq.number > invite.cseq.number


async def test_an_invitation_nobody_answers(tmp_path: Path) -> None:
    async with rigged(tmp_path, invite_timeout=0.4) as rig:
        ball = await rig.online()
        ball.silent = True
        _, task = await rig.watch()
        with pytest.raises(LinkDown) as caught:
            await task
        assert caught.value.code == "invite-timeout"


async def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        await ball.register(expires=0)
        _, task = await rig.watch()
        with pytest.raises(LinkDown) as caught:
            await task
        assert caught.value.code == "device-offline" and rig.context.media.bound == 0


async def test_the_device_hangs_up(tmp_path: Path) -> None:
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        ball = await rig.online()
        pub, task = await rig.watch()
        await until_live(pub, task)
        assert (await ball.bye()).status == 200
        with pytest.raises(LinkDown) as caught:
            await task
        assert caught.value.code == "source-ended"
        assert not any(r.method == "BYE" for r in ball.seen), "a call that is over is not hung up again"


async def test_media_status_121_ends_it_whatever_from_says(tmp_path: Path) -> None:
    """Vendors put something else into From there: the Call-ID tells whose it is."""
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        ball = await rig.online()
        pub, task = await rig.watch()
        await until_live(pub, task)
        end = (
            f"<Notify><CmdType>MediaStatus</CmdType><SN>5</SN><DeviceID>{CHANNEL}</DeviceID>"
            "<NotifyType>121</NotifyType></Notify>"
        )
        answer = await ball.message(end, user=CHANNEL, call_id=ball.dialogs[-1].call_id)
        assert answer.status == 200
        with pytest.raises(LinkDown) as caught:
            await task
        assert caught.value.code == "source-ended"
        await ball.got(lambda r: r.method == "BYE")


async def test_a_device_that_vanishes_mid_call(tmp_path: Path) -> None:
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        ball = await rig.online()
        pub, task = await rig.watch()
        await until_live(pub, task)
        ball.silent = True
        pub.legs[0].over.set_result("media-stopped")
        with pytest.raises(LinkDown) as caught:
            await task
        assert caught.value.code == "media-stopped" and pub.legs[0].closed
        ball.silent = False
        again, task = await rig.watch()
        await until_live(again, task)


async def test_it_starts_anew_in_a_call(tmp_path: Path) -> None:
    """Power was lost for a moment: it registers as if it had never been away, and knows of no call."""
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        ball = await rig.online()
        pub, task = await rig.watch()
        await until_live(pub, task)
        assert (await ball.register()).status == 200
        with pytest.raises(LinkDown) as caught:
            await asyncio.wait_for(task, 5)
        assert caught.value.code == "media-stopped"


async def test_a_new_call_id_with_every_refresh_is_no_new_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.gb28181.live.FLOW_CHECK_S", 0.1)
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        ball = await rig.online()
        rig.context.media.engine.flow = 25
        pub, task = await rig.watch()
        await until_live(pub, task)
        assert (await ball.register()).status == 200
        assert rig.adapter is not None and rig.adapter.book is not None
        entry = rig.adapter.book.find(BALL)
        assert entry is not None
        await entry.link.crew.drain(5)
        assert not task.done()


async def test_busy_with_a_call_that_is_over_for_us(tmp_path: Path) -> None:
    """It fell silent in a call and missed our BYE; its only stream is taken until that call is ended."""
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        ball = await rig.online(media=Media("udp", single=True))
        pub, task = await rig.watch()
        await until_live(pub, task)
        stale = ball.dialogs[0]
        ball.silent = True
        pub.legs[0].over.set_result("media-stopped")
        with pytest.raises(LinkDown):
            await task
        ball.rebind()  # the repeats of the BYE that it missed do not reach it either
        ball.silent = False
        await ball.message(keepalive())
        await rig.attached.until(lambda a: str(ball.port) in a.addresses[-1])
        ball.dialogs = [stale]
        pub, task = await rig.watch()
        await until_live(pub, task)
        methods = [r.method for r in ball.seen if r.method in ("INVITE", "BYE")]
        assert methods[-3:] == ["INVITE", "BYE", "INVITE"]
        assert [d.call_id for d in ball.dialogs] != [stale.call_id]


async def test_nat_moves_it_in_a_call_and_the_bye_finds_it(tmp_path: Path) -> None:
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        ball = await rig.online()
        pub, task = await rig.watch()
        await until_live(pub, task)
        invite = ball.dialogs[0]
        ball.rebind()
        await ball.message(keepalive())
        await rig.attached.until(lambda a: str(ball.port) in a.addresses[-1])
        task.cancel()
        bye = await ball.got(lambda r: r.method == "BYE", 10)
        assert bye.call_id == invite.call_id


async def test_sdp_ip_of_the_technician_and_his_line(tmp_path: Path) -> None:
    devices = {BALL: {"sdp_ip": "203.0.113.7", "sdp_line": "a=streamnumber:1", "media": "udp"}}
    async with rigged(tmp_path, devices=devices) as rig:
        ball = await rig.online(media=Media(""))
        await rig.watch()
        text = (await ball.got(lambda r: r.method == "INVITE")).body.decode()
        assert "c=IN IP4 203.0.113.7" in text and "a=streamnumber:1" in text and " RTP/AVP 96" in text


async def test_of_several_addresses_the_one_that_the_device_reached(tmp_path: Path) -> None:
    """Devices with a network of their own drop what comes from, or leads to, another address of ours."""
    async with rigged(tmp_path, listen=HostPort("0.0.0.0", free_port()), media_ladder=("udp",)) as rig:
        rig.context.devices.admit(BALL)
        ball = ScriptedDevice(("127.0.0.2", rig.config.listen.port))
        rig.devices.append(await ball.open())
        # Its socket is connected: an answer from 127.0.0.1 would never reach it.
        assert (await ball.register()).status == 200
        pub, task = await rig.watch()
        invite = await ball.got(lambda r: r.method == "INVITE")
        assert invite.contact is not None and "@127.0.0.2:" in invite.contact.uri
        assert b"c=IN IP4 127.0.0.2" in invite.body
        await until_live(pub, task)


async def test_media_on_an_address_of_its_own(tmp_path: Path) -> None:
    """media.rtp_host: where the sockets are is what devices are told."""
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        ball = await rig.online(media=Media(""))
        rig.context.media.rtp_host = "127.0.0.3"
        await rig.watch()
        assert b"c=IN IP4 127.0.0.3" in (await ball.got(lambda r: r.method == "INVITE")).body


async def test_no_call_leaves_anything_behind(tmp_path: Path) -> None:
    async with rigged(tmp_path, media_ladder=("udp",)) as rig:
        ball = await rig.online()
        for _ in range(5):
            pub, task = await rig.watch()
            await until_live(pub, task)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await ball.got(lambda r: r.method == "BYE")
            assert pub.legs[0].closed
        assert rig.adapter is not None and rig.adapter.book is not None
        entry = rig.adapter.book.find(BALL)
        assert entry is not None and len(entry.link.station.ssrcs) == 0
        assert '"dialogs"' not in rig.attached.remembered
