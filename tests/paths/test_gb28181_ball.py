"""The simulated ball at the adapter, with the real media plane behind it: signalling and media meet.

The ball is another's work (`gateway.sim`): it shares the SIP core with us, not the understanding of GB/T 28181.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway import codecs
from gateway.core.mediaplane import MediaPlane
from gateway.core.publication import Attempt
from gateway.model.device import DeviceState
from gateway.model.ids import StreamId
from gateway.sim.ball import Ball
from gateway.sim.encoder import VideoSettings
from gateway.sim.faults import Faults
from gateway.sim.profile import Profile
from gateway.sim.report import silent
from tests.paths.media_ports import media_ports
from tests.unit.gb28181.rig import STREAM, Rig, rigged

BALL = "34020000001380000001"


class Site:
    """A rig whose media is real, and one ball."""

    def __init__(self, rig: Rig, plane: MediaPlane, ball: Ball) -> None:
        self.rig = rig
        self.plane = plane
        self.ball = ball
        self.codec = ""
        self.tracked = asyncio.Event()

    def _heard(self, event: object) -> None:
        if isinstance(event, codecs.TrackEvent) and event.kind == "video":
            self.codec = event.codec
            self.tracked.set()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[asyncio.Task[None]]:
        """Open the picture, as the core does; the task is the offer's `open`."""
        offer = await self.rig.context.streams.offered(STREAM)
        handle = self.plane.engine.open_stream("test")
        self.plane.on_stream(handle, self._heard)
        attempt = Attempt(
            self.plane,
            StreamId(STREAM),
            handle,
            stall_s=2.0,
            patience_s=2.0,
            said=lambda code, detail: None,
            told=lambda event: None,
        )

        async def run() -> None:
            await offer.open(attempt)

        task = asyncio.create_task(run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await attempt.close()
            self.plane.engine.close_stream(handle)

    async def picture(self, task: asyncio.Task[None]) -> None:
        """A video track is known: packets came, were put together, and hold a parameter set."""
        waiting = asyncio.create_task(self.tracked.wait())
        await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED, timeout=15)
        waiting.cancel()
        if not self.tracked.is_set():
            assert task.done(), "neither picture nor end"
            await task
        assert self.codec == "h264"

    async def remembered(self, media: str) -> None:
        """The transport that carried it is kept."""
        await self.rig.attached.until(lambda a: f'"media":"{media}"' in a.remembered)


@asynccontextmanager
async def site(tmp_path: Path, *faults: str, transport: str = "udp", **settings: Any) -> AsyncIterator[Site]:
    engine = codecs.Engine(threads=1)
    with media_ports() as ports:
        plane = MediaPlane(engine, lambda: ports)
        plane.start()
        try:
            async with rigged(tmp_path, **{"first_media": 4.0, **settings}) as rig:
                rig.context.media = plane  # type: ignore[assignment]
                rig.context.devices.admit(BALL)
                profile = Profile(
                    server=rig.config.listen,
                    device_id=BALL,
                    password="secret",
                    transport=transport,
                    version="2022",
                    video=Faults.read(faults).settings(VideoSettings(width=320, height=180, fps=10, bitrate=200_000)),
                    keepalive_s=1.0,
                    faults=Faults.read(faults),
                )
                ball = Ball(profile, silent)
                running = asyncio.create_task(ball.run())
                try:
                    await rig.attached.until(lambda a: a.reports or a.states[-1][0] is DeviceState.DEGRADED, 20)
                    yield Site(rig, plane, ball)
                finally:
                    running.cancel()
                    await asyncio.gather(running, return_exceptions=True)
        finally:
            plane.stop()


@pytest.mark.parametrize("media", ["udp", "tcp-passive", "tcp-active"])
async def test_every_transport_carries_the_picture(tmp_path: Path, media: str) -> None:
    async with site(tmp_path, media_ladder=(media,)) as here, here.watching() as task:
        await here.picture(task)
        await here.remembered(media)
        assert here.rig.attached.described["version"] == "2022"


async def test_signalling_over_tcp(tmp_path: Path) -> None:
    async with site(tmp_path, transport="tcp") as here, here.watching() as task:
        await here.picture(task)
        assert '"transport":"tcp"' in here.rig.attached.remembered


@pytest.mark.parametrize(
    ("fault", "worked"),
    [
        ("udp-only", "tcp-passive"),  # we offered TCP, it sent UDP: both sockets listen
        ("tcp-refuses", "udp"),
        ("port-zero", "tcp-passive"),
        ("unroutable-c", "tcp-passive"),
        ("no-ssrc", "tcp-passive"),
        ("other-ssrc", "tcp-passive"),
        ("silent-ssrc", "tcp-passive"),
        ("garbage-sip", "tcp-passive"),
        ("xml-lies", "tcp-passive"),
    ],
)
async def test_habits_of_devices(tmp_path: Path, fault: str, worked: str) -> None:
    patience = 1.0 if worked == "udp" else 4.0
    async with site(tmp_path, fault, first_media=patience) as here, here.watching() as task:
        await here.picture(task)
        await here.remembered(worked)


@pytest.mark.parametrize("fault", ["catalog-repeat", "catalog-count-wrong"])
async def test_catalogues_that_lie(tmp_path: Path, fault: str) -> None:
    async with site(tmp_path, fault) as here:
        await here.rig.context.streams.offered(STREAM)
        await here.rig.attached.until(lambda a: True in a.complete)
        assert len(here.rig.attached.reports) == 1


async def test_a_catalogue_whose_first_page_never_comes(tmp_path: Path) -> None:
    """That page holds the only camera: the directory says what is missing instead of showing a device without any."""
    async with site(tmp_path, "catalog-lost") as here:
        await here.rig.until_state(DeviceState.DEGRADED, "catalog-incomplete")
        assert here.rig.attached.reports == {}


async def test_the_buttons_of_the_field(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        here.ball.press_alarm()
        alarm = await asyncio.wait_for(here.rig.context.messages.alarms.get(), 5)
        assert alarm.kind != "live-offered"
        here.ball.press_upload()
        notice = await asyncio.wait_for(here.rig.context.messages.alarms.get(), 5)
        assert notice.kind == "live-offered"
        assert not here.rig.context.streams.offers[StreamId(STREAM)].on_demand


async def test_new_ports_all_at_once(tmp_path: Path) -> None:
    """NAT forgot it: signalling is found again within one keepalive, and it stays on line all the while."""
    async with site(tmp_path, "nat-rebind=1") as here:
        first = here.rig.attached.addresses[-1]
        await here.rig.attached.until(lambda a: a.addresses[-1] != first, 10)
        assert here.rig.attached.states[-1][0] is DeviceState.ONLINE
        async with here.watching() as task:
            await here.picture(task)
