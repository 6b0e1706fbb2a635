"""A device made to play sound: the walk of a broadcast, s=Talk, and what devices do wrong on the way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.gb28181 import voicecall
from gateway.base.errors import Busy, GatewayError
from gateway.codecs import MediaError
from gateway.model.voice import MemberKind, VoiceId
from tests.unit.gb28181.rig import STREAM, Rig, rigged
from tests.unit.gb28181.scripted import BALL, CHANNEL, HOST, PLATFORM, Media, ScriptedDevice, catalog, item
from tests.unit.gb28181.voice_rig import (
    OUTPUT,
    Asked,
    asked,
    calls,
    ear,
    in_dialog,
    offer_sdp,
    plays,
    replied,
    speak,
    speaker,
    up,
    with_output,
)


async def code_of(task: asyncio.Task[None], timeout: float = 8.0) -> str:
    """The reason with which it ended."""
    with pytest.raises(GatewayError) as caught:
        async with asyncio.timeout(timeout):
            await task
    return caught.value.code


async def test_broadcast_from_asking_to_bye(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        offer = rig.context.talk.offers[VoiceId(STREAM)]
        assert (offer.kind, offer.talks, offer.listens, offer.device) == (
            MemberKind.LOUDSPEAKER, False, True, "kit1/ball-1",
        )  # fmt: skip
        line, task = speak(rig)
        with ear() as heard:
            what = await asked(ball)
            assert (what.source, what.target) == (PLATFORM, OUTPUT)
            answer = await plays(ball, what, offer_sdp(heard.port))
            assert (await heard.packet())[8:12] == (200000007).to_bytes(4, "big"), "the SSRC is the device's y="
            await up(line, task)
        text = answer.body.decode()
        order = [part[:1] for part in text.splitlines()]
        assert order == ["v", "o", "s", "c", "t", "m", "a", "a", "y", "f"]
        assert "a=sendonly" in text and "a=rtpmap:8 PCMA/8000" in text and " RTP/AVP 8" in text
        assert "y=0200000007" in text and "f=v/////a/1/8/1" in text and f"c=IN IP4 {HOST}" in text
        assert answer.contact is not None and answer.contact.uri.startswith(f"sip:{PLATFORM}@")
        assert rig.context.media.engine.settings[-1]["transmit"] == "always"
        task.cancel()
        bye = await ball.got(lambda r: r.method == "BYE")
        assert bye.call_id == answer.call_id
        await asyncio.gather(task, return_exceptions=True)
        assert line.handles[-1] is None and not rig.context.media.engine.voices
        assert not rig.context.media.engine.sockets, "nothing is left open"


async def test_nothing_leaves_before_the_ack(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        line, _task = speak(rig)
        with ear() as heard:
            what = await asked(ball)
            await replied(ball, what)
            answer = await calls(ball, what, offer_sdp(heard.port))
            assert await heard.silent(0.3) and not line.up.is_set()
            in_dialog(ball, answer, "ACK")
            await heard.packet()


async def test_a_device_that_wants_sound_at_the_200(tmp_path: Path) -> None:
    async with rigged(tmp_path, devices={BALL: {"talk_start": "answer"}}) as rig:
        ball = await speaker(rig)
        speak(rig)
        with ear() as heard:
            what = await asked(ball)
            await replied(ball, what)
            await calls(ball, what, offer_sdp(heard.port))
            await heard.packet()


async def test_the_invite_may_overtake_every_answer(tmp_path: Path) -> None:
    """Neither the Result nor the 200 to the MESSAGE has come when the device calls."""
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        ball.silent = False
        line, task = speak(rig)
        with ear() as heard:
            what = await asked(ball)
            answer = await calls(ball, what, offer_sdp(heard.port))
            in_dialog(ball, answer, "ACK")
            await up(line, task)


async def test_it_dials_us_before_the_ack(tmp_path: Path) -> None:
    """TCP, a=setup:active: sound begins when it has connected, which is at the 200 for some."""
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        line, task = speak(rig)
        what = await asked(ball)
        await replied(ball, what)
        sdp = offer_sdp(9, proto="TCP/RTP/AVP", extra="a=setup:active\r\na=connection:new\r\n")
        answer = await calls(ball, what, sdp)
        text = answer.body.decode()
        assert "TCP/RTP/AVP 8" in text and "a=setup:passive" in text and "a=connection:new" in text
        port = int(next(part for part in text.splitlines() if part.startswith("m=")).split()[1])
        reader, writer = await asyncio.open_connection(HOST, port)
        async with asyncio.timeout(5):
            assert int.from_bytes(await reader.readexactly(2), "big") == 172
        await up(line, task)
        in_dialog(ball, answer, "ACK")
        writer.close()


async def test_it_wants_to_be_dialled(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        line, task = speak(rig)
        with ear(tcp=True) as heard:
            what = await asked(ball)
            extra = "a=setup:passive\r\na=connection:new\r\n"
            answer = await plays(ball, what, offer_sdp(heard.port, proto="TCP/RTP/AVP", extra=extra))
            assert b"a=setup:active" in answer.body
            async with asyncio.timeout(5):
                connection, _ = await asyncio.get_running_loop().sock_accept(heard.sock)
            await up(line, task)
            connection.close()


async def test_its_bye_ends_it_and_closes_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voicecall, "STANDS_S", 0.1)
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        line, task = speak(rig)
        with ear() as heard:
            answer = await plays(ball, await asked(ball), offer_sdp(heard.port))
            await up(line, task)
            await rig.attached.until(lambda a: '"talk":"broadcast:output' in a.remembered)
            in_dialog(ball, answer, "BYE")
            assert await code_of(task) == "source-ended"
        assert not rig.context.media.engine.voices and not rig.context.media.engine.sockets


async def test_tcp_that_ends_is_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voicecall, "STANDS_S", 0.1)
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        line, task = speak(rig)
        with ear() as heard:
            await plays(ball, await asked(ball), offer_sdp(heard.port))
            await up(line, task)
            await rig.attached.until(lambda a: '"talk"' in a.remembered)
            line.tell("closed", code="link-down")
            assert await code_of(task) == "link-down"
        await ball.got(lambda r: r.method == "BYE")


# — whose INVITE —


@pytest.mark.parametrize(
    "other",
    [
        {"user": PLATFORM, "to_user": OUTPUT},  # From and To swapped
        {"user": BALL},  # the device's own id instead of its output's
        {"user": "34020000009990000009"},  # an id that nobody knows, from where the device is
        {"to_user": "34020000009990000009"},
    ],
)
async def test_ids_that_devices_mix_up(tmp_path: Path, other: dict[str, str]) -> None:
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        line, task = speak(rig)
        with ear() as heard:
            await plays(ball, await asked(ball), offer_sdp(heard.port), **other)
            await up(line, task)


async def test_nobody_asked(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        answer = await calls(ball, Asked("1", PLATFORM, OUTPUT), offer_sdp(9000))
        assert (answer.status, answer.reason) == (403, "No broadcast was asked for")
        stranger = await rig.device(id="34020000001320000099")
        assert (await calls(stranger, Asked("1", PLATFORM, OUTPUT), offer_sdp(9000))).status == 403


async def test_another_device_does_not_get_the_sound(tmp_path: Path) -> None:
    """From behind the same address, naming our SourceID: it is not the one that was asked."""
    async with rigged(tmp_path) as rig:
        other_id = "34020000001320000002"
        ball = await speaker(rig)
        rig.context.devices.admit(other_id, "ball-2")
        other = await rig.device(id=other_id)
        await other.register()
        line, task = speak(rig)
        what = await asked(ball)
        assert (await calls(other, Asked("1", PLATFORM, other_id), offer_sdp(9000), user=other_id)).status == 403
        thief = await rig.device()
        assert (await calls(thief, what, offer_sdp(9000))).status == 403, "its ids, and another port"
        with ear() as heard:
            await plays(ball, what, offer_sdp(heard.port))
            await up(line, task)


async def test_it_calls_over_another_connection(tmp_path: Path) -> None:
    """It registered over UDP, and sends its long INVITE over TCP from the same host."""
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        line, task = speak(rig)
        what = await asked(ball)
        stranger = await rig.device(tcp=True, id="34020000001320000077")
        sdp = offer_sdp(9000).replace(BALL, stranger.id)
        nobody = Asked(what.sn, PLATFORM, stranger.id)
        assert (await calls(stranger, nobody, sdp, user=stranger.id)).status == 403, "it does not name the device"
        beside = await rig.device(tcp=True)
        with ear() as heard:
            answer = await calls(beside, what, offer_sdp(heard.port))
            assert answer.status == 200
            in_dialog(beside, answer, "ACK")
            await up(line, task)


async def test_a_second_invite_for_the_same_broadcast(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        line, task = speak(rig)
        with ear() as heard:
            what = await asked(ball)
            await plays(ball, what, offer_sdp(heard.port))
            await up(line, task)
            assert (await calls(ball, what, offer_sdp(heard.port))).status == 486


# — what goes wrong —


async def test_refused_at_every_target(tmp_path: Path) -> None:
    """A 2022 device has no s=Talk: its output, its channel and itself are tried, and it says no to each."""
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig, version="3.0")
        _line, task = speak(rig)
        targets = []
        for _ in range(3):
            what = await asked(ball)
            targets.append(what.target)
            await replied(ball, what, "ERROR")
        assert targets == [OUTPUT, CHANNEL, BALL]
        assert await code_of(task) == "broadcast-refused"
        assert not [r for r in ball.seen if r.method == "INVITE"]


async def test_refused_by_status_is_said(tmp_path: Path) -> None:
    async with rigged(tmp_path, devices={BALL: {"talk_target": "output"}}) as rig:
        ball = await speaker(rig, version="3.0")
        ball.reply_status = 486
        _line, task = speak(rig)
        assert await code_of(task) == "device-busy"
        ball.reply_status = 400
        _line, task = speak(rig)
        assert await code_of(task) == "broadcast-refused"


async def test_busy_in_its_own_words(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        _line, task = speak(rig)
        await replied(ball, await asked(ball), "ERROR", "Channel Busy")
        assert await code_of(task) == "device-busy"


async def test_agreed_and_no_invite(tmp_path: Path) -> None:
    async with rigged(tmp_path, invite_timeout=0.4, devices={BALL: {"talk_target": "channel"}}) as rig:
        ball = await speaker(rig, version="3.0")
        _line, task = speak(rig)
        await replied(ball, await asked(ball))
        assert await code_of(task) == "broadcast-no-invite"
        late = await calls(ball, Asked("1", PLATFORM, CHANNEL), offer_sdp(9000))
        assert late.status == 403, "late, and nobody waits any more"


async def test_no_invite_asks_the_next_target_next_time(tmp_path: Path) -> None:
    async with rigged(tmp_path, invite_timeout=0.3) as rig:
        ball = await speaker(rig, version="3.0")
        _line, task = speak(rig)
        first, second = await asked(ball), await asked(ball)
        assert (first.target, second.target) == (OUTPUT, CHANNEL)
        assert await code_of(task) == "broadcast-no-invite"
        speak(rig)
        assert (await asked(ball)).target == BALL


async def test_a_slow_device_is_given_more_time_next(tmp_path: Path) -> None:
    """Its INVITE came when nobody waited any more: refused, and from then on it is waited for longer."""
    async with rigged(tmp_path, invite_timeout=0.3, devices={BALL: {"talk_target": "output"}}) as rig:
        ball = await speaker(rig, version="3.0")
        _line, task = speak(rig)
        what = await asked(ball)
        assert await code_of(task) == "broadcast-no-invite"
        assert (await calls(ball, what, offer_sdp(9000))).status == 403
        line, task = speak(rig)
        what = await asked(ball)
        await replied(ball, what)
        done, _ = await asyncio.wait({task}, timeout=0.5)
        assert not done, "longer than before"
        with ear() as heard:
            answer = await calls(ball, what, offer_sdp(heard.port))
            in_dialog(ball, answer, "ACK")
            await up(line, task)


async def test_no_ack(tmp_path: Path) -> None:
    async with rigged(tmp_path, invite_timeout=0.5) as rig:
        ball = await speaker(rig)
        _line, task = speak(rig)
        what = await asked(ball)
        await replied(ball, what)
        await calls(ball, what, offer_sdp(9000))
        assert await code_of(task) == "broadcast-no-ack"
        assert not rig.context.media.engine.voices


async def test_bye_at_the_first_sound_is_tried_once_more_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voicecall, "STANDS_S", 0.5)
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        _line, task = speak(rig)
        with ear() as heard:
            pcmu = {"formats": "8 0", "extra": "a=rtpmap:0 PCMU/8000\r\n"}
            answer = await plays(ball, await asked(ball), offer_sdp(heard.port, **pcmu))
            assert b"RTP/AVP 8" in answer.body
            await heard.packet()
            in_dialog(ball, answer, "BYE")
            what = await asked(ball)
            await replied(ball, what)
            again = await calls(ball, what, offer_sdp(heard.port, **pcmu))
            assert b"RTP/AVP 0" in again.body and b"PCMU/8000" in again.body, "the other law of G.711"
            await heard.packet()  # at the 200, before any ACK
            in_dialog(ball, again, "ACK")
            await rig.attached.until(lambda a: '"talk":"broadcast:output::answer:pcmu"' in a.remembered)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            speak(rig)
            what = await asked(ball)
            await replied(ball, what)
            third = await calls(ball, what, offer_sdp(heard.port, **pcmu))
            assert b"RTP/AVP 0" in third.body, "what worked comes first"


async def test_bye_at_the_first_sound_twice(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        _line, task = speak(rig)
        with ear() as heard:
            for _ in range(2):
                answer = await plays(ball, await asked(ball), offer_sdp(heard.port))
                await heard.packet()
                in_dialog(ball, answer, "BYE")
            assert await code_of(task) == "talk-dropped"


async def test_tcp_that_never_connects(tmp_path: Path) -> None:
    async with rigged(tmp_path, invite_timeout=0.4, devices={BALL: {"talk_target": "output"}}) as rig:
        ball = await speaker(rig, version="3.0")
        _line, task = speak(rig)
        await plays(ball, await asked(ball), offer_sdp(9, proto="TCP/RTP/AVP", extra="a=setup:active\r\n"))
        assert await code_of(task) == "talk-no-connection"
        await ball.got(lambda r: r.method == "BYE")


async def test_it_hangs_up_while_we_wait_for_its_connection(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        _line, task = speak(rig)
        answer = await plays(ball, await asked(ball), offer_sdp(9, proto="TCP/RTP/AVP", extra="a=setup:active\r\n"))
        in_dialog(ball, answer, "BYE")
        assert await code_of(task) == "source-ended"


NO_G711 = offer_sdp(9000, formats="102").replace("8 PCMA/8000", "102 MPEG4-GENERIC/8000")


@pytest.mark.parametrize("sdp", [NO_G711, offer_sdp(9000).replace("m=audio", "m=video"), "", "m=audio x y"])
async def test_sound_that_we_do_not_have(tmp_path: Path, sdp: str) -> None:
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        _line, task = speak(rig)
        what = await asked(ball)
        await replied(ball, what)
        assert (await calls(ball, what, sdp)).status == 488
        assert await code_of(task) == "codec-unsupported"


async def test_sound_goes_where_its_packets_come_from(tmp_path: Path) -> None:
    """The SDP names an address that leads nowhere; and later a packet comes from another address of the device."""
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        line, task = speak(rig)
        with ear() as heard:
            await plays(ball, await asked(ball), offer_sdp(heard.port, host="192.0.2.2"))
            await heard.packet()
            await up(line, task)
        engine = rig.context.media.engine
        assert engine.armed[-1][:2] == (HOST, heard.port) and engine.armed[-1][2]["latch"] == "host"
        line.tell("stranger", address="10.1.2.3:4000")
        assert len(engine.armed) == 1, "not the device"


async def test_symmetric_to_the_signalling_address(tmp_path: Path) -> None:
    """It says another address of its own, and its packets come from where it signals."""
    async with rigged(tmp_path, devices={BALL: {"talk_address": "sdp"}}) as rig:
        ball = await speaker(rig)
        line, task = speak(rig)
        await plays(ball, await asked(ball), offer_sdp(9000, host="127.0.0.2"))
        await up(line, task)
        engine = rig.context.media.engine
        assert engine.armed[-1][:2] == ("127.0.0.2", 9000)
        line.tell("stranger", address=f"{HOST}:4000")
        assert engine.armed[-1][:2] == (HOST, 4000)


async def test_one_output_plays_for_one_channel(tmp_path: Path) -> None:
    second = "34020000001310000002"

    def pages(sn: str) -> list[str]:
        return [catalog(sn, [item(), item(second, "two"), item(OUTPUT, "horn", ParentID=BALL)])]

    async with rigged(tmp_path) as rig:
        ball = await speaker(rig, pages=pages)
        speak(rig)
        await asked(ball)
        await rig.context.talk.until(lambda t: VoiceId("kit1/ball-1/ch2") in t.offers)
        other = rig.context.talk.offers[VoiceId("kit1/ball-1/ch2")]
        with pytest.raises(Busy) as caught:
            await other.open(speak(rig)[0])  # type: ignore[arg-type]
        assert caught.value.code == "device-busy"


async def test_a_device_that_started_anew_plays_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over UDP nothing but an in-dialog question tells. One that knows the call, or not the question, plays on."""
    monkeypatch.setattr(voicecall, "STANDS_S", 0.1)
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        line, task = speak(rig)
        with ear() as heard:
            await plays(ball, await asked(ball), offer_sdp(heard.port))
            await up(line, task)
            await rig.attached.until(lambda a: '"talk"' in a.remembered)
            for status in (200, 405):
                ball.options_status = status
                await ball.register()
                await ball.got(lambda r: r.method == "OPTIONS")
            assert not task.done()
            ball.options_status = 481
            await ball.register()
            assert await code_of(task) == "source-ended"


async def test_a_device_that_started_anew_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voicecall, "STANDS_S", 0.1)
    monkeypatch.setattr(voicecall, "CHECK_S", 0.3)
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        line, task = speak(rig)
        with ear() as heard:
            await plays(ball, await asked(ball), offer_sdp(heard.port))
            await up(line, task)
            ball.rebind()
            await ball.register()
            assert await code_of(task) in ("source-ended", "talk-dropped")


async def test_a_broadcast_of_before_our_crash_is_ended(tmp_path: Path) -> None:
    """A device that plays for nobody is busy for everybody: what is remembered of it is hung up after the restart."""
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        line, task = speak(rig)
        with ear() as heard:
            answer = await plays(ball, await asked(ball), offer_sdp(heard.port))
            await up(line, task)
            assert answer.call_id in rig.attached.remembered
            remembered = rig.attached.remembered
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await ball.got(lambda r: r.method == "BYE")
            assert answer.call_id not in rig.attached.remembered
            rig.attached.remembered = remembered  # as if it had ended without that
            await rig.restart()
            await ball.message("<Notify><CmdType>Keepalive</CmdType><SN>3</SN></Notify>")
            bye = await ball.got(lambda r: r.method == "BYE")
            assert bye.call_id == answer.call_id and bye.from_.tag == answer.to.tag and bye.to.tag == answer.from_.tag


async def test_a_media_plane_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)

        def refuse(*_: object, **__: object) -> int:
            raise MediaError("no room")

        monkeypatch.setattr(rig.context.media.engine, "open_voice_session", refuse)
        _line, task = speak(rig)
        await plays(ball, await asked(ball), offer_sdp(9000))
        assert await code_of(task) == "link-down"
        assert not rig.context.media.engine.sockets, "the session that was open is closed"
        await ball.got(lambda r: r.method == "BYE")


async def test_a_device_that_is_away(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        await ball.register(0)
        _line, task = speak(rig)
        assert await code_of(task) == "device-offline"


async def test_gone_while_it_is_asked(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        _line, task = speak(rig)
        await asked(ball)
        await ball.register(0)
        assert await code_of(task) == "device-offline"


# — s=Talk —


def talk_answer(proto: str, port: int, codec: str = "8 PCMA/8000") -> Media:
    """A device of 2016 that takes s=Talk."""

    def sdp(y: str, _own: int) -> str:
        setup = "a=setup:active\r\na=connection:new\r\n" if proto.startswith("TCP") else ""
        return (
            f"v=0\r\no={CHANNEL} 0 0 IN IP4 {HOST}\r\ns=Talk\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
            f"m=audio {port} {proto} {codec.split()[0]}\r\na=sendrecv\r\na=rtpmap:{codec}\r\n{setup}y={y}\r\n"
        )

    return Media("", sdp=sdp)


async def test_talk_where_broadcast_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 2022: broadcast at each target, then s=Talk over TCP; what worked is remembered over our restart."""
    monkeypatch.setattr(voicecall, "STANDS_S", 0.2)
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig, media=talk_answer("TCP/RTP/AVP", 9))
        line, task = speak(rig)
        for _ in range(3):
            await replied(ball, await asked(ball), "ERROR")
        invite = await ball.got(lambda r: r.method == "INVITE")
        text = invite.body.decode()
        assert "s=Talk" in text and "m=audio" in text and "a=sendrecv" in text and "TCP/RTP/AVP 8" in text
        assert "a=setup:passive" in text and "a=rtpmap:8 PCMA/8000" in text and invite.target.user == CHANNEL
        port = int(next(part for part in text.splitlines() if part.startswith("m=")).split()[1])
        _reader, writer = await asyncio.open_connection(HOST, port)
        await up(line, task)
        await rig.attached.until(lambda a: '"talk":"talk:channel:tcp-passive' in a.remembered)
        task.cancel()
        await ball.got(lambda r: r.method == "BYE")
        writer.close()
        await asyncio.gather(task, return_exceptions=True)
        speak(rig)
        again = await ball.got(lambda r: r.method == "INVITE")
        assert b"s=Talk" in again.body, "without asking for a broadcast first"


async def test_talk_over_udp_and_pcmu(tmp_path: Path) -> None:
    async with rigged(tmp_path, invite_timeout=0.5, devices={BALL: {"talk": "talk"}}) as rig:
        with ear() as heard:
            ball = await speaker(rig, media=talk_answer("RTP/AVP", heard.port, "0 PCMU/8000"), pages=None)
            line, task = speak(rig)
            await ball.got(lambda r: r.method == "INVITE")
            await heard.packet()
            await up(line, task)


async def test_talk_refused_and_busy(tmp_path: Path) -> None:
    async with rigged(tmp_path, devices={BALL: {"talk": "talk"}}) as rig:
        ball = await speaker(rig, media=Media(status=488))
        _line, task = speak(rig)
        assert await code_of(task) == "invite-refused"
        ball.media = Media(status=486)
        _line, task = speak(rig)
        assert await code_of(task) == "device-busy"


async def test_talk_that_is_dropped_changes_the_transport(tmp_path: Path) -> None:
    async with rigged(tmp_path, devices={BALL: {"talk": "talk"}}) as rig:
        with ear() as heard:
            ball = await speaker(rig, media=talk_answer("RTP/AVP", heard.port))
            _line, task = speak(rig)
            first = await ball.got(lambda r: r.method == "INVITE")
            await heard.packet()
            await ball.bye()
            second = await ball.got(lambda r: r.method == "INVITE")
            assert b" TCP/RTP/AVP" in first.body and b" RTP/AVP" in second.body
            await heard.packet()
            await ball.bye()
            assert await code_of(task) == "talk-dropped"


# — who is offered —


async def offered(rig: Rig, ball: ScriptedDevice) -> list[str]:
    await rig.attached.until(lambda a: a.complete and a.complete[-1])
    return sorted(rig.context.talk.offers)


async def test_no_output_no_offer(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await rig.online()
        assert await offered(rig, ball) == []
        assert not rig.attached.reports[CHANNEL].capabilities.talk_back


@pytest.mark.parametrize(("mode", "number"), [("off", 0), ("broadcast", 1), ("talk", 1)])
async def test_the_technician_decides(tmp_path: Path, mode: str, number: int) -> None:
    """Off although there is an output; on although there is none."""
    async with rigged(tmp_path, devices={BALL: {"talk": mode}}) as rig:
        ball = await rig.online(pages=with_output if mode == "off" else None)
        assert len(await offered(rig, ball)) == number
        assert rig.attached.reports[CHANNEL].capabilities.talk_back == bool(number)


async def test_an_output_that_is_gone_is_withdrawn(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        ball = await speaker(rig)
        await ball.got(lambda r: r.method == "SUBSCRIBE")
        gone = f"<Item><DeviceID>{OUTPUT}</DeviceID><Event>DEL</Event></Item>"
        await ball.message(
            f"<Notify><CmdType>Catalog</CmdType><SN>9</SN><DeviceID>{BALL}</DeviceID><SumNum>1</SumNum>"
            f'<DeviceList Num="1">{gone}</DeviceList></Notify>'
        )
        await rig.context.talk.until(lambda t: VoiceId(STREAM) in t.withdrawn)


async def test_forgotten_devices_are_withdrawn(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await speaker(rig)
        rig.context.devices.forget(BALL)
        await rig.context.talk.until(lambda t: VoiceId(STREAM) in t.withdrawn)
