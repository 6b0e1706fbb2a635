"""The simulated ball is talked to through the adapter and the real media plane: what it hears, and why it does not."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.gb28181 import voicecall
from gateway import codecs
from gateway.base.errors import GatewayError
from gateway.core.mediaplane import MediaPlane
from gateway.model.voice import VoiceId
from gateway.sim.ball import Ball
from gateway.sim.encoder import VideoSettings
from gateway.sim.faults import Faults
from gateway.sim.profile import Profile
from tests.paths.media_ports import media_ports
from tests.paths.test_gb28181_ball import BALL, Site
from tests.unit.gb28181.rig import STREAM, rigged
from tests.unit.gb28181.voice_fakes import FakeLine
from tests.unit.sim.platform import Told

TONE_HZ = 1000


def tone(seconds: float = 5.0) -> bytes:
    """1 kHz, 8 kHz 16 bit."""
    return array(
        "h", [round(8000 * math.sin(math.tau * TONE_HZ * n / 8000)) for n in range(round(8000 * seconds))]
    ).tobytes()


class Line(FakeLine):
    """A seat whose events come from the real plane, and that says a tone to whoever listens."""

    def __init__(self, member: str, plane: MediaPlane) -> None:
        super().__init__(member)
        self._plane = plane
        self.media = asyncio.Event()

    def voice(self, handle: int | None) -> None:
        super().voice(handle)
        if handle is not None:
            self._plane.on_voice(handle, self._hear)
            self._plane.engine.cue(handle, tone())

    def _hear(self, event: codecs.VoiceEvent) -> None:
        if event.state == "media":
            self.media.set()
        for listener in self.listeners:
            listener(event)


class Horn(Site):
    """A ball with its report, and its loudspeaker to be opened."""

    told: Told

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[tuple[Line, asyncio.Task[None]]]:
        await self.rig.context.talk.until(lambda t: VoiceId(STREAM) in t.offers, 20)
        line = Line(STREAM, self.plane)
        offer = self.rig.context.talk.offers[VoiceId(STREAM)]

        async def run() -> None:
            await offer.open(line)  # type: ignore[arg-type]

        task = asyncio.create_task(run())
        try:
            yield line, task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def hears(self, task: asyncio.Task[None]) -> None:
        """The ball says that it hears the tone."""
        said = asyncio.create_task(self.told.event("hearing"))
        await asyncio.wait({said, task}, return_when=asyncio.FIRST_COMPLETED, timeout=15)
        if not said.done():
            said.cancel()
            assert task.done(), "neither heard nor over"
            await task
        assert said.result()[1]["tone_hz"] == TONE_HZ


@asynccontextmanager
async def horn(
    tmp_path: Path, *faults: str, talk: str = "udp", version: str = "2022", transport: str = "udp", **settings: Any
) -> AsyncIterator[Horn]:
    engine = codecs.Engine(threads=1)
    with media_ports() as ports:
        plane = MediaPlane(engine, lambda: ports)
        plane.start()
        try:
            async with rigged(tmp_path, **{"first_media": 4.0, "invite_timeout": 3.0, **settings}) as rig:
                rig.context.media = plane  # type: ignore[assignment]
                rig.context.devices.admit(BALL)
                chosen = Faults.read(faults)
                profile = Profile(
                    server=rig.config.listen,
                    device_id=BALL,
                    password="secret",
                    transport=transport,
                    version=version,
                    talk=talk,
                    video=chosen.settings(VideoSettings(width=320, height=180, fps=10, bitrate=200_000)),
                    keepalive_s=1.0,
                    faults=chosen,
                )
                told = Told()
                ball = Ball(profile, told)
                running = asyncio.create_task(ball.run())
                try:
                    here = Horn(rig, plane, ball)
                    here.told = told
                    yield here
                finally:
                    running.cancel()
                    await asyncio.gather(running, return_exceptions=True)
        finally:
            plane.stop()


@pytest.mark.parametrize("talk", ["udp", "tcp", "tcp-listen"])
async def test_a_broadcast_is_heard(tmp_path: Path, talk: str) -> None:
    async with horn(tmp_path, talk=talk) as here, here.talking() as (line, task):
        await here.hears(task)
        handle = line.handles[-1]
        assert handle is not None
        stats = await asyncio.to_thread(here.plane.engine.voice_stats, handle)
        assert stats["codec_out"] == "pcma" and int(stats["sent_packets"]) > 0
        task.cancel()
        _, data = await here.told.event("talk-over")
        assert data["strange"] == 0 and line.handles[-1] is None


async def test_signalling_over_tcp(tmp_path: Path) -> None:
    async with horn(tmp_path, transport="tcp") as here, here.talking() as (_, task):
        await here.hears(task)


async def test_heard_while_its_picture_runs(tmp_path: Path) -> None:
    """Duplex is the live picture, whose sound is its microphone, beside the broadcast."""
    async with horn(tmp_path) as here, here.watching() as watched, here.talking() as (_, task):
        await here.picture(watched)
        await here.hears(task)
        assert not watched.done()


@pytest.mark.parametrize(
    ("fault", "talk"),
    [
        ("talk-pcmu", "udp"),
        ("talk-no-ssrc", "udp"),
        ("talk-ids-swapped", "udp"),
        ("talk-other-port", "udp"),
        ("talk-dials-early", "tcp"),
        ("talk-bye-once", "udp"),
        ("talk-bye-once", "tcp"),
    ],
)
async def test_habits_that_are_lived_with(tmp_path: Path, fault: str, talk: str) -> None:
    async with horn(tmp_path, fault, talk=talk) as here, here.talking() as (_, task):
        await here.hears(task)
        if fault == "talk-bye-once":  # what ended the first attempt must not end the second
            await here.told.event("heard")
        if fault == "talk-dials-early":
            assert not task.done()


async def test_dialled_early_sound_comes_before_the_ack(tmp_path: Path) -> None:
    async with horn(tmp_path, "talk-dials-early", talk="tcp") as here, here.talking():
        assert (await here.told.event("early"))[0] == "sound came before our ACK"


@pytest.mark.parametrize(
    ("fault", "talk", "code"),
    [
        ("broadcast-refused", "udp", "broadcast-refused"),
        ("broadcast-silent", "udp", "broadcast-no-invite"),
        ("broadcast-late=2.5", "udp", "broadcast-no-invite"),
        ("talk-busy", "udp", "device-busy"),
        ("talk-bye", "udp", "talk-dropped"),
        ("talk-no-ack", "udp", "broadcast-no-ack"),
        ("tcp-refuses", "tcp", "talk-no-connection"),
    ],
)
async def test_why_it_is_not_heard(tmp_path: Path, fault: str, talk: str, code: str) -> None:
    devices = {BALL: {"talk_target": "output"}}
    site = horn(tmp_path, fault, talk=talk, invite_timeout=1.0, devices=devices)
    async with site as here, here.talking() as (line, task):
        with pytest.raises(GatewayError) as caught:
            async with asyncio.timeout(15):
                await task
        assert caught.value.code == code
        assert not line.handles or line.handles[-1] is None


async def test_talk_of_2016_where_the_broadcast_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voicecall, "STANDS_S", 0.5)
    async with horn(tmp_path, "broadcast-refused", version="2016") as here:
        async with here.talking() as (line, task):
            await here.hears(task)
            await here.rig.attached.until(lambda a: '"talk":"talk:channel:tcp-passive' in a.remembered)
            async with asyncio.timeout(10):
                await line.media.wait()  # its microphone comes in by the same leg
        await here.told.event("talk-over")


@pytest.mark.parametrize("media", ["tcp-passive", "udp"])
async def test_talk_by_the_technicians_word(tmp_path: Path, media: str) -> None:
    faults = ("tcp-refuses",) if media == "udp" else ()
    devices = {BALL: {"talk": "talk"}}
    site = horn(tmp_path, *faults, version="2016", invite_timeout=1.5, devices=devices)
    async with site as here, here.talking() as (_, task):
        await here.hears(task)


async def test_nothing_is_left(tmp_path: Path) -> None:
    """Twenty broadcasts after one another, ended by either side: no voice, session or port stays."""
    async with horn(tmp_path) as here:
        for _ in range(20):
            async with here.talking() as (_, task):
                await here.hears(task)
            await here.told.event("talk-over")
        stats = await asyncio.to_thread(here.plane.engine.engine_stats)
        assert stats["sessions"] == 0
        assert here.plane.engine.voice_clock()["voices"] == 0
