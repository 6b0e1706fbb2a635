"""A kit and its center, each a whole core over a media plane in memory, joined by a bundle in memory."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from adapters.uplink.adapter import Uplink
from adapters.uplink.config import Link, UplinkConfig
from gateway import codecs
from gateway.api.mounts import Mounts
from gateway.base.clock import Clock
from gateway.config.root import Config, Gateway
from gateway.contract.device import ChannelReport
from gateway.contract.media import Offer, Publication
from gateway.core.context import AdapterContext, context_of
from gateway.core.core import Core
from gateway.core.mediaplane import MediaPlane
from gateway.core.secrets import Secrets
from gateway.model.command import Action, Command, CommandResult
from gateway.model.device import Capabilities, DeviceState
from gateway.model.ids import DeviceId, StreamId
from gateway.model.pairing import PairedCenter, PairedKit
from gateway.model.principal import Principal, Role
from gateway.store.store import Store
from tests.fakes.bundle import FakeNet, a_net
from tests.fakes.device import FakeHandler
from tests.fakes.engine import FakeEngine

PATIENCE_S = 60.0
NUMBERS = itertools.count()
OTTO = Principal("otto", Role.OPERATOR, "s-otto", address="10.0.0.5")
VERA = Principal("vera", Role.VIEWER, "s-vera")
FRONT = StreamId("kit7/ball-1/ch1")


async def until(what: str, true: Callable[[], Any]) -> None:
    """Looks again and again; ends with what was waited for where it does not come."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what} did not come about") from None


@dataclass
class Side:
    """One gateway."""

    core: Core
    engine: FakeEngine
    context: AdapterContext
    folder: Path
    adapter: Uplink | None = None
    task: asyncio.Task[None] | None = None

    async def start(self, **config: Any) -> None:
        config = {"links": [Link(name="lte-1")], "fallback": False, "thumbnails": "600s"} | config
        self.adapter = Uplink(UplinkConfig.model_validate(config), self.context)
        self.task = asyncio.create_task(self.adapter.run())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.task = None

    async def order(self, action: Action, target: str, who: Principal = OTTO, **args: Any) -> CommandResult:
        deadline = Clock().wall() + 10.0
        return await self.core.commands.execute(Command(f"o-{next(NUMBERS)}", who, action, target, deadline, args))


@dataclass
class Pair:
    kit: Side
    center: Side
    net: FakeNet
    ball: FakeHandler = field(default_factory=FakeHandler)
    opened: list[Publication] = field(default_factory=list)

    async def a_ball(self) -> None:
        """A ball at the kit, online, with one picture."""
        kit = self.kit
        await kit.core.devices.admit("gb28181", "34020000001320000001", name="ball-1", by="tina")
        device = DeviceId("kit7/ball-1")
        hold = kit.core.devices.attach(device, self.ball)
        hold.state(DeviceState.ONLINE)
        hold.channels([ChannelReport("34020000001320000001", "Front", capabilities=Capabilities(ptz=True))])

        async def open_(publication: Publication) -> None:
            self.opened.append(publication)
            leg = publication.rtp(None)
            await leg.ended()

        kit.core.streams.offer(Offer(FRONT, device, "Front", open_))

    async def here(self) -> None:
        """The kit is at its center, and has told what it has."""
        await until("the kit is here", lambda: self.center.core.fleet.kit(VERA, "kit7").ways == ("uplink",))

    def kit_live(self) -> None:
        """The ball's picture flows at the kit."""
        leg = self.kit.engine.newest_leg(FRONT)
        self.kit.engine.media(leg)
        self.kit.engine.track(self.kit.engine.legs[leg])


@asynccontextmanager
async def a_side(folder: Path, gateway: str, role: str, net: FakeNet) -> AsyncIterator[Side]:
    folder.mkdir(parents=True, exist_ok=True)
    config = Config(gateway=Gateway(id=gateway, name=gateway.title(), role=role))  # type: ignore[arg-type]
    secrets = Secrets(folder)
    store = Store(folder, secrets.audit_key())
    engine = FakeEngine()
    engine.net = net
    plane = MediaPlane(cast(codecs.Engine, engine), lambda: config.media.rtp_ports)
    core = Core(lambda: config, folder, store, secrets, plane, Clock())
    core.start()
    context = context_of(core, gateway, folder, Mounts())
    side = Side(core, engine, context, folder)
    try:
        yield side
    finally:
        await side.stop()
        await core.quiesce()
        await core.close()


async def pair(kit: Side, center: Side, **more: Any) -> None:
    await center.core.pairings.admit_kit(PairedKit("kit7", kit.core.pairings.public_key(), "County 7"))
    row = PairedCenter("county", center.core.pairings.public_key(), "County", ("127.0.0.1",), **more)
    await kit.core.pairings.admit_center(row)


@asynccontextmanager
async def a_pair(
    folder: Path, *, kit: dict[str, Any] | None = None, center: dict[str, Any] | None = None, **rights: Any
) -> AsyncIterator[Pair]:
    """Paired, running, and with a ball; not yet met: `here` waits for that."""
    with a_net() as net:
        async with (
            a_side(folder / "kit", "kit7", "edge", net) as one,
            a_side(folder / "center", "county", "center", net) as other,
        ):
            made = Pair(one, other, net)
            await made.a_ball()
            await pair(one, other, **rights)
            await other.start(**({"listen_udp": "127.0.0.1:0"} | (center or {})))
            await until("the door is open", lambda: net.doors)
            await one.start(**(kit or {}))
            yield made


Checks = Callable[[Pair], Awaitable[None]]
