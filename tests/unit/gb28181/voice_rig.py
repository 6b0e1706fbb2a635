"""A scripted device that is told to play sound: each of its steps is a function, to be called, bent or left out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.model.voice import VoiceId
from gateway.wire.sip import Headers, SipRequest, SipResponse
from tests.unit.gb28181.rig import STREAM, Rig
from tests.unit.gb28181.scripted import BALL, DOMAIN, HOST, PLATFORM, ScriptedDevice, catalog, item, value
from tests.unit.gb28181.voice_fakes import FakeLine

OUTPUT = "34020000001370000001"


def with_output(sn: str) -> list[str]:
    return [catalog(sn, [item(), item(OUTPUT, "horn", ParentID=BALL)])]


@dataclass
class Asked:
    sn: str
    source: str
    target: str


class Ear:
    """A UDP socket of the device, or a listening TCP one, on which sound comes."""

    def __init__(self, *, tcp: bool = False) -> None:
        self.sock = socket.socket(type=socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind((HOST, 0))
        if tcp:
            self.sock.listen()
        self.port = int(self.sock.getsockname()[1])

    async def packet(self) -> bytes:
        async with asyncio.timeout(5):
            return await asyncio.get_running_loop().sock_recv(self.sock, 2048)

    async def silent(self, seconds: float) -> bool:
        """Nothing comes for so long."""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_recv(self.sock, 2048)
        except TimeoutError:
            return True
        return False


@contextmanager
def ear(*, tcp: bool = False) -> Iterator[Ear]:
    made = Ear(tcp=tcp)
    try:
        yield made
    finally:
        made.sock.close()


def offer_sdp(port: int, *, proto: str = "RTP/AVP", host: str = HOST, formats: str = "8", extra: str = "") -> str:
    """What a device says when it wants to hear us."""
    return (
        f"v=0\r\no={BALL} 0 0 IN IP4 {host}\r\ns=Play\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} {proto} {formats}\r\na=recvonly\r\na=rtpmap:8 PCMA/8000\r\n"
        f"{extra}y=0200000007\r\nf=v/////a/1/8/1\r\n"
    )


def speak(rig: Rig) -> tuple[FakeLine, asyncio.Task[None]]:
    """Open the first channel's loudspeaker as the core does."""
    offer = rig.context.talk.offers[VoiceId(STREAM)]
    line = FakeLine(offer.id)

    async def run() -> None:
        await offer.open(line)  # type: ignore[arg-type]

    task = asyncio.create_task(run())
    rig.opened.append(task)
    return line, task


async def speaker(rig: Rig, **script: object) -> ScriptedDevice:
    """A device with a voice output, on line, offered."""
    script.setdefault("pages", with_output)
    ball = await rig.online(**script)  # type: ignore[arg-type]
    await rig.context.talk.until(lambda t: VoiceId(STREAM) in t.offers)
    return ball


async def asked(ball: ScriptedDevice, timeout: float = 5.0) -> Asked:
    """The next Broadcast that it gets."""
    got = await ball.got(lambda r: r.method == "MESSAGE" and value(r.body, "CmdType") == "Broadcast", timeout)
    assert b"<Notify>" in got.body
    return Asked(value(got.body, "SN"), value(got.body, "SourceID"), value(got.body, "TargetID"))


async def replied(ball: ScriptedDevice, to: Asked, result: str = "OK", reason: str = "") -> None:
    extra = f"<Reason>{reason}</Reason>" if reason else ""
    text = (
        f"<Response><CmdType>Broadcast</CmdType><SN>{to.sn}</SN><DeviceID>{to.target}</DeviceID>"
        f"<Result>{result}</Result>{extra}</Response>"
    )
    assert (await ball.message(text)).status == 200


async def calls(ball: ScriptedDevice, to: Asked, sdp: str, **other: str) -> SipResponse:
    """Its INVITE for the sound; the final answer."""
    return await ball.request(
        "INVITE",
        [("Subject", f"{to.source}:0200000007,{to.target}:0"), ("Content-Type", "Application/SDP")],
        sdp.encode(),
        **{"user": to.target, "to_user": to.source, **other},
    )


def in_dialog(ball: ScriptedDevice, answer: SipResponse, method: str) -> None:
    """ACK or BYE for a call of its own; nobody waits for the answer."""
    number = answer.cseq.number + (method != "ACK")
    request = SipRequest(
        method,
        f"sip:{PLATFORM}@{DOMAIN}",
        Headers(
            [
                ("Via", f"SIP/2.0/UDP {HOST}:{ball.port};rport;branch=z9hG4bK{method}{answer.call_id[:8]}{number}"),
                ("From", str(answer.from_)),
                ("To", str(answer.to)),
                ("Call-ID", answer.call_id),
                ("CSeq", f"{number} {method}"),
                ("Max-Forwards", "70"),
            ]
        ),
        b"",
    )
    ball.raw(bytes(request))


async def plays(ball: ScriptedDevice, to: Asked, sdp: str, **other: str) -> SipResponse:
    """OK, INVITE, ACK, as a device does that works."""
    await replied(ball, to)
    answer = await calls(ball, to, sdp, **other)
    assert answer.status == 200, answer
    in_dialog(ball, answer, "ACK")
    return answer


async def up(line: FakeLine, task: asyncio.Task[None]) -> None:
    """The voice is handed over."""
    waiting = asyncio.create_task(line.up.wait())
    await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    if not line.up.is_set():
        waiting.cancel()
        assert task.done(), "neither a voice nor an end"
        await task
