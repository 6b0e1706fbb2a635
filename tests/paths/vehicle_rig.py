"""A simulated vehicle at the adapter, with the real media plane behind it."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.jt808.adapter import Jt808
from adapters.jt808.config import Jt808Config
from gateway import codecs
from gateway.config.units import HostPort
from gateway.core.mediaplane import MediaPlane
from gateway.core.publication import Attempt
from gateway.model.ids import StreamId
from gateway.model.voice import VoiceId
from gateway.sim.encoder import VideoSettings
from gateway.sim.vehicle import Vehicle, VehicleProfile
from tests.paths.media_ports import media_ports
from tests.unit.gb28181.fakes import FakeAttached, FakeContext
from tests.unit.gb28181.voice_fakes import FakeLine

PHONE = "13800138000"
STREAM = "kit1/bus-1/ch1"
PATIENCE_S = 20.0


class Platform:
    """The adapter while it runs, the core's side faked but for the media."""

    def __init__(self, context: FakeContext, plane: MediaPlane, adapter: Jt808) -> None:
        self.context = context
        self.plane = plane
        self.adapter = adapter

    @property
    def attached(self) -> FakeAttached:
        return self.context.devices.attached[next(iter(self.context.devices.attached))]

    def vehicle(self, *faults: str, **given: Any) -> Vehicle:
        profile = VehicleProfile(
            server=("127.0.0.1", self.adapter.bound.port),
            phone=PHONE,
            **{
                "channels": 1,
                "video": VideoSettings(width=320, height=180, fps=10, bitrate=200_000),
                "every_s": 0.5,
                "retry_s": 0.2,
                "faults": frozenset(faults),
                **given,
            },
        )
        return Vehicle(profile, lambda event, who, words: None)

    @asynccontextmanager
    async def online(self, *faults: str, **given: Any) -> AsyncIterator[Vehicle]:
        """Admitted, and its line authenticated."""
        if PHONE not in self.context.devices.known:
            self.context.devices.admit(PHONE, "bus-1")
        vehicle = self.vehicle(*faults, **given)
        async with driving(vehicle):
            async with asyncio.timeout(PATIENCE_S):
                await vehicle.online.wait()
            yield vehicle

    @asynccontextmanager
    async def watching(self, stream: str = STREAM) -> AsyncIterator[Watching]:
        """Open the picture, as the core does."""
        offer = await self.context.streams.offered(stream, PATIENCE_S)
        handle = self.plane.engine.open_stream("test")
        here = Watching(self.plane, handle)
        self.plane.on_stream(handle, here.hear)
        attempt = Attempt(
            self.plane,
            StreamId(stream),
            handle,
            stall_s=2.0,
            patience_s=2.0,
            said=lambda code, detail: None,
            told=lambda event: None,
        )

        async def run() -> None:
            await offer.open(attempt)

        here.task = asyncio.create_task(run())
        try:
            yield here
        finally:
            here.task.cancel()
            await asyncio.gather(here.task, return_exceptions=True)
            await attempt.close()
            self.plane.engine.close_stream(handle)


class Watching:
    """A stream that is being opened: its tracks and its frames."""

    task: asyncio.Task[None]

    def __init__(self, plane: MediaPlane, handle: int) -> None:
        self._plane = plane
        self._handle = handle
        self.tracks: dict[str, codecs.TrackEvent] = {}
        self._changed = asyncio.Event()

    def hear(self, event: object) -> None:
        if isinstance(event, codecs.TrackEvent):
            self.tracks[event.kind] = event
            self._changed.set()

    async def both(self) -> None:
        """Picture and sound are known."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.tracks) < 2:
                self._changed.clear()
                waiting = asyncio.create_task(self._changed.wait())
                await asyncio.wait({waiting, self.task}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if self.task.done():
                    await self.task

    async def frames(self, count: int) -> None:
        await soon(lambda: int(self._plane.engine.stream_stats(self._handle)["frames"]) >= count)


class Seat(FakeLine):
    """A seat of a talk group that says a tone to whoever listens."""

    def __init__(self, plane: MediaPlane) -> None:
        super().__init__(STREAM)
        self._plane = plane

    def voice(self, handle: int | None) -> None:
        super().voice(handle)
        if handle is not None:
            self._plane.on_voice(handle, lambda event: [hear(event) for hear in self.listeners])
            self._plane.engine.cue(handle, tone())

    @asynccontextmanager
    async def open(self, platform: Platform) -> AsyncIterator[asyncio.Task[None]]:
        await platform.context.talk.until(lambda t: VoiceId(STREAM) in t.offers, PATIENCE_S)
        offer = platform.context.talk.offers[VoiceId(STREAM)]

        async def run() -> None:
            await offer.open(self)  # type: ignore[arg-type]

        task = asyncio.create_task(run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def tone(hz: int = 1000, seconds: float = 8.0) -> bytes:
    return array(
        "h", [round(8000 * math.sin(math.tau * hz * n / 8000)) for n in range(round(8000 * seconds))]
    ).tobytes()


@asynccontextmanager
async def driving(vehicle: Vehicle) -> AsyncIterator[None]:
    running = asyncio.create_task(vehicle.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def soon(true: Callable[[], object]) -> None:
    """For what no event tells: a figure of the media plane, what the simulator heard."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110  (nothing tells it)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def platform(tmp_path: Path, **settings: Any) -> AsyncIterator[Platform]:
    engine = codecs.Engine(threads=1)
    with media_ports() as ports:
        plane = MediaPlane(engine, lambda: ports)
        plane.start()
        context = FakeContext(tmp_path)
        context.media = plane  # type: ignore[assignment]
        config = Jt808Config(
            **{  # type: ignore[arg-type]
                "listen": HostPort("127.0.0.1", 0),
                "media": HostPort("127.0.0.1", 0),
                "answer": 3.0,
                "dial_in": 3.0,
                **settings,
            }
        )
        adapter = Jt808(config, context)  # type: ignore[arg-type]
        running = asyncio.create_task(adapter.run())
        try:
            async with asyncio.timeout(5):
                await context.is_ready.wait()
            yield Platform(context, plane, adapter)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            plane.stop()
