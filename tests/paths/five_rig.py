"""One talk group of five on the whole gateway: a SIP phone, a SIP phone over TLS with SRTP, a browser, a radio, a ball.

Everything between them is the real thing: the daemon in this process with its adapters, the simulated ball and radio,
phones of our own parts with a media plane each, and aiortc as the browser. Each speaks a tone of its own.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from adapters.sip.routing import MediaPolicy, Route
from gateway.base.log import LogSetup
from gateway.cli.client import Client as Local
from gateway.config.load import load_config
from gateway.core.core import Core
from gateway.daemon import Daemon
from gateway.model.voice import GroupId, GroupStatus, MemberState
from gateway.net.sip import Listen, SipEndpoint
from gateway.net.sip.tls import client_context
from gateway.registry import Installed
from gateway.sim.ball import Ball
from gateway.sim.encoder import VideoSettings
from gateway.sim.faults import Faults
from gateway.sim.profile import Profile
from gateway.sim.radio import Radio, RadioProfile
from gateway.sim.report import silent
from gateway.wire.digest import DigestClient
from gateway.wire.sip import Hop
from tests.paths.sip_rig import Ear, Phone, a_plane, tone
from tests.paths.talk_rig import HEARD, ToneTrack, hearing
from tests.paths.talk_rig import Ear as TrackEar
from tests.peers.stage import BALL, Ports
from tests.unit.webrtc.client import Client as Browser

OPS = GroupId("kit1/talk/ops")
BALL_MEMBER, RADIO_MEMBER = "kit1/ball-1/ch1", "kit1/radio-1/ch1"
PHONE_HZ, SECURE_HZ, BROWSER_HZ, RADIO_HZ = 500.0, 700.0, 1100.0, 1700.0
PASSWORD = "correct horse battery"
PATIENCE_S = 20.0


def config(ports: Ports, mode: str, more: str = "") -> str:
    return (
        ports.config().replace("0.0.0.0", "127.0.0.1")
        + f"""
[gateway]
id = "kit1"
[talk.group.ops]
name = "Ops"
number = "600"
mode = "{mode}"
members = ["radio-1/ch1", "ball-1/ch1"]
{more}
[adapter.sip.users.8101]
password = "{PASSWORD}"
[adapter.sip.users.8102]
password = "{PASSWORD}"
media = {{srtp = "required"}}
[adapter.roip.channels.radio-1]
kind = "usrp"
listen = "127.0.0.1:{ports.usrp}"
peer = "127.0.0.1:{ports.radio}"
""".replace("[gateway]\nid", "[gateway]\nid")
    )


class Five:
    """The five, each joined and silent. `phone` and `secure` are SIP; ears of all tell what they hear."""

    phone: Phone
    secure: Phone
    browser: Browser
    member: str  # of the browser
    radio: Radio
    ball: Ball
    track: ToneTrack

    def __init__(self, core: Core, ports: Ports, http: httpx.AsyncClient) -> None:
        self.core = core
        self.ports = ports
        self.http = http
        self.ears: dict[str, Callable[[float], float]] = {}
        self.sip_ears: dict[str, Ear] = {}
        self.track_ear: TrackEar

    @property
    def status(self) -> GroupStatus:
        return self.core.talk.status(OPS)

    async def order(self, action: str, **args: Any) -> dict[str, Any]:
        """As the browser's page does, but over HTTP."""
        body = {"action": action, "target": OPS, "args": {"member": self.member, **args}}
        answer = await self.http.post("/api/v1/commands", json=body)
        assert answer.status_code < 300, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def until(self, true: Callable[[GroupStatus], object], what: str = "") -> GroupStatus:
        async with asyncio.timeout(PATIENCE_S):
            async for status in self.core.talk.changes(OPS):
                if true(status):
                    return status
        raise AssertionError(f"the group ended: {what}")

    async def hears(self, who: str, hz: float) -> None:
        if who in self.sip_ears:
            await self.sip_ears[who].hears(hz, share=HEARD)
            return
        await until(lambda: self.ears[who](hz) >= HEARD)


async def until(true: Callable[[], object]) -> None:
    """Ask at each 20 ms of sound. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110  (what is heard has no event)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def five(place: Path, ports: Ports, mode: str = "half", more: str = "") -> AsyncIterator[Five]:
    file = place / "five.toml"
    file.write_text(config(ports, mode, more))
    registry = Installed()
    found = load_config(file, registry)
    state = place / "state"
    found = dataclasses.replace(found, gateway=found.gateway.model_copy(update={"state_dir": state}))
    logs = LogSetup("warning", "text")
    try:
        async with AsyncExitStack() as stack:
            daemon = Daemon(found, file, state, registry=registry)
            await stack.enter_async_context(daemon.started())
            await daemon.whole()
            local = Local(state)
            code = await asyncio.to_thread(
                local.post, "/api/v1/auth/codes", {"role": "operator", "ttl_s": 600, "name": "anna"}
            )
            http = await stack.enter_async_context(
                httpx.AsyncClient(base_url=f"https://127.0.0.1:{ports.api}", verify=False, timeout=20)  # noqa: S501
            )
            token = (await http.post("/api/v1/auth/code", json={"code": code["code"]})).json()["token"]
            http.headers["Authorization"] = f"Bearer {token}"
            made = Five(daemon.core, ports, http)
            await _radio_and_ball(stack, made, local, state)
            made.phone = await stack.enter_async_context(_phone("8101", made, secure=False))
            made.secure = await stack.enter_async_context(_phone("8102", made, secure=True))
            await _browser(stack, made)
            await made.until(
                lambda status: sum(m.state is MemberState.UP for m in status.members) >= 4, "four of five are up"
            )
            yield made
    finally:
        logs.stop()


async def _radio_and_ball(stack: AsyncExitStack, made: Five, local: Local, state: Path) -> None:
    ports = made.ports
    profile = RadioProfile(("127.0.0.1", ports.radio), ("127.0.0.1", ports.usrp), tone_hz=RADIO_HZ)
    made.radio = await stack.enter_async_context(Radio(profile, silent))
    made.ears["radio"] = lambda hz: made.radio.heard.strength(hz)
    await asyncio.to_thread(local.post, "/api/v1/devices", {"external_id": BALL, "id": "ball-1", "name": "Ball"})
    made.ball = Ball(
        Profile(
            server=(("127.0.0.1"), ports.sip), device_id=BALL, password=(state / "kit-password").read_text().strip(),
            version="2022", faults=Faults.read(()), keepalive_s=5.0,
            video=VideoSettings(width=320, height=180, fps=10, bitrate=200_000),
        ),
        silent,
    )  # fmt: skip
    made.ears["ball"] = lambda hz: 1.0 if abs(made.ball.ear.tone_hz - hz) <= 20 else 0.0
    running = asyncio.create_task(made.ball.run())

    async def end() -> None:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    stack.push_async_callback(end)
    await made.until(lambda status: any(m.id == BALL_MEMBER for m in status.members), "the ball is a member")


@asynccontextmanager
async def _phone(user: str, made: Five, *, secure: bool) -> AsyncIterator[Phone]:
    """A softphone that dials the group."""
    policy = MediaPolicy(srtp="sdes" if secure else "off", audio=("pcma",), video=())
    ports = made.ports
    async with a_plane() as plane:
        phone = Phone(plane, user, policy)
        tls = client_context(verify=False)
        async with SipEndpoint([Listen("udp", "127.0.0.1", 0)], tls_client=tls) as phone.endpoint:
            phone.endpoint.on_call(phone.on_call)
            if secure:
                hop = await phone.endpoint.hop_to("tls", ("127.0.0.1", ports.phones_tls), server_name="127.0.0.1")
            else:
                hop = Hop("udp", ("127.0.0.1", phone.port), ("127.0.0.1", ports.phones))
            port = ports.phones_tls if secure else ports.phones
            suffix = ";transport=tls" if secure else ""
            route = Route(
                endpoint=phone.endpoint, hop=hop, uri=f"sip:600@127.0.0.1:{port}{suffix}",
                from_uri=f"sip:{user}@127.0.0.1", from_display=user, contact_user=user, headers=(), policy=policy,
                name="kit", trunk="", credentials=DigestClient(user, PASSWORD),
            )  # fmt: skip
            phone.over = asyncio.get_running_loop().create_future()
            phone.leg = await phone.native.place(route, phone)
            async with asyncio.timeout(PATIENCE_S):
                await phone.leg.answered()
            await phone.media(lambda media: media.voice is not None)
            made.sip_ears["secure" if secure else "phone"] = phone.listen()
            try:
                yield phone
            finally:
                await phone.leg.hang_up()
                if phone.ear is not None:
                    phone.ear.close()


async def _browser(stack: AsyncExitStack, made: Five) -> None:
    made.browser = Browser()
    stack.push_async_callback(made.browser.close)
    made.track = ToneTrack(BROWSER_HZ)
    offer = await made.browser.offer(tracks=(made.track,), direction="sendrecv")
    answer = await made.http.post("/talk/ops", content=offer, headers={"Content-Type": "application/sdp"})
    assert answer.status_code == 201, answer.text
    made.member = answer.headers["Fieldgate-Member"]
    await made.browser.answer(answer.content)
    await asyncio.wait_for(made.browser.connected.wait(), PATIENCE_S)
    made.track_ear = await stack.enter_async_context(hearing(made.browser.tracks["audio"]))
    made.ears["browser"] = made.track_ear.share


def sing(phone: Phone, hz: float, seconds: float = 10.0) -> None:
    """A tone into a phone's call."""
    assert phone.leg is not None
    assert phone.leg.media.voice is not None
    phone.engine.cue(phone.leg.media.voice, tone(hz, seconds), rate_hz=8000)
