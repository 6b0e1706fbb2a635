"""SIP calls on the whole gateway: a video phone sees a ball and is seen, a person takes a call and places one."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

from adapters.sip.engine import NO_VIDEO, VideoWish
from adapters.sip.routing import MediaPolicy, Route
from gateway.base.log import LogSetup
from gateway.cli.client import Client as Local
from gateway.config.load import load_config
from gateway.core.core import Core
from gateway.daemon import Daemon
from gateway.model.command import Action, Command, CommandResult
from gateway.model.ids import StreamId
from gateway.model.media import StreamState
from gateway.model.principal import SYSTEM
from gateway.model.voice import CallState, CallStatus
from gateway.net.sip import Listen, SipEndpoint
from gateway.registry import Installed
from gateway.sim.ball import Ball
from gateway.sim.encoder import VideoSettings
from gateway.sim.faults import Faults
from gateway.sim.profile import Profile
from gateway.sim.report import silent
from gateway.wire.digest import DigestClient
from gateway.wire.sip import Hop
from tests.paths.sip_pictures import decoded, received, sent
from tests.paths.sip_rig import Phone, a_plane
from tests.paths.sip_sound import PATIENCE_S
from tests.peers.stage import BALL, Ports, ports

PASSWORD = "correct horse battery"
BALL_STREAM = StreamId("kit1/ball-1/ch1")


class House:
    def __init__(self, core: Core, at: Ports, phone: Phone) -> None:
        self.core = core
        self.ports = at
        self.phone = phone

    async def call(self, number: str, video: VideoWish = NO_VIDEO) -> None:
        phone = self.phone
        route = Route(
            endpoint=phone.endpoint,
            hop=Hop("udp", ("127.0.0.1", phone.port), ("127.0.0.1", self.ports.phones)),
            uri=f"sip:{number}@127.0.0.1:{self.ports.phones}",
            from_uri="sip:8101@127.0.0.1",
            from_display="",
            contact_user="8101",
            headers=(),
            policy=phone.policy,
            name="kit",
            trunk="",
            credentials=DigestClient("8101", PASSWORD),
        )
        phone.leg = await phone.native.place(route, phone, video)
        async with asyncio.timeout(PATIENCE_S):
            await phone.leg.answered()

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110  (asked of several lists at once)
                await asyncio.sleep(0.02)

    async def order(self, action: Action, target: str) -> CommandResult:
        return await self.core.commands.execute(Command(uuid4().hex, SYSTEM, action, target, time.time() + 10))

    def calls(self) -> list[CallStatus]:
        return list(self.core.calls.list(SYSTEM))


@asynccontextmanager
async def house(place: Path) -> AsyncIterator[House]:
    with ports() as at:
        file = place / "kit.toml"
        file.write_text(
            at.config().replace("0.0.0.0", "127.0.0.1")
            + f"""
[gateway]
id = "kit1"
[adapter.sip.numbers]
700 = "ball-1/ch1"
0 = "console"
[adapter.sip.users.8101]
password = "{PASSWORD}"
calls = ["groups", "channels", "console", "users"]
"""
        )
        registry = Installed()
        found = load_config(file, registry)
        state = place / "state"
        found = dataclasses.replace(found, gateway=found.gateway.model_copy(update={"state_dir": state}))
        logs = LogSetup("warning", "text")
        try:
            async with AsyncExitStack() as stack:
                daemon = Daemon(found, file, state, registry=registry)
                await stack.enter_async_context(daemon.started())
                plane = await stack.enter_async_context(a_plane())
                phone = Phone(plane, "8101", MediaPolicy(srtp="sdes", audio=("pcma",)))
                phone.endpoint = await stack.enter_async_context(SipEndpoint([Listen("udp", "127.0.0.1", 0)]))
                phone.endpoint.on_call(phone.on_call)
                made = House(daemon.core, at, phone)
                local = Local(state)
                await asyncio.to_thread(
                    local.post, "/api/v1/devices", {"external_id": BALL, "id": "ball-1", "name": "Ball"}
                )
                profile = Profile(
                    server=("127.0.0.1", at.sip),
                    device_id=BALL,
                    password=(state / "kit-password").read_text().strip(),
                    version="2022",
                    faults=Faults.read(()),
                    keepalive_s=5.0,
                    video=VideoSettings(width=320, height=240, fps=15, bitrate=300_000),
                )
                ball = asyncio.create_task(Ball(profile, silent).run())

                async def end() -> None:
                    ball.cancel()
                    await asyncio.gather(ball, return_exceptions=True)

                stack.push_async_callback(end)
                await made.until(lambda: daemon.core.streams.has(BALL_STREAM))
                try:
                    yield made
                finally:
                    if phone.leg is not None:
                        await phone.leg.hang_up()
        finally:
            logs.stop()


async def test_a_video_phone_dials_a_ball_sees_it_and_is_seen(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        await it.call("700", VideoWish(send=True, receive=True))
        async with received(it.phone) as stream, sent(it.phone):
            assert await decoded(it.phone.engine, stream) == (320, 240)
            (call,) = it.calls()
            assert (call.state, call.video, call.secure) == (CallState.UP, "h264", "sdes")
            mine = StreamId(f"kit1/{call.id}/ch1")
            await it.until(lambda: it.core.streams.status(mine).state is StreamState.LIVE)
            assert it.core.streams.status(mine).title == "8101"
        assert it.phone.leg is not None
        await it.phone.leg.hang_up()
        await it.until(lambda: it.calls()[0].state is CallState.ENDED)
        await it.until(lambda: not it.core.streams.has(mine))


async def test_a_person_takes_a_call_that_rings_and_hangs_it_up(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        placing = asyncio.create_task(it.call("0"))
        await it.until(lambda: any(call.state is CallState.RINGING_IN for call in it.calls()))
        (call,) = it.calls()
        result = await it.order(Action.CALL_ANSWER, call.id)
        assert str(result.data["group"]).startswith("kit1/talk/"), result
        await placing
        await it.until(lambda: it.calls()[0].state is CallState.UP)
        await it.order(Action.CALL_HANG_UP, call.id)
        assert (await it.phone.ended()).code == "peer-hung-up"
