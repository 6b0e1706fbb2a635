"""A door on real sockets: its limits, who is remembered as refused, and ports that are taken."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway import codecs
from gateway.base.errors import ConfigError, Denied, LinkDown
from gateway.config.units import HostPort
from gateway.model.doctor import Grade
from gateway.net import door as door_module
from gateway.net.door import REMEMBERED, Door, ports_free

ANY = HostPort("127.0.0.1", 0)


@dataclass
class Limits:
    listen: HostPort | None = ANY
    listen_tls: HostPort | None = None
    connections: int = 4
    connections_per_address: int = 3


class House:
    """Without a certificate; no media is sent here."""

    def __init__(self) -> None:
        self.is_ready = asyncio.Event()
        self.told: asyncio.Queue[list[str]] = asyncio.Queue()
        self.engine = codecs.Engine()

    @property
    def media(self) -> House:
        return self

    def kit_tls(self) -> None:
        return None

    def ready(self) -> None:
        self.is_ready.set()

    def lacking(self, *problems: ConfigError) -> None:
        self.told.put_nowait([one.code for one in problems])


class Guest:
    """Told what to do by the first byte that comes."""

    def __init__(self, address: str, scheme: str) -> None:
        self.address = address
        self.scheme = scheme
        self.role = ""

    async def serve(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self.role = {b"p": "publish", b"": "gone"}.get(await loop.sock_recv(sock, 1), "play")
        if self.role == "play":
            raise Denied("no", code="program-password")
        await loop.sock_recv(sock, 1)
        raise LinkDown("it left")


@asynccontextmanager
async def a_door(limits: Limits, house: House | None = None) -> AsyncIterator[Door]:
    house = house or House()
    door = Door("xyz", limits, house, Guest)
    run = asyncio.create_task(door.run())
    ready = asyncio.create_task(house.is_ready.wait())
    try:
        await asyncio.wait({run, ready}, return_when=asyncio.FIRST_COMPLETED)
        if run.done():
            run.result()
        yield door
    finally:
        run.cancel()
        ready.cancel()
        await asyncio.gather(run, ready, return_exceptions=True)
        house.engine.close()


async def until(door: Door, **figures: int) -> None:
    async with asyncio.timeout(60):
        while not figures.items() <= door.figures().items():  # noqa: ASYNC110  (a door tells nobody of its figures)
            await asyncio.sleep(0.01)


class Street:
    """Those who knock; closed with it."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.stack = ExitStack()

    async def knock(self, host: str) -> socket.socket:
        sock = self.stack.enter_context(socket.socket())
        sock.bind((host, 0))
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.door.ports["xyz"]))
        return sock

    async def said(self, sock: socket.socket) -> bytes:
        async with asyncio.timeout(20):
            return await asyncio.get_running_loop().sock_recv(sock, 1)


async def test_limits_by_address_and_in_all() -> None:
    async with a_door(Limits()) as door:
        street = Street(door)
        with street.stack:
            first, *_ = [await street.knock("127.0.0.1") for _ in range(3)]
            await until(door, connections=3)
            assert await street.said(await street.knock("127.0.0.1")) == b""
            await street.knock("127.0.0.2")
            await until(door, connections=4, refused=1)
            assert await street.said(await street.knock("127.0.0.3")) == b""
            await until(door, connections=4, refused=2)
            first.send(b"p")
            await until(door, publishers=1)
            first.close()
            await until(door, connections=3, publishers=0)
            # A place that became free is had again.
            await street.knock("127.0.0.1")
            await until(door, connections=4, refused=2)
            assert door.refusals() == []
    assert door.ports == {} and door.count() == 0


async def test_many_at_once_are_counted_before_any_of_them_is_served() -> None:
    """As an accept loop does that finds several waiting: none of their tasks has run when the next comes."""
    async with a_door(Limits(connections=50)) as door:
        pairs = [socket.socketpair() for _ in range(8)]
        try:
            for at, (ours, _) in enumerate(pairs):
                ours.setblocking(False)
                door._take(ours, f"2001:db8:0:1::{at:x}", "xyz", tls=False)
            assert (door.count(), door.refused) == (3, 5), "one host of IPv6 has its /64"
            assert [ours.fileno() >= 0 for ours, _ in pairs] == [True] * 3 + [False] * 5
        finally:
            for _, theirs in pairs:
                theirs.close()
        await until(door, connections=0)
        assert not door._by_place


async def test_one_that_came_as_the_door_was_shut_leaves_nothing() -> None:
    async with a_door(Limits()) as door:
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            door._take(ours, "127.0.0.1", "xyz", tls=False)
            await door._nest.close()
            await until(door, connections=0)
            assert ours.fileno() < 0 and not door._by_place


async def test_the_latest_refusal_of_each_is_remembered() -> None:
    async with a_door(Limits()) as door:
        street = Street(door)
        with street.stack:
            for at in [*range(1, REMEMBERED + 3), 5]:
                guest = await street.knock(f"127.0.1.{at}")
                guest.send(b"x")
                assert await street.said(guest) == b""
                await until(door, connections=0)
        found = door.refusals()
        assert [address for address, _, _ in found] == [f"127.0.1.{at}" for at in (5, 10, 9, 8, 7, 6, 4, 3)]
        assert {exc.code for _, _, exc in found} == {"program-password"}


async def test_ports_that_are_taken_and_tls_without_a_certificate() -> None:
    async with a_door(Limits()) as door:
        taken = Limits(HostPort("127.0.0.1", door.ports["xyz"]), ANY)
        assert [(one.check, one.grade, one.code) for one in ports_free("xyz", taken)] == [
            ("xyz.listen", Grade.FAIL, "port-in-use"),
            ("xyz.listen_tls", Grade.OK, ""),
        ]


async def test_one_port_that_is_taken_shuts_no_other_and_is_had_when_it_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door_module, "PORT_AGAIN_S", 0.01)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        house = House()
        async with a_door(Limits(HostPort("127.0.0.1", port), ANY), house) as door, asyncio.timeout(20):
            assert await house.told.get() == ["port-in-use", "tls-failed"] and not door.ports
            house.kit_tls = lambda: object()  # type: ignore[method-assign, assignment, return-value]
            assert await house.told.get() == ["port-in-use"]
            assert list(door.ports) == ["xyzs"], "the other one is open"
            holder.close()
            assert await house.told.get() == [] and door.ports["xyz"] == port
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            await until(door, connections=1)
            writer.close()
