"""Link bundles in memory: half of `FakeEngine`. A `FakeNet` joins the engines of kits and of their center.

Streams and flows are carried between the sockets that were handed in, by tasks of the test's loop; `cut` stops them and
says so as paths do, `mend` lets them go on. Who is admitted is asked as the real door asks.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gateway import codecs

if TYPE_CHECKING:
    from tests.fakes.engine import FakeEngine


def public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


@dataclass(eq=False)
class FakeBundle:
    """One side."""

    engine: FakeEngine
    handle: int
    given: dict[str, Any]
    door: int = 0
    peer: FakeBundle | None = None
    paths: dict[int, str] = field(default_factory=dict)
    streams: dict[int, socket.socket] = field(default_factory=dict)
    flows: dict[int, socket.socket] = field(default_factory=dict)  # those that go out
    wanted_keys: list[int] = field(default_factory=list)
    closed_flows: list[tuple[int, str]] = field(default_factory=list)
    opened: dict[int, dict[str, Any]] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    stats: dict[str, int | float | str] = field(default_factory=dict)
    next_stream: int = 0

    def tell(self, kind: str, **more: Any) -> None:
        if not self.engine.closed:
            self.engine.tell(codecs.BundleEvent(bundle=self.handle, door=self.door, kind=kind, **more))  # type: ignore[arg-type]


class FakeNet:
    """All engines of one test."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.doors: dict[bytes, tuple[FakeEngine, int]] = {}
        self.kits: dict[str, FakeBundle] = {}
        self.open = asyncio.Event()
        self.open.set()
        self.upped = 0
        self.differ = ("", "")
        """Kit and center are of two formats: what each side is told of it."""

    def dial(self, side: FakeBundle) -> None:
        self.kits[side.given["gateway"]] = side
        self.loop.call_soon(self.connect, side.given["gateway"])

    def connect(self, gateway: str) -> bool:
        """The handshake, if there is a door and it lets the kit in; a path carries at once."""
        side = self.kits[gateway]
        engine, door = self.doors.get(side.given["peer"], (None, 0))
        if engine is None or side.peer is not None or side.handle not in side.engine.bundles:
            return False
        key = public(side.given["private"])
        if engine.admitted.get(door, {}).get(key) != gateway:
            code = "revoked" if key in engine.revoked.get(door, ()) else "unknown-key"
            side.tell("refused", code=code)
            engine.tell(
                codecs.BundleEvent(bundle=0, door=door, kind="refused", code=code, name=gateway, key=key, number=1)
            )
            return False
        if all(self.differ):
            code, (ours, theirs) = "bundle-version", self.differ
            side.tell("refused", code=code, detail=ours)
            told = codecs.BundleEvent(
                bundle=0, door=door, kind="refused", code=code, name=gateway, key=key, number=1, detail=theirs
            )
            engine.tell(told)
            return False
        far = FakeBundle(engine, engine._handle("bundle_in", gateway=gateway), {}, door)
        engine.bundles[far.handle] = far
        side.peer, far.peer = far, side
        self.upped += 1
        far.tell("up", key=key, name=gateway, number=side.given["boot"], host="192.0.2.7", host_port=40_000)
        side.tell("up", key=side.given["peer"])
        for one in (side, far):
            for number, name in (side.paths or {0: "lte-1"}).items():
                one.tell("path", name=name, number=number, host="192.0.2.7")
        return True

    def cut(self) -> None:
        self.open.clear()
        self._paths("link-silent")

    def path(self, name: str, code: str) -> None:
        """One path carries no more; what is under way goes by the others."""
        for number, known in (named for side in self.kits.values() for named in side.paths.items()):
            if known == name:
                for one in (end for side in self.kits.values() for end in (side, side.peer) if end is not None):
                    one.tell("path", name=name, number=number, code=code)

    def mend(self) -> None:
        self.open.set()
        self._paths("")

    def _paths(self, code: str) -> None:
        for side in self.kits.values():
            for one in (side, side.peer):
                if one is not None:
                    for number, name in (side.paths or {0: "lte-1"}).items():
                        one.tell("path", name=name, number=number, code=code)

    def down(self, gateway: str, code: str, *, detail: str = "") -> None:
        """The session is over at both ends."""
        side = self.kits[gateway]
        for one in (side.peer, side):
            if one is not None:
                end(one)
                one.tell("down", code=code, detail=detail)
        if side.peer is not None:
            side.peer.engine.bundles.pop(side.peer.handle, None)
            side.peer = None

    def join(self, one: socket.socket, other: socket.socket, side: FakeBundle, *, both: bool) -> None:
        def begin() -> None:
            for a, b in ((one, other), (other, one)) if both else ((one, other),):
                task = self.loop.create_task(self._carry(a, b))
                side.tasks.add(task)
                task.add_done_callback(side.tasks.discard)

        self.loop.call_soon_threadsafe(begin)

    async def _carry(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := await self.loop.sock_recv(one, 65_536):
                await self.open.wait()
                await self.loop.sock_sendall(other, data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def end(side: FakeBundle) -> None:
    for task in side.tasks:
        task.cancel()
    for sock in (*side.streams.values(), *side.flows.values()):
        sock.close()
    side.streams.clear()
    side.flows.clear()


def _held(fd: int) -> socket.socket:
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    return sock


class FakeBundles:
    """`_note`, `_handle` and `tell` are FakeEngine's. `net` is set by the test."""

    def __init__(self) -> None:
        self.net: FakeNet | None = None
        self.bundles: dict[int, FakeBundle] = {}
        self.admitted: dict[int, dict[bytes, str]] = {}
        self.revoked: dict[int, set[bytes]] = {}

    def bundle_dial(self, **given: Any) -> int:
        handle = self._handle("bundle_dial", **given)
        side = self.bundles[handle] = FakeBundle(self, handle, given)  # type: ignore[arg-type]
        assert self.net is not None
        self.net.dial(side)
        return handle

    def bundle_listen(self, fd: int, *, private: bytes) -> int:
        os.close(fd)
        door = self._handle("bundle_listen")
        assert self.net is not None
        self.net.doors[public(private)] = (self, door)  # type: ignore[assignment]
        return door

    def bundle_admit(self, door: int, peers: list[tuple[bytes, str]]) -> None:
        gone = self.admitted.get(door, {}).keys() | self.revoked.get(door, set())
        self.admitted[door] = dict(peers)
        self.revoked[door] = gone - self.admitted[door].keys()
        assert self.net is not None
        for gateway, side in list(self.net.kits.items()):
            key = public(side.given["private"])
            if side.peer is not None and side.peer.door == door and self.admitted[door].get(key) != gateway:
                self.net.down(gateway, "revoked")

    def bundle_accept_tcp(self, door: int, fd: int, *, initial: bytes | None = None, host: str = "") -> None:
        os.close(fd)
        self._note("bundle_accept_tcp", door=door, initial=initial, host=host)

    def bundle_path(self, bundle: int, fd: int, host: str, port: int, **given: Any) -> None:
        os.close(fd)
        self._note("bundle_path", bundle=bundle, host=host, port=port, **given)
        side = self.bundles.get(bundle)
        if side is not None:
            side.paths[given["path"]] = given["name"]
            assert self.net is not None
            self.net.loop.call_soon(self.net.connect, side.given["gateway"])

    def bundle_drop_path(self, bundle: int, path: int) -> None:
        if (side := self.bundles.get(bundle)) is not None:
            side.paths.pop(path, None)

    def bundle_stream(self, bundle: int, fd: int, *, purpose: str = "", stream: int = 0) -> int:
        sock = _held(fd)
        side = self.bundles.get(bundle)
        if side is None or side.peer is None:
            sock.close()
            raise codecs.MediaError("the bundle is not up")
        if stream:
            far = side.peer.streams[stream]
            side.streams[stream] = sock
            assert self.net is not None
            self.net.join(sock, far, side, both=True)
            return stream
        # Numbers of the two sides are apart, as odd and even.
        side.next_stream += 2
        number = side.next_stream + (1 if side.door else 0)
        side.streams[number] = sock
        side.peer.tell("stream", number=number, name=purpose)
        return number

    def bundle_flow(self, bundle: int, flow: int, fd: int, *, carries: str, way: str, **given: Any) -> None:
        sock = _held(fd)
        side = self.bundles.get(bundle)
        if side is None or side.peer is None:
            sock.close()
            raise codecs.MediaError("the bundle is not up")
        self._note("bundle_flow", bundle=bundle, flow=flow, carries=carries, way=way, **given)
        if way == "out":
            side.flows[flow] = sock
            side.opened[flow] = {"carries": carries, **given}
            side.peer.tell(
                "flow", number=flow, name=f"{given.get('klass')} {given.get('mode')} {given.get('playout_ms')}"
            )
        else:
            far = side.peer.flows.get(flow)
            assert self.net is not None
            if far is not None:
                self.net.join(far, sock, side, both=False)
            side.streams[-flow] = sock

    def bundle_close_flow(self, bundle: int, flow: int, *, way: str = "out") -> None:
        if (side := self.bundles.get(bundle)) is None:
            return
        side.closed_flows.append((flow, way))
        if way == "in" and (sock := side.streams.pop(-flow, None)) is not None:
            sock.close()
        if way == "out" and (sock := side.flows.pop(flow, None)) is not None:
            sock.close()
            if side.peer is not None:
                side.peer.tell("flow-closed", name="in", number=flow)

    def bundle_join(self, bundle: int, flow: int, handle: int, *, way: str) -> None:
        self._note("bundle_join", bundle=bundle, flow=flow, handle=handle, way=way)

    def bundle_want_key(self, bundle: int, flow: int) -> None:
        self.bundles[bundle].wanted_keys.append(flow)

    def bundle_stats(self, handle: int) -> dict[str, int | float | str]:
        if (side := self.bundles.get(handle)) is None:
            raise codecs.MediaError("it is gone")
        assert self.net is not None
        state = "in" if side.peer is not None and self.net.open.is_set() else "out"
        figures = {"state": state, "rtt_ms": 35.0, "loss": 0.01, "usable_bps": 4e6, "bytes_in": 1000, "bytes_out": 2000}
        names = (side.paths or {0: "lte-1"}).values()
        paths = {f"path.{name}.{key}": value for name in names for key, value in figures.items()}
        whole = {"state": "up", "usable_bps": 8_000_000, "wanted_bps": 1_000_000, "units_given_up": 0}
        return {**whole, **paths, **side.stats}

    def bundle_close(self, handle: int) -> None:
        assert self.net is not None
        for key, (engine, door) in list(self.net.doors.items()):
            if engine is self and door == handle:
                del self.net.doors[key]
                for gateway, kit in self.net.kits.items():
                    if kit.peer is not None and kit.peer.engine is self:
                        self.net.down(gateway, "peer-closed")
        side = self.bundles.pop(handle, None)
        if side is None:
            return
        peer, side.peer = side.peer, None
        end(side)
        if peer is not None:
            peer.peer = None
            end(peer)
            peer.tell("down", code="peer-closed")

    if TYPE_CHECKING:

        def _handle(self, order: str, **given: Any) -> int: ...
        def _note(self, order: str, **given: Any) -> None: ...
        def tell(self, event: Any) -> None: ...


@contextmanager
def a_net() -> Iterator[FakeNet]:
    net = FakeNet()
    try:
        yield net
    finally:
        for side in net.kits.values():
            end(side)
            if side.peer is not None:
                end(side.peer)
