"""A scripted platform: registers balls, takes their messages, asks and invites. No more than the tests need."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Self

from gateway.net.sip import IncomingRequest, InviteCall, Listen, SipEndpoint
from gateway.sim import messages
from gateway.sim.ball import Ball
from gateway.sim.encoder import VideoSettings
from gateway.sim.faults import Faults
from gateway.sim.profile import Profile
from gateway.wire.digest import Authorization, DigestServer, Verdict
from gateway.wire.sip import Hop, SipResponse, new_request

PLATFORM_ID, DOMAIN, PASSWORD = "34020000002000000001", "3402000000", "kit-secret"
BALL_ID = "34020000001380000001"
PATIENCE_S = 60.0


class Platform:
    def __init__(self, udp_port: int = 0, tcp_port: int = 0) -> None:
        self.endpoint = SipEndpoint([Listen("udp", "127.0.0.1", udp_port), Listen("tcp", "127.0.0.1", tcp_port)])
        self.digest = DigestServer(DOMAIN)
        self.registers: asyncio.Queue[tuple[str, int, Verdict]] = asyncio.Queue()
        self.messages: asyncio.Queue[str] = asyncio.Queue()
        self.hop: Hop | None = None  # where the ball was last heard
        self.call_ids: list[str] = []
        self.mute = False
        self.versions: list[str | None] = []
        self._sn = 100

    async def __aenter__(self) -> Self:
        self.endpoint.on_request("REGISTER", self._on_register)
        self.endpoint.on_request("MESSAGE", self._on_message)
        await self.endpoint.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.endpoint.__aexit__(kind, exc, trace)

    def address(self, transport: str = "udp") -> tuple[str, int]:
        return next((b.host, b.port) for b in self.endpoint.bound if b.transport == transport)

    async def _on_register(self, incoming: IncomingRequest) -> None:
        request, now = incoming.request, time.monotonic()
        self.versions.append(request.headers.get("X-GB-Ver"))
        value = request.headers.get("Authorization")
        if value is None:
            challenges = [("WWW-Authenticate", str(c)) for c in self.digest.challenges(now)]
            incoming.respond(401, headers=challenges)
            return
        verdict = self.digest.check(Authorization.parse(value), "REGISTER", now, password=PASSWORD)
        if verdict is Verdict.STALE:  # a nonce of before our restart, sent ahead of any challenge
            challenges = [("WWW-Authenticate", str(c)) for c in self.digest.challenges(now, stale=True)]
            incoming.respond(401, headers=challenges)
            return
        self.hop = incoming.hop
        self.call_ids.append(request.call_id)
        self.registers.put_nowait((request.from_.uri, -1 if request.expires is None else request.expires, verdict))
        incoming.respond(200 if verdict is Verdict.OK else 403, headers=[("Expires", str(request.expires))])

    async def _on_message(self, incoming: IncomingRequest) -> None:
        if self.mute:
            incoming.respond(403)
            return
        self.hop = incoming.hop
        incoming.respond(200)
        self.messages.put_nowait(messages.decode(incoming.request.body))

    # -- the script -------------------------------------------------------------------------------------------

    async def registered(self) -> tuple[str, int, Verdict]:
        async with asyncio.timeout(PATIENCE_S):
            return await self.registers.get()

    async def heard(self, command: str, wanted: Callable[[str], bool] = lambda body: True) -> str:
        """The next message of a command that is wanted; others are dropped."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                body = await self.messages.get()
                if messages.field(body, "CmdType") == command and wanted(body):
                    return body

    async def say(self, kind: str, command: str, inner: str = "", device: str = BALL_ID) -> str:
        """Send a MESSAGE to the ball; its SN."""
        assert self.hop is not None
        self._sn += 1
        body = (
            f'<?xml version="1.0"?><{kind}><CmdType>{command}</CmdType><SN>{self._sn}</SN>'
            f"<DeviceID>{device}</DeviceID>{inner}</{kind}>"
        )
        response = await self._send("MESSAGE", device, body)
        assert response.status == 200
        return str(self._sn)

    async def _send(self, method: str, device: str, body: str) -> SipResponse:
        assert self.hop is not None
        request = new_request(
            method,
            f"sip:{device}@{DOMAIN}",
            from_=f"sip:{PLATFORM_ID}@{DOMAIN}",
            hop=self.hop,
            contact_user=PLATFORM_ID,
            body=body.encode(),
            content_type=messages.CONTENT_TYPE,
        )
        return await self.endpoint.request(request, self.hop, timeout=PATIENCE_S)

    async def invite(self, channel: str, port: int, *, tcp: str = "", ssrc: str = "0100000001") -> InviteCall:
        """A live INVITE; `tcp` is the setup of the offer ("active", "passive") or "" for UDP."""
        assert self.hop is not None
        setup = f"a=setup:{tcp}\r\na=connection:new\r\n" if tcp else ""
        body = (
            f"v=0\r\no={PLATFORM_ID} 0 0 IN IP4 127.0.0.1\r\ns=Play\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=video {port} {'TCP/RTP/AVP' if tcp else 'RTP/AVP'} 96\r\na=recvonly\r\na=rtpmap:96 PS/90000\r\n"
            f"{setup}y={ssrc}\r\n"
        )
        request = new_request(
            "INVITE",
            f"sip:{channel}@{DOMAIN}",
            from_=f"sip:{PLATFORM_ID}@{DOMAIN}",
            hop=self.hop,
            contact_user=PLATFORM_ID,
            headers=[("Subject", f"{channel}:{ssrc},{PLATFORM_ID}:0")],
            body=body.encode(),
            content_type="application/sdp",
        )
        return await self.endpoint.invite(request, self.hop)


class Sink:
    """A UDP socket that takes RTP."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.port: int = self.sock.getsockname()[1]

    async def packet(self) -> tuple[bytes, tuple[str, int]]:
        async with asyncio.timeout(PATIENCE_S):
            data, source = await asyncio.get_running_loop().sock_recvfrom(self.sock, 2048)
            return data, source

    async def ssrc(self) -> int:
        (value,) = struct.unpack("!I", (await self.packet())[0][8:12])
        return int(value)

    async def key_frame(self) -> None:
        """Wait for a pack with a system header."""
        while b"\x00\x00\x01\xbb" not in (await self.packet())[0]:
            pass


@asynccontextmanager
async def sink() -> AsyncIterator[Sink]:
    made = Sink()
    try:
        yield made
    finally:
        made.sock.close()


class Told:
    """What a ball reports, in order."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[str, str, dict[str, object]]] = asyncio.Queue()

    def __call__(self, event: str, ball: str, words: str, **data: object) -> None:
        self._queue.put_nowait((event, words, data))

    async def event(self, name: str) -> tuple[str, dict[str, object]]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                event, words, data = await self._queue.get()
                if event == name:
                    return words, data


def profile_for(platform: Platform, *faults: str, **more: object) -> Profile:
    chosen = Faults.read(faults)
    settings = chosen.settings(VideoSettings(width=320, height=240))
    base: dict[str, object] = {
        "server": platform.address(str(more.get("transport", "udp"))),
        "password": PASSWORD,
        "video": settings,
        "faults": chosen,
        "keepalive_s": 0.1,
        "retry_s": 0.05,
        "retry_max_s": 0.1,
        "away_s": 0.1,
        "alarm_repeat_s": 0.1,
        "answer_s": 2.0,
    }
    return Profile(**(base | more))  # type: ignore[arg-type]


@asynccontextmanager
async def running(profile: Profile) -> AsyncIterator[tuple[Ball, Told]]:
    told = Told()
    ball = Ball(profile, told)
    task = asyncio.create_task(ball.run())
    try:
        yield ball, told
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
