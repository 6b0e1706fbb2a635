"""A kit and its center, both whole daemons on the real media plane, and a network between them that can be cut.

The kit has a simulated ball and two links; both links go through `Net`, a relay of datagrams in this process. They are
paired over their APIs, as people do it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
from aiortc.mediastreams import MediaStreamError

from adapters.uplink.adapter import Uplink
from adapters.webrtc.adapter import WebRtc
from gateway.cli.client import Client as Local
from gateway.config.load import load_config
from gateway.core.core import Core
from gateway.daemon import Daemon
from gateway.model.command import Action, Command, CommandResult
from gateway.model.ids import StreamId
from gateway.model.principal import SYSTEM, Principal, Role
from gateway.registry import Installed
from gateway.sim.ball import Ball
from gateway.sim.encoder import VideoSettings
from gateway.sim.faults import Faults
from gateway.sim.profile import Profile
from gateway.sim.report import silent
from tests.paths.uplink_net import Net
from tests.peers.stage import BALL, Ports
from tests.unit.webrtc.client import Client as Browser

PATIENCE_S = 30.0
OTTO = Principal("otto", Role.OPERATOR, "s-otto")
STREAM = "kit7/ball-1/ch1"
NUMBERS = itertools.count()
NO_BROKER = "[adapter.mqtt]\nenabled = false\n"
"""What comes, comes by the bundle; and no other test's broker is called by its usual port."""


async def until(what: str, true: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    try:
        async with asyncio.timeout(patience_s):
            while not (found := true()):  # noqa: ASYNC110  (what a figure shows has no event)
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{what}: it did not come about") from None
    return found


async def comes(what: str, ask: Callable[[], Awaitable[Any]], patience_s: float = PATIENCE_S) -> Any:
    """As `until`, of something that is awaited."""
    try:
        async with asyncio.timeout(patience_s):
            while not (found := await ask()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{what}: it did not come about") from None
    return found


@dataclass
class Gateway:
    """One daemon in this process; `stop` and `start` as a restart does."""

    place: Path
    text: str
    ports: Ports
    daemon: Daemon | None = None
    _stack: AsyncExitStack | None = None

    @property
    def core(self) -> Core:
        assert self.daemon is not None
        return self.daemon.core

    @property
    def state(self) -> Path:
        return self.place / "state"

    @property
    def uplink(self) -> Uplink:
        assert self.daemon is not None
        return cast(Uplink, self.daemon.attached.made["uplink"])

    @property
    def webrtc(self) -> WebRtc:
        assert self.daemon is not None
        return cast(WebRtc, self.daemon.attached.made["webrtc"])

    async def start(self) -> None:
        self.place.mkdir(parents=True, exist_ok=True)
        file = self.place / "fieldgate.toml"
        file.write_text(self.text)
        registry = Installed()
        found = load_config(file, registry)
        found = dataclasses.replace(found, gateway=found.gateway.model_copy(update={"state_dir": self.state}))
        self.daemon = Daemon(found, file, self.state, registry=registry)
        self._stack = AsyncExitStack()
        await self._stack.enter_async_context(self.daemon.started())
        await self.daemon.whole()

    async def stop(self) -> None:
        if self._stack is not None:
            stack, self._stack = self._stack, None
            await stack.aclose()

    async def restart(self, name: str) -> None:
        """One adapter anew, as when its configuration changed."""
        assert self.daemon is not None
        await self.daemon.attached.replace([name], [self.daemon.config.adapters[name]])

    async def local(self, method: str, path: str, body: Any = None) -> Any:
        """Over the local socket, as the machine's administrator."""
        client = Local(self.state)
        if method in ("get", "delete"):
            return await asyncio.to_thread(getattr(client, method), path)
        return await asyncio.to_thread(client.post, path, body)

    async def order(self, action: Action, target: str, **args: Any) -> CommandResult:
        deadline = self.core.clock.wall() + 10.0
        return await self.core.commands.execute(Command(f"o-{next(NUMBERS)}", OTTO, action, target, deadline, args))

    @asynccontextmanager
    async def person(self, role: str = "operator", name: str = "anna") -> AsyncIterator[httpx.AsyncClient]:
        """Somebody who is signed in over HTTPS."""
        code = await self.local("post", "/api/v1/auth/codes", {"role": role, "ttl_s": 600, "name": name})
        base = f"https://127.0.0.1:{self.ports.api}"
        async with httpx.AsyncClient(base_url=base, verify=False, timeout=20) as http:  # noqa: S501
            token = (await http.post("/api/v1/auth/code", json={"code": code["code"]})).json()["token"]
            http.headers["Authorization"] = f"Bearer {token}"
            yield http


@dataclass
class County:
    kit: Gateway
    center: Gateway
    net: Net
    ball: Ball
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def here(self) -> None:
        """The kit is at its center by its links, and its ball is in the flat directory."""
        fleet = lambda: self.center.core.fleet.kit(SYSTEM, "kit7")  # noqa: E731
        await until("the kit is here", lambda: "uplink" in fleet().ways)
        await until("its ball's picture is offered", self.offered)

    def offered(self) -> bool:
        return self.center.core.streams.has(StreamId(STREAM))

    def state(self) -> tuple[str, str]:
        """Of the ball's picture at the center, and why."""
        status = self.center.core.streams.status(StreamId(STREAM))
        return status.state.value, status.code

    @asynccontextmanager
    async def viewer(self, http: httpx.AsyncClient, stream: str = STREAM) -> AsyncIterator[Viewer]:
        client = Browser()
        try:
            answer = await http.post(
                f"/whep/{stream}", content=await client.offer("video"), headers={"Content-Type": "application/sdp"}
            )
            assert answer.status_code == 201, answer.text
            await client.answer(answer.content)
            viewer = Viewer(client, answer.headers["Location"])
            viewer.task = asyncio.create_task(viewer.look())
            try:
                yield viewer
            finally:
                viewer.task.cancel()
                await asyncio.gather(viewer.task, return_exceptions=True)
        finally:
            await client.close()


class Viewer:
    """Counts the pictures that it decoded."""

    def __init__(self, client: Browser, location: str) -> None:
        self.client = client
        self.location = location
        self.pictures = 0
        self.size = (0, 0)
        self.task: asyncio.Task[None]

    async def look(self) -> None:
        await self.client.connected.wait()
        with suppress(MediaStreamError):
            while True:
                frame = cast(Any, await self.client.tracks["video"].recv())
                self.pictures += 1
                self.size = (frame.width, frame.height)

    async def sees(self, more: int = 10, patience_s: float = PATIENCE_S) -> None:
        before = self.pictures
        await until(f"{more} new pictures", lambda: self.pictures >= before + more, patience_s)


@asynccontextmanager
async def county(
    place: Path,
    kit_ports: Ports,
    center_ports: Ports,
    *,
    kit: str = "fallback = false\n",
    center: str = "",
    links: int = 2,
    sip: str = "",
    more_kit: str = "",
    more_center: str = "",
) -> AsyncIterator[County]:
    """`kit`, `center`: lines of their `[adapter.uplink]`; `sip`: of the kit's `[adapter.sip]`; `more_…`: sections."""
    named = "".join(f'[[adapter.uplink.links]]\nname = "lte-{number + 1}"\n' for number in range(links))
    at_kit = (
        NO_BROKER
        + kit_ports.config().replace("0.0.0.0", "127.0.0.1")
        + sip
        + '[gateway]\nid = "kit7"\nname = "County 7"\n'
        + f"[adapter.uplink]\n{kit}{named}{more_kit}"
    )
    net = Net(center_ports.other)
    ball = Ball(
        Profile(
            server=("127.0.0.1", kit_ports.sip), device_id=BALL, password="", version="2022",
            faults=Faults.read(()), keepalive_s=5.0,
            video=VideoSettings(width=320, height=180, fps=10, bitrate=200_000),
        ),
        silent,
    )  # fmt: skip
    text = at_center("county", center_ports, center) + more_center
    made = County(Gateway(place / "kit", at_kit, kit_ports), Gateway(place / "center", text, center_ports), net, ball)
    async with AsyncExitStack() as stack:
        await net.open()
        stack.callback(net.close)
        stack.push_async_callback(made.center.stop)
        await made.center.start()
        stack.push_async_callback(made.kit.stop)
        await made.kit.start()
        await pair(made.kit, made.center, net)
        await _a_ball(made, stack)
        yield made


def at_center(name: str, ports: Ports, uplink: str = "") -> str:
    return (
        NO_BROKER
        + ports.config().replace("0.0.0.0", "127.0.0.1")
        + f'[gateway]\nid = "{name}"\nrole = "center"\nname = "The {name}"\n'
        + f'[adapter.uplink]\nlisten_udp = "127.0.0.1:{ports.other}"\n{uplink}'
    )


@asynccontextmanager
async def another_center(
    made: County, place: Path, name: str, ports: Ports, *, role: str = "operator", scope: str = ""
) -> AsyncIterator[Gateway]:
    """A second center that has the same kit, with what it may do there."""
    center, net = Gateway(place / name, at_center(name, ports), ports), Net(ports.other)
    async with AsyncExitStack() as stack:
        await net.open()
        stack.callback(net.close)
        stack.push_async_callback(center.stop)
        await center.start()
        await pair(made.kit, center, net, role=role, scope=scope)
        yield center


async def pair(kit: Gateway, center: Gateway, net: Net, *, role: str = "operator", scope: str = "") -> None:
    """As people do it; only that the kit calls by way of `net`."""
    offer = await kit.local("post", "/api/v1/pairing/offers", {"role": role, "scope": scope})
    admitted = await center.local(
        "post", "/api/v1/pairing/admit", {"code": offer["code"], "name": "County 7", "hosts": ["127.0.0.1"]}
    )
    await kit.local("post", "/api/v1/pairing/accept", {"answer": admitted["answer"]})
    (row,) = [row for row in kit.core.pairings.centers() if row.udp_port == center.ports.other]
    assert row.tcp_port == center.ports.api
    await kit.core.pairings.admit_center(dataclasses.replace(row, udp_port=net.port))


async def _a_ball(county: County, stack: AsyncExitStack) -> None:
    await county.kit.local("post", "/api/v1/devices", {"external_id": BALL, "id": "ball-1", "name": "Ball"})
    password = (county.kit.state / "kit-password").read_text().strip()
    county.ball.profile = dataclasses.replace(county.ball.profile, password=password)
    running = asyncio.create_task(county.ball.run())

    async def end() -> None:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    stack.push_async_callback(end)
