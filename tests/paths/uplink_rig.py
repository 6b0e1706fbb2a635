"""A kit and its center, both whole daemons on the real media plane, and a network between them that can be cut.

The kit has a simulated ball and two links; both links go through `Net`, a relay of datagrams in this process. They are
paired over their APIs, as people do it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
from aiortc.mediastreams import MediaStreamError

from adapters.uplink.adapter import Uplink
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
from tests.peers.stage import BALL, Ports
from tests.unit.webrtc.client import Client as Browser

PATIENCE_S = 30.0
OTTO = Principal("otto", Role.OPERATOR, "s-otto")
STREAM = "kit7/ball-1/ch1"
NUMBERS = itertools.count()


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


class Net(asyncio.DatagramProtocol):
    """Datagrams between kits and a center. `cut` loses all of them, `dead` those of the first so many links."""

    def __init__(self, center: int) -> None:
        self._center = center
        self._ways: dict[tuple[str, int], socket.socket] = {}
        self._here: asyncio.DatagramTransport | None = None
        self.cut = False
        self.dead = 0
        self.carried = 0

    @property
    def port(self) -> int:
        assert self._here is not None
        return int(self._here.get_extra_info("sockname")[1])

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        here, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self._here = here
        raw = here.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    def close(self) -> None:
        if self._here is not None:
            self._here.close()
        loop = asyncio.get_running_loop()
        for way in self._ways.values():
            loop.remove_reader(way)
            way.close()
        self._ways.clear()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        way = self._ways.get(addr)
        if way is None:
            way = self._ways[addr] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            way.setblocking(False)
            way.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            way.connect(("127.0.0.1", self._center))
            asyncio.get_running_loop().add_reader(way, self._back, addr, way)
        if not self._lost(addr):
            self.carried += len(data)
            with suppress(OSError):
                way.send(data)

    def _back(self, addr: tuple[str, int], way: socket.socket) -> None:
        with suppress(OSError):
            while True:
                data = way.recv(65_536)
                if not self._lost(addr) and self._here is not None:
                    self._here.sendto(data, addr)

    def _lost(self, addr: tuple[str, int]) -> bool:
        return self.cut or list(self._ways).index(addr) < self.dead


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
        return cast(Uplink, self.daemon._made["uplink"])

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

    async def stop(self) -> None:
        if self._stack is not None:
            stack, self._stack = self._stack, None
            await stack.aclose()

    async def local(self, method: str, path: str, body: Any = None) -> Any:
        """Over the local socket, as the machine's administrator."""
        client = Local(self.state)
        if method == "get":
            return await asyncio.to_thread(client.get, path)
        return await asyncio.to_thread(client.post, path, body)

    async def order(self, action: Action, target: str, **args: Any) -> CommandResult:
        deadline = self.core.clock.wall() + 10.0
        return await self.core.commands.execute(Command(f"o-{next(NUMBERS)}", OTTO, action, target, deadline, args))

    @asynccontextmanager
    async def person(self, role: str = "operator") -> AsyncIterator[httpx.AsyncClient]:
        """Somebody who is signed in over HTTPS."""
        code = await self.local("post", "/api/v1/auth/codes", {"role": role, "ttl_s": 600, "name": "anna"})
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
) -> AsyncIterator[County]:
    named = "".join(f'[[adapter.uplink.links]]\nname = "lte-{number + 1}"\n' for number in range(links))
    at_kit = (
        kit_ports.config().replace("0.0.0.0", "127.0.0.1")
        + '[gateway]\nid = "kit7"\nname = "County 7"\n'
        + f"[adapter.uplink]\n{kit}{named}"
    )
    at_center = (
        center_ports.config().replace("0.0.0.0", "127.0.0.1")
        + '[gateway]\nid = "county"\nrole = "center"\nname = "The county"\n'
        + f'[adapter.uplink]\nlisten_udp = "127.0.0.1:{center_ports.other}"\n{center}'
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
    made = County(
        Gateway(place / "kit", at_kit, kit_ports), Gateway(place / "center", at_center, center_ports), net, ball
    )
    async with AsyncExitStack() as stack:
        await net.open()
        stack.callback(net.close)
        stack.push_async_callback(made.center.stop)
        await made.center.start()
        stack.push_async_callback(made.kit.stop)
        await made.kit.start()
        await _paired(made)
        await _a_ball(made, stack)
        yield made


async def _paired(county: County) -> None:
    """As people do it; only that the kit calls by way of `net`."""
    offer = await county.kit.local("post", "/api/v1/pairing/offers", {"role": "operator"})
    admitted = await county.center.local(
        "post", "/api/v1/pairing/admit", {"code": offer["code"], "name": "County 7", "hosts": ["127.0.0.1"]}
    )
    await county.kit.local("post", "/api/v1/pairing/accept", {"answer": admitted["answer"]})
    (center,) = county.kit.core.pairings.centers()
    assert center.udp_port == county.center.ports.other and center.tcp_port == county.center.ports.api
    await county.kit.core.pairings.admit_center(dataclasses.replace(center, udp_port=county.net.port))


async def _a_ball(county: County, stack: AsyncExitStack) -> None:
    await county.kit.local("post", "/api/v1/devices", {"external_id": BALL, "id": "ball-1", "name": "Ball"})
    password = (county.kit.state / "kit-password").read_text().strip()
    county.ball.profile = dataclasses.replace(county.ball.profile, password=password)
    running = asyncio.create_task(county.ball.run())

    async def end() -> None:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    stack.push_async_callback(end)
