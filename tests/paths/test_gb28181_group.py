"""Talk groups with a ball's loudspeaker: the core, the adapter, the media plane and the simulated ball, all real."""

from __future__ import annotations

import asyncio
import math
import socket
from array import array
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from adapters.gb28181.config import Gb28181Config
from adapters.gb28181.session import Gb28181Access
from gateway import codecs
from gateway.base.clock import Clock
from gateway.config.root import Config
from gateway.config.talk import Talk as TalkConfig
from gateway.config.talk import TalkGroup
from gateway.config.units import HostPort
from gateway.contract.voice import Seat, SeatWish
from gateway.core.context import AdapterContext
from gateway.core.core import Core
from gateway.core.mediaplane import MediaPlane
from gateway.core.secrets import Secrets
from gateway.model.voice import GroupId, MemberKind, MemberState
from gateway.sim.ball import Ball
from gateway.sim.ear import goertzel
from gateway.sim.encoder import VideoSettings
from gateway.sim.faults import Faults
from gateway.sim.profile import Profile
from gateway.store.store import Store
from tests.paths.media_ports import media_ports
from tests.unit.gb28181.rig import free_port
from tests.unit.sim.platform import Told

BALL = "34020000001380000001"
MEMBER = "kit1/ball-1/ch1"
OPS, FIRE = GroupId("kit1/talk/ops"), GroupId("kit1/talk/fire")


def record(hz: int, number: int) -> bytes:
    """20 ms of a tone, as a voice of PCM takes it."""
    first = number * 160
    return array("h", [round(8000 * math.sin(math.tau * hz * n / 8000)) for n in range(first, first + 160)]).tobytes()


class Ears:
    """What a person hears, the last second of it, while it speaks or not."""

    def __init__(self) -> None:
        self.mouth_shut = False
        self.samples: deque[int] = deque(maxlen=8000)
        self.came = asyncio.Event()

    def hear(self, pcm: bytes) -> None:
        self.samples.extend(array("h", pcm))
        self.came.set()

    def peak(self, hz: int) -> float:
        """Size of the sine of `hz` in the last second."""
        return 2.0 * math.sqrt(goertzel(self.samples, hz)) / max(1, len(self.samples))

    async def until(self, true: Callable[[Ears], bool]) -> None:
        async with asyncio.timeout(20):
            while len(self.samples) < 8000 or not true(self):
                self.came.clear()
                await self.came.wait()

    async def afresh(self) -> None:
        """A whole second later."""
        self.samples.clear()
        await self.until(lambda _: True)


class Kit:
    def __init__(self, core: Core, told: Told, ball: Ball) -> None:
        self.core, self.told, self.ball = core, told, ball

    @asynccontextmanager
    async def person(
        self, group: str, name: str, hz: int, ears: Ears | None = None, *, converse: bool = False
    ) -> AsyncIterator[Seat]:
        """Somebody in a group (or in a conversation with a channel) whose voice is a tone, pressed or not."""
        engine = self.core.plane.engine
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        voice = engine.open_voice_pcm(theirs.detach(), rate_hz=8000)

        async def speak() -> None:
            loop, number = asyncio.get_running_loop(), 0
            due = loop.time()
            while True:
                with suppress(BlockingIOError):
                    ours.send(bytes(320) if ears is not None and ears.mouth_shut else record(hz, number))
                with suppress(BlockingIOError):
                    while heard := ours.recv(4096):
                        if ears is not None:
                            ears.hear(heard)
                number += 1
                due += 0.02
                await asyncio.sleep(max(0.0, due - loop.time()))

        speaking = asyncio.create_task(speak())
        try:
            wish = SeatWish(f"test:{name}", MemberKind.PHONE, name)
            talk = self.core.talk
            async with talk.converse(group, wish) if converse else talk.seat(GroupId(group), wish) as seat:
                seat.voice(voice)
                yield seat
                seat.voice(None)
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
            engine.close_voice(voice)
            ours.close()

    async def hears(self, hz: int) -> None:
        while (await self.told.event("hearing"))[1]["tone_hz"] != hz:
            pass

    async def member(self, group: GroupId, state: MemberState, code: str = "") -> None:
        """The loudspeaker stands so in the group."""
        async with asyncio.timeout(15):
            async for status in self.core.talk.changes(group):
                if any(m.id == MEMBER and m.state is state and m.code == code for m in status.members):
                    return


@asynccontextmanager
async def kit(tmp_path: Path, *faults: str) -> AsyncIterator[Kit]:
    group = TalkGroup(members=[MEMBER.removeprefix("kit1/")], hang=0.0)
    config = Config(talk=TalkConfig(group={"ops": group, "fire": group}))
    secrets = Secrets(tmp_path)
    store = Store(tmp_path, secrets.audit_key())
    with media_ports() as ports:
        plane = MediaPlane(codecs.Engine(threads=1), lambda: ports)
        plane.start()
        core = Core(lambda: config, tmp_path, store, secrets, plane, Clock())
        core.start()
        await core.devices.admit("gb28181", BALL, password="secret", slug="ball-1", by="test")
        ready = asyncio.Event()
        context = AdapterContext(
            "kit1",
            tmp_path,
            plane,
            core.streams,
            core.devices,
            core.reports,
            None,
            core.talk,
            core.calls,
            core.sources,
            core.reach,
            core.programs,
            core.push_points,
            core.grants,
            core.informants,
            core.fleet,
            core.home,
            core.outbox,
            core.inbox,
            core.meshes,
            core.links,
            core.standing,
            core.texts,
            ready.set,
        )
        settings = Gb28181Config(listen=HostPort("127.0.0.1", free_port()), invite_timeout=1.0)
        running = [asyncio.create_task(Gb28181Access(settings, context).run())]
        told = Told()
        chosen = Faults.read(faults)
        profile = Profile(
            server=settings.listen, device_id=BALL, password="secret", version="2022", faults=chosen, keepalive_s=1.0,
            video=VideoSettings(width=320, height=180, fps=10, bitrate=200_000),
        )  # fmt: skip
        ball = Ball(profile, told)
        try:
            async with asyncio.timeout(10):
                await ready.wait()
            running.append(asyncio.create_task(ball.run()))
            made = Kit(core, told, ball)
            await made.member(OPS, MemberState.IDLE)
            yield made
        finally:
            for task in reversed(running):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await core.quiesce()
            await core.close()
            plane.stop()


async def test_who_has_the_floor_is_heard_by_the_ball_and_two_groups_share_its_leg(tmp_path: Path) -> None:
    async with kit(tmp_path) as here, here.person(OPS, "anna", 1000) as anna, here.person(FIRE, "bert", 2000) as bert:
        anna.press()
        await here.hears(1000)
        await here.member(OPS, MemberState.UP)
        anna.release()
        await here.told.event("heard")
        bert.press()
        await here.hears(2000)
        await here.member(FIRE, MemberState.UP)
        assert here.ball.ear.tone_hz == 2000
        stats = await asyncio.to_thread(here.core.plane.engine.engine_stats)
        assert stats["sessions"] == 1, "one leg for both groups"


async def test_why_the_loudspeaker_is_silent_stands_beside_it(tmp_path: Path) -> None:
    async with kit(tmp_path, "broadcast-refused") as here, here.person(OPS, "anna", 1000) as anna:
        anna.press()
        await here.member(OPS, MemberState.WAITING, "broadcast-refused")


async def test_a_conversation_with_a_ball_that_echoes(tmp_path: Path) -> None:
    """Live picture and broadcast side by side: its site is heard, and what its loudspeaker says does not come back."""
    ears = Ears()
    async with kit(tmp_path, "echo=0.1") as here, here.person(MEMBER, "anna", 2000, ears, converse=True) as anna:
        ears.mouth_shut = True
        await ears.until(lambda e: e.peak(880) > 200)
        ears.mouth_shut = False
        anna.press()
        await here.hears(2000)
        await ears.afresh()
        assert ears.peak(2000) < 400, "unguarded it is 4000"
