"""The ball is told to play sound by a scripted platform: each carrier, s=Talk, and each fault on the wire."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.base.errors import LinkDown, PeerError
from gateway.net.sip import IncomingCall, InviteCall
from gateway.sim import messages
from gateway.sim.ball import Ball
from gateway.sim.sound import alaw, ulaw
from gateway.wire.sip import new_request
from tests.unit.sim.platform import (
    BALL_ID,
    DOMAIN,
    PATIENCE_S,
    PLATFORM_ID,
    Platform,
    Told,
    profile_for,
    running,
    sink,
)

VOICE = "34020000001370000101"
SSRC = 200001234


class Talker(Platform):
    """A platform that asks, takes the ball's INVITE and sends a tone of 1 kHz."""

    def __init__(self) -> None:
        super().__init__()
        self.invites: asyncio.Queue[IncomingCall] = asyncio.Queue()
        self.endpoint.on_call(self._called)
        self.over = asyncio.Event()

    async def _called(self, call: IncomingCall) -> None:
        self.invites.put_nowait(call)
        await self.over.wait()

    async def ask(self, target: str = VOICE) -> str:
        """Broadcast; the Result."""
        await self.say("Notify", "Broadcast", f"<SourceID>{PLATFORM_ID}</SourceID><TargetID>{target}</TargetID>")
        return messages.field(await self.heard("Broadcast"), "Result")

    async def invited(self) -> tuple[IncomingCall, str]:
        async with asyncio.timeout(PATIENCE_S):
            call = await self.invites.get()
        return call, messages.decode(call.request.body)

    def answer(self, call: IncomingCall, port: int, *, proto: str = "RTP/AVP", setup: str = "", pt: int = 8) -> None:
        extra = f"a=setup:{setup}\r\na=connection:new\r\n" if setup else ""
        call.accept(
            (
                f"v=0\r\no={PLATFORM_ID} 0 0 IN IP4 127.0.0.1\r\ns=Play\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                f"m=audio {port} {proto} {pt}\r\na=sendonly\r\n{extra}y=0{SSRC}\r\n"
            ).encode(),
            contact_user=PLATFORM_ID,
        )

    async def talk(self, port: int, *, tcp: str = "") -> InviteCall:
        """s=Talk."""
        assert self.hop is not None
        setup = f"a=setup:{tcp}\r\n" if tcp else ""
        body = (
            f"v=0\r\no={PLATFORM_ID} 0 0 IN IP4 127.0.0.1\r\ns=Talk\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} {'TCP/RTP/AVP' if tcp else 'RTP/AVP'} 8\r\na=sendrecv\r\n{setup}y=0{SSRC}\r\n"
        )
        request = new_request(
            "INVITE", f"sip:{VOICE}@{DOMAIN}", from_=f"sip:{PLATFORM_ID}@{DOMAIN}", hop=self.hop,
            contact_user=PLATFORM_ID, body=body.encode(), content_type="application/sdp",
        )  # fmt: skip
        return await self.endpoint.invite(request, self.hop)


@asynccontextmanager
async def talking(*faults: str, **more: object) -> AsyncIterator[tuple[Talker, Ball, Told]]:
    async with Talker() as platform, running(profile_for(platform, *faults, **more)) as (ball, told):
        await platform.registered()
        try:
            yield platform, ball, told
        finally:
            platform.over.set()


def media(text: str) -> tuple[int, str]:
    line = next(part for part in text.splitlines() if part.startswith("m=audio")).split()
    return int(line[1]), line[2]


def packets(ssrc: int = SSRC, law: str = "pcma", seconds: float = 0.5) -> list[bytes]:
    encode, pt = (alaw, 8) if law == "pcma" else (ulaw, 0)
    out = []
    for number in range(round(seconds * 50)):
        at = number * 160
        samples = array("h", [round(8000 * math.sin(math.tau * 1000 * (at + n) / 8000)) for n in range(160)])
        out.append(struct.pack("!BBHII", 0x80, pt, number, at, ssrc) + bytes(map(encode, samples)))
    return out


async def tone_to(sock: socket.socket, port: int, **what: object) -> None:
    for packet in packets(**what):  # type: ignore[arg-type]
        sock.sendto(packet, ("127.0.0.1", port))
        await asyncio.sleep(0)


def framed(all_: list[bytes]) -> bytes:
    return b"".join(struct.pack("!H", len(packet)) + packet for packet in all_)


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """A port that sends the tone to whoever connects, and holds the connection until it is closed."""
    done: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        done.append(task)
        try:
            writer.write(framed(packets()))
            await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in done:
            task.cancel()
        await asyncio.gather(*done, return_exceptions=True)


async def test_broadcast_over_udp() -> None:
    async with talking() as (platform, ball, told), sink() as rtp:
        assert await platform.ask() == "OK"
        call, text = await platform.invited()
        assert call.request.target.user == PLATFORM_ID and call.request.from_.user == VOICE
        assert (call.request.headers.get("Subject") or "").startswith(f"{PLATFORM_ID}:0")
        assert "a=recvonly" in text and "s=Play" in text and "y=0" in text and "a=rtpmap:8 PCMA/8000" in text
        port, proto = media(text)
        assert proto == "RTP/AVP"
        platform.answer(call, rtp.port)
        await call.acked(PATIENCE_S)
        await tone_to(rtp.sock, port, ssrc=1)  # not the SSRC agreed: not played
        await tone_to(rtp.sock, port)
        words, data = await told.event("hearing")
        assert data["tone_hz"] == 1000 and "1000 Hz" in words
        await call.bye()
        _, data = await told.event("talk-over")
        assert data["strange"] == 25 and data["packets"] == 25
        assert ball.ear.tone_hz == 1000 and ball.ear.heard_s == pytest.approx(0.5)


@pytest.mark.parametrize("talk", ["tcp", "tcp-listen"])
async def test_broadcast_over_tcp(talk: str) -> None:
    async with talking(talk=talk) as (platform, ball, told):
        assert await platform.ask() == "OK"
        call, text = await platform.invited()
        port, proto = media(text)
        assert proto == "TCP/RTP/AVP"
        if talk == "tcp":
            assert "a=setup:active" in text
            async with listening() as own:
                platform.answer(call, own, proto=proto, setup="passive")
                await told.event("hearing")
        else:
            assert "a=setup:passive" in text
            platform.answer(call, 9, proto=proto, setup="active")
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(framed(packets()))
            await told.event("hearing")
            writer.close()
        assert ball.ear.tone_hz == 1000
        async with asyncio.timeout(PATIENCE_S):
            assert (await call.ended()).by in ("remote", "local")


async def test_one_at_a_time_and_only_its_own_targets() -> None:
    async with talking() as (platform, _, _told):
        assert await platform.ask("34020000001370009999") == "ERROR"
        assert await platform.ask(BALL_ID) == "OK"
        await platform.invited()
        assert await platform.ask() == "ERROR"


async def test_no_loudspeaker() -> None:
    async with talking(talk="none") as (platform, ball, _told):
        assert await platform.ask(BALL_ID) == "ERROR"
        assert not [item for item in ball.profile.items() if item.device_id[10:13] == "137"]


async def test_stopped_it_hangs_up() -> None:
    async with Talker() as platform:
        async with running(profile_for(platform)), sink() as rtp:
            await platform.registered()
            await platform.ask()
            call, _ = await platform.invited()
            platform.answer(call, rtp.port)
            await call.acked(PATIENCE_S)
        platform.over.set()
        async with asyncio.timeout(PATIENCE_S):
            assert (await call.ended()).by == "remote"


# — s=Talk —


@pytest.mark.parametrize("version", ["2011", "2016"])
async def test_talk_over_udp_both_ways(version: str) -> None:
    async with talking(version=version) as (platform, _, told), sink() as rtp:
        call = await platform.talk(rtp.port)
        text = messages.decode((await call.answered(PATIENCE_S)).body)
        assert "s=Talk" in text and "a=sendrecv" in text
        await call.ack()
        microphone, _ = await rtp.packet()
        assert microphone[1] == 8 and len(microphone) == 172
        await tone_to(rtp.sock, media(text)[0])
        assert (await told.event("hearing"))[1]["tone_hz"] == 1000
        await call.bye()
        await told.event("talk-over")


async def test_talk_over_tcp() -> None:
    async with talking() as (platform, _, told), listening() as port:
        call = await platform.talk(port, tcp="passive")
        assert b"a=setup:active" in (await call.answered(PATIENCE_S)).body
        await call.ack()
        await told.event("hearing")
        await call.bye()


@pytest.mark.parametrize(
    ("faults", "more", "status"),
    [
        (["talk-refused"], {}, 488),
        ([], {"version": "2022"}, 488),
        (["talk-busy"], {}, 486),
        ([], {"talk": "none"}, 488),
    ],
)
async def test_talk_refused(faults: list[str], more: dict[str, object], status: int) -> None:
    async with talking(*faults, **more) as (platform, _, _told):
        call = await platform.talk(9000)
        with pytest.raises(PeerError) as caught:
            await call.answered(PATIENCE_S)
        assert caught.value.status == status


# — faults —


async def test_refused() -> None:
    async with talking("broadcast-refused") as (platform, _, _told):
        assert await platform.ask() == "ERROR"


async def test_busy_is_said_by_status() -> None:
    async with talking("talk-busy") as (platform, _, _told):
        with pytest.raises(AssertionError):  # `say` wants a 200
            await platform.ask()


async def test_agreed_and_silent() -> None:
    async with talking("broadcast-silent") as (platform, _, _told):
        assert await platform.ask() == "OK"
        await platform.heard("Keepalive")
        assert platform.invites.empty()


async def test_late() -> None:
    async with talking("broadcast-late=0.3") as (platform, _, _told):
        assert await platform.ask() == "OK"
        await platform.heard("Keepalive")
        assert platform.invites.empty()
        await platform.invited()


@pytest.mark.parametrize("fault", ["talk-bye", "talk-bye-once"])
async def test_it_hangs_up_at_the_first_sound(fault: str) -> None:
    async with talking(fault) as (platform, _, told), sink() as rtp:
        for turn in range(2):
            assert await platform.ask() == "OK"
            call, text = await platform.invited()
            platform.answer(call, rtp.port)
            await call.acked(PATIENCE_S)
            await tone_to(rtp.sock, media(text)[0])
            if turn == 0 or fault == "talk-bye":
                async with asyncio.timeout(PATIENCE_S):
                    assert (await call.ended()).by == "remote"
                await told.event("talk-over")
            else:
                await told.event("heard" if call.end else "hearing")
                assert call.end is None


async def test_it_connects_before_its_ack() -> None:
    async with talking("talk-dials-early", talk="tcp") as (platform, _, told), listening() as port:
        await platform.ask()
        call, _ = await platform.invited()
        platform.answer(call, port, proto="TCP/RTP/AVP", setup="passive")
        assert (await told.event("early"))[0] == "sound came before our ACK"
        await call.acked(PATIENCE_S)


async def test_another_port_than_it_says() -> None:
    async with talking("talk-other-port") as (platform, ball, told), sink() as rtp:
        await platform.ask()
        call, text = await platform.invited()
        platform.answer(call, rtp.port)
        _, source = await rtp.packet()
        assert source[1] != media(text)[0]
        await tone_to(rtp.sock, media(text)[0])
        await tone_to(rtp.sock, source[1])
        await told.event("hearing")
        assert ball.ear.heard_s <= 0.5, "what went to the port of the SDP is lost"


async def test_mu_law() -> None:
    async with talking("talk-pcmu") as (platform, ball, told), sink() as rtp:
        await platform.ask()
        call, text = await platform.invited()
        assert "a=rtpmap:0 PCMU/8000" in text
        platform.answer(call, rtp.port, pt=0)
        await call.acked(PATIENCE_S)
        await tone_to(rtp.sock, media(text)[0], law="pcmu")
        await told.event("hearing")
        assert ball.ear.tone_hz == 1000


async def test_no_y_and_any_ssrc() -> None:
    async with talking("talk-no-ssrc") as (platform, _, told), sink() as rtp:
        await platform.ask()
        call, text = await platform.invited()
        assert "y=" not in text
        platform.answer(call, rtp.port)
        await call.acked(PATIENCE_S)
        await tone_to(rtp.sock, media(text)[0], ssrc=77)
        await told.event("hearing")


async def test_ids_swapped() -> None:
    async with talking("talk-ids-swapped") as (platform, _, _told):
        await platform.ask()
        call, _ = await platform.invited()
        assert (call.request.from_.user, call.request.to.user) == (PLATFORM_ID, VOICE)


async def test_never_acknowledged() -> None:
    async with talking("talk-no-ack") as (platform, _, told), sink() as rtp:
        await platform.ask()
        call, _ = await platform.invited()
        platform.answer(call, rtp.port)
        await told.event("talk")
        with pytest.raises(LinkDown):
            await call.acked(0.3)


async def test_agreed_on_tcp_and_does_nothing() -> None:
    async with talking("tcp-refuses", talk="tcp") as (platform, _, told):
        await platform.ask()
        call, _ = await platform.invited()
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            listener.setblocking(False)
            platform.answer(call, listener.getsockname()[1], proto="TCP/RTP/AVP", setup="passive")
            await told.event("silent")
            with suppress(BlockingIOError):
                listener.accept()
                pytest.fail("it connected")
        await call.bye()


async def test_the_echo_is_in_its_picture_s_sound() -> None:
    """What it plays is in the program stream a moment later."""
    async with talking("echo=0.1") as (_platform, ball, _told):
        heard: list[bytes] = []
        ball.source.attach(lambda frame: heard.append(frame.audio))
        before = asyncio.get_running_loop().time()
        while b"".join(heard).count(0xD5 ^ 0xFF) >= 0 and asyncio.get_running_loop().time() - before < PATIENCE_S:
            samples = array("h", [round(20000 * math.sin(math.tau * 2000 * n / 8000)) for n in range(400)])
            ball.ear.play(samples)
            await asyncio.sleep(0.05)
            loud = [byte for byte in b"".join(heard) if (byte ^ 0x55) & 0x70 >= 0x60]
            if len(loud) > 400:
                break
        else:
            pytest.fail("no echo")
