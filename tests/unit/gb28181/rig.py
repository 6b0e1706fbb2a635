"""The adapter on loopback with the core's side faked, and scripted devices at it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.gb28181.config import Gb28181Config
from adapters.gb28181.session import Gb28181Access
from gateway.base.clock import Clock
from gateway.config.units import HostPort
from gateway.contract.media import Offer
from gateway.model.device import DeviceState
from tests.unit.gb28181.fakes import FakeAttached, FakeContext, FakePublication
from tests.unit.gb28181.scripted import BALL, HOST, ScriptedDevice

DEVICE = "kit1/ball-1"
STREAM = "kit1/ball-1/ch1"


def free_port() -> int:
    """One that is free for UDP and TCP now."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind((HOST, 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return int(tcp.getsockname()[1])


class Rig:
    def __init__(self, context: FakeContext, config: Gb28181Config) -> None:
        self.context = context
        self.config = config
        self.clock: Clock | None = None
        self.devices: list[ScriptedDevice] = []
        self.opened: list[asyncio.Task[None]] = []
        self.adapter: Gb28181Access | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.context.is_ready.clear()
        self.adapter = Gb28181Access(self.config, self.context, clock=self.clock)
        self._running = asyncio.create_task(self.adapter.run())
        ready = asyncio.create_task(self.context.is_ready.wait())
        async with asyncio.timeout(5):
            await asyncio.wait({ready, self._running}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            await self._running

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def restart(self) -> None:
        """As after a crash: what the device was remembered by is all that is kept."""
        remembered = {e: self.context.devices.attached[a.id].remembered for e, a in self.context.devices.known.items()}
        await self.stop()
        fresh = FakeContext(self.context.state_dir)
        for external, admitted in self.context.devices.known.items():
            fresh.devices.admit(external, admitted.name, admitted.password, remembered[external])
        self.context = fresh
        await self.start()

    @property
    def attached(self) -> FakeAttached:
        return self.context.devices.attached[next(iter(self.context.devices.attached))]

    async def device(self, *, tcp: bool = False, **script: Any) -> ScriptedDevice:
        made = ScriptedDevice(self.config.listen, **script)
        self.devices.append(made)
        return await made.open(tcp=tcp)

    async def online(self, *, tcp: bool = False, **script: Any) -> ScriptedDevice:
        """An admitted device, registered, its catalogue read."""
        if BALL not in self.context.devices.known:
            self.context.devices.admit(BALL)
        made = await self.device(tcp=tcp, **script)
        assert (await made.register()).status == 200
        await self.attached.until(lambda a: a.reports)
        return made

    async def until_state(self, state: DeviceState, code: str | None = None) -> None:
        await self.attached.until(
            lambda a: a.states and a.states[-1][0] is state and (code is None or a.states[-1][1] == code)
        )

    async def watch(self) -> tuple[FakePublication, asyncio.Task[None]]:
        """Open the first channel's picture as the core does."""
        offer = await self.context.streams.offered(STREAM)
        return self.run_open(offer)

    def run_open(self, offer: Offer) -> tuple[FakePublication, asyncio.Task[None]]:
        publication = FakePublication(offer.id)

        async def run() -> None:
            await offer.open(publication)  # type: ignore[arg-type]

        task = asyncio.create_task(run())
        self.opened.append(task)
        return publication, task

    async def close(self) -> None:
        for task in self.opened:
            task.cancel()
        await asyncio.gather(*self.opened, return_exceptions=True)
        await self.stop()
        for device in self.devices:
            await device.close()


async def soon(true: Callable[[], object], changed: asyncio.Event, timeout: float = 5.0) -> None:
    async with asyncio.timeout(timeout):
        while not true():
            changed.clear()
            await changed.wait()


@asynccontextmanager
async def rigged(tmp_path: Path, *, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Rig]:
    config = Gb28181Config(
        **{  # type: ignore[arg-type]
            "listen": HostPort(HOST, free_port()),
            "first_media": 0.4,
            "invite_timeout": 2.0,
            "query_timeout": 1.0,
            "catalog_quiet": 0.3,
            **settings,
        },
    )
    rig = Rig(FakeContext(tmp_path), config)
    rig.clock = clock
    try:
        await rig.start()
        yield rig
    finally:
        await rig.close()
