"""A ball and a scripted platform over loopback: what it does when asked."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest

from gateway.sim import messages
from gateway.sim.profile import part_id
from gateway.sim.scene import View
from gateway.wire.digest import Verdict
from tests.unit.sim.peers import probe_video
from tests.unit.sim.platform import BALL_ID, PATIENCE_S, Platform, profile_for, running, sink

CHANNEL = part_id(BALL_ID, "132", 1)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_registers_keeps_alive_and_logs_out(transport: str) -> None:
    async with Platform() as platform:
        async with running(profile_for(platform, transport=transport, version="2022")) as (_, told):
            uri, expires, verdict = await platform.registered()
            assert BALL_ID in uri and expires == 3600 and verdict is Verdict.OK
            assert set(platform.versions) == {"3.0"}
            await told.event("registered")
            for _ in range(2):
                assert messages.field(await platform.heard("Keepalive"), "Status") == "OK"
        _, expires, verdict = await platform.registered()
        assert (expires, verdict) == (0, Verdict.OK)


async def test_a_wrong_password_is_refused_and_tried_again() -> None:
    async with Platform() as platform, running(profile_for(platform, "wrong-password")) as (ball, told):
        for _ in range(2):
            assert (await platform.registered())[2] is Verdict.WRONG
        assert (await told.event("unregistered"))[1]["status"] == 403
        assert not ball.registered.is_set()


async def test_a_keepalive_refused_brings_a_new_registration() -> None:
    async with Platform() as platform, running(profile_for(platform)):
        await platform.registered()
        await platform.heard("Keepalive")
        platform.mute = True
        await platform.registered()
        platform.mute = False
        await platform.heard("Keepalive")
        assert len(set(platform.call_ids)) == len(platform.call_ids)  # a full REGISTER takes a new Call-ID


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_platform_that_restarts_is_registered_with_again(transport: str) -> None:
    async with Platform() as platform:
        profile = profile_for(platform, transport=transport, answer_s=0.2)
        udp, tcp = platform.address("udp")[1], platform.address("tcp")[1]
        ball = running(profile)
        _, told = await ball.__aenter__()
        await platform.registered()
    try:
        await told.event("unregistered")
        async with Platform(udp, tcp) as again:
            assert (await again.registered())[2] is Verdict.OK
            await again.heard("Keepalive")
    finally:
        await ball.__aexit__(None, None, None)


async def test_answers_queries() -> None:
    async with Platform() as platform, running(profile_for(platform, channels=6)):
        await platform.registered()
        sn = await platform.say("Query", "Catalog")
        seen: list[str] = []
        while len(seen) < 8:
            page = await platform.heard("Catalog")
            assert (messages.field(page, "SN"), messages.field(page, "SumNum")) == (sn, "8")
            seen += [part.split("</DeviceID>")[0] for part in page.split("<Item>\r\n<DeviceID>")[1:]]
        assert len(set(seen)) == 8 and CHANNEL in seen
        for command, field, value in (
            ("DeviceInfo", "Model", "SimBall"),
            ("DeviceStatus", "Online", "ONLINE"),
            ("PresetQuery", "PresetName", "SMOKE"),
            ("ConfigDownload", "HeartBeatCount", "3"),
        ):
            sn = await platform.say("Query", command)
            answer = await platform.heard(command)
            assert (messages.field(answer, "SN"), messages.field(answer, field)) == (sn, value)


async def test_live_over_udp_with_key_frame_on_demand_and_bye() -> None:
    async with Platform() as platform, running(profile_for(platform)) as (_, told), sink() as rtp:
        await platform.registered()
        call = await platform.invite(CHANNEL, rtp.port)
        answer = (await call.answered(PATIENCE_S)).body.decode()
        assert "y=0100000001" in answer and "a=sendonly" in answer
        await call.ack()
        assert await rtp.ssrc() == 100_000_001  # the first packet is the beginning of a key frame
        await platform.say("Control", "DeviceControl", "<IFameCmd>Send</IFameCmd>", CHANNEL)
        await rtp.key_frame()
        await platform.say("Control", "DeviceControl", "<IFrameCmd>Send</IFrameCmd>", CHANNEL)
        await rtp.key_frame()
        await call.bye()
        assert (await told.event("stopped"))[1]["packets"]


@pytest.mark.peer
@pytest.mark.parametrize(("fault", "codec"), [("rtp-loss=0", "h264"), ("h265", "hevc"), ("big-frame", "h264")])
async def test_ffmpeg_decodes_what_came_over_the_wire(fault: str, codec: str, tmp_path: Path) -> None:
    async with Platform() as platform, running(profile_for(platform, fault)), sink() as rtp:
        await platform.registered()
        call = await platform.invite(CHANNEL, rtp.port)
        await call.answered(PATIENCE_S)
        await call.ack()
        pictures, taken = 0, bytearray()
        while pictures < 20:
            packet, _ = await rtp.packet()
            taken += packet[12:]
            pictures += packet[1] >> 7
        await call.bye()
    path = tmp_path / "wire.ps"
    path.write_bytes(taken)
    video = await asyncio.to_thread(probe_video, path)
    assert (video["codec_name"], video["width"], video["height"]) == (codec, 320, 240)
    assert int(str(video["nb_read_frames"])) == 20


async def test_live_over_tcp_the_ball_dials() -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        arrived.put_nowait(await reader.readexactly(length))
        writer.close()

    async with Platform() as platform, running(profile_for(platform)):
        await platform.registered()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            call = await platform.invite(CHANNEL, server.sockets[0].getsockname()[1], tcp="passive")
            answer = (await call.answered(PATIENCE_S)).body.decode()
            assert "a=setup:active" in answer
            await call.ack()
            async with asyncio.timeout(PATIENCE_S):
                packet = await arrived.get()
                assert struct.unpack("!I", packet[8:12])[0] == 100_000_001
                end = await call.ended()  # the platform closed the connection: the ball says BYE
            assert end.by == "remote"


async def test_live_over_tcp_the_ball_listens() -> None:
    async with Platform() as platform, running(profile_for(platform)):
        await platform.registered()
        call = await platform.invite(CHANNEL, 9, tcp="active")
        answer = (await call.answered(PATIENCE_S)).body.decode()
        assert "a=setup:passive" in answer
        await call.ack()
        port = int(answer.split("m=video ")[1].split()[0])
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            packet = await reader.readexactly(length)
        assert struct.unpack("!I", packet[8:12])[0] == 100_000_001
        writer.close()
        await call.bye()


async def test_an_offer_without_an_address_and_a_strange_channel_are_refused() -> None:
    async with Platform() as platform, running(profile_for(platform)):
        await platform.registered()
        for channel, port, status in ((CHANNEL, 0, 488), (part_id(BALL_ID, "131", 77), 9000, 404)):
            call = await platform.invite(channel, port)
            async with asyncio.timeout(PATIENCE_S):
                end = await call.ended()
            assert end.by == "refused" and str(status) in end.detail


async def test_ptz_moves_the_view_even_when_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    right, stop = "A50F01019000" + "0046", "A50F01000000" + "00B5"
    async with Platform() as platform, running(profile_for(platform)) as (ball, told):
        await platform.registered()
        before, moved, advance = ball.head.view, asyncio.Event(), ball.head.advance

        def watched(seconds: float) -> View:
            moved.set()
            return advance(seconds)

        monkeypatch.setattr(ball.head, "advance", watched)
        await platform.say("Control", "DeviceControl", f"<PTZCmd>{right}</PTZCmd>", CHANNEL)
        assert "move pan" in (await told.event("ptz"))[0]
        async with asyncio.timeout(PATIENCE_S):
            await moved.wait()
        await platform.say("Control", "DeviceControl", f"<PTZCmd>{stop}</PTZCmd>", CHANNEL)
        assert "stop" in (await told.event("ptz"))[0] and not ball.head.moving
        assert ball.head.view.pan > before.pan
        inner = "<HomePosition><Enabled>1</Enabled><ResetTime>1</ResetTime><PresetIndex>1</PresetIndex></HomePosition>"
        sn = await platform.say("Control", "DeviceControl", inner, CHANNEL)
        assert messages.field(await platform.heard("DeviceControl"), "SN") == sn
        assert ball.head.home == (1, 1.0)


async def test_an_alarm_is_repeated_until_the_business_answer() -> None:
    async with Platform() as platform, running(profile_for(platform)) as (ball, told):
        await platform.registered()
        ball.press_alarm()
        first = await platform.heard("Alarm")
        again = await platform.heard("Alarm")
        assert first == again
        assert platform.hop is not None
        sn, device = messages.field(first, "SN"), messages.field(first, "DeviceID")
        answer = messages.result("Alarm", sn, device)
        assert (await platform._send("MESSAGE", BALL_ID, answer)).status == 200
        await told.event("alarm-answered")


async def test_the_upload_button_asks_to_be_watched() -> None:
    async with Platform() as platform, running(profile_for(platform, version="2022")) as (ball, _):
        await platform.registered()
        ball.press_upload()
        assert messages.field(await platform.heard("VideoUploadNotify"), "Longitude").startswith("116.")


async def test_positions_are_notified_while_subscribed() -> None:
    from gateway.net.sip import IncomingRequest
    from gateway.wire.sip import new_request

    got: asyncio.Queue[str] = asyncio.Queue()

    async def on_notify(incoming: IncomingRequest) -> None:
        incoming.respond(200)
        got.put_nowait(messages.decode(incoming.request.body))

    async with Platform() as platform, running(profile_for(platform)):
        await platform.registered()
        assert platform.hop is not None
        inner = f"<SN>5</SN><DeviceID>{BALL_ID}</DeviceID><Interval>1</Interval>"
        body = f"<Query><CmdType>MobilePosition</CmdType>{inner}</Query>"
        request = new_request(
            "SUBSCRIBE",
            f"sip:{BALL_ID}@3402000000",
            from_="sip:34020000002000000001@3402000000",
            hop=platform.hop,
            contact_user="34020000002000000001",
            headers=[("Event", "presence"), ("Expires", "600")],
            body=body.encode(),
            content_type=messages.CONTENT_TYPE,
        )
        subscription = await platform.endpoint.subscribe(request, platform.hop, on_notify, timeout=PATIENCE_S)
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(2):
                assert messages.field(await got.get(), "Latitude").startswith("39.9")
            await subscription.end()


async def test_two_viewers_share_one_encoder_and_it_stops_with_the_last() -> None:
    async with Platform() as platform, running(profile_for(platform)) as (ball, told), sink() as one, sink() as two:
        await platform.registered()
        calls = []
        for rtp, ssrc in ((one, "0100000001"), (two, "0100000002")):
            call = await platform.invite(CHANNEL, rtp.port, ssrc=ssrc)
            await call.answered(PATIENCE_S)
            await call.ack()
            assert await rtp.ssrc() == int(ssrc)
            calls.append(call)
        for call in calls:
            await call.bye()
            await told.event("stopped")
        assert not ball.source.running
