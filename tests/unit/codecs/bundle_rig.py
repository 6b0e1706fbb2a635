"""Two engines in one process, a kit's and a center's, and ways between them that lose, delay, cut and rebind."""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway import codecs
from tests.unit.codecs.rig import PATIENCE_S, Rig, udp

LONG_S = 30.0
"""For what takes several round trips on a machine that does other things too."""


WAYS: list[Way] = []
"""Open ones; `two` ends them, before anything else takes their sockets away."""


def _quick() -> socket.socket:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    s.bind(("127.0.0.1", 0))
    s.setblocking(False)
    return s


class Way:
    """A UDP relay of its own thread between a kit's path and the door: one link with its faults."""

    def __init__(self, to: tuple[str, int], *, loss: float = 0.0, delay_s: float = 0.0, seed: int = 1) -> None:
        self.loss, self.delay_s, self.cut = loss, delay_s, False
        self.moved: list[tuple[str, int]] = []
        self.heard: list[tuple[bool, bytes]] = []
        """What came by, when somebody listens: (from the kit, datagram)."""
        self.listens = False
        self._to = to
        self._chance = random.Random(seed)
        self._near, self._far = _quick(), _quick()
        self._left: list[socket.socket] = []
        self._kit: tuple[str, int] | None = None
        self._wait: deque[tuple[float, bytes, bool]] = deque()
        self._wake_r, self._wake_w = os.pipe()
        self.carried = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        WAYS.append(self)

    @property
    def address(self) -> tuple[str, int]:
        """Where the kit is to send."""
        host, port = self._near.getsockname()
        return host, port

    def rebind(self) -> None:
        """The NAT forgets: what goes on comes from another port."""
        self._left.append(self._far)
        self._far = _quick()
        self._poke()

    def forge(self, data: bytes, *, to_center: bool) -> None:
        """A datagram of somebody on the way, from the address that the other end knows."""
        if to_center:
            self._far.sendto(data, self._to)
        elif self._kit is not None:
            self._near.sendto(data, self._kit)

    def close(self) -> None:
        WAYS.remove(self)
        os.close(self._wake_w)
        self._thread.join(LONG_S)
        for one in (self._near, self._far, *self._left):
            one.close()

    def _poke(self) -> None:
        os.write(self._wake_w, b"x")

    def _run(self) -> None:
        while True:
            until = max(self._wait[0][0] - time.monotonic(), 0) if self._wait else None
            near, far = self._near, self._far
            ready, _, _ = select.select([near, far, self._wake_r], [], [], until)
            if self._wake_r in ready and not os.read(self._wake_r, 100):
                os.close(self._wake_r)
                return
            for sock in (near, far):
                for _ in range(64 if sock in ready else 0):
                    try:
                        data, source = sock.recvfrom(65_536)
                    except OSError:
                        break
                    if sock is near:
                        self._kit = source
                    if self.listens:
                        self.heard.append((sock is near, data))
                    if not self.cut and self._chance.random() >= self.loss:
                        self._wait.append((time.monotonic() + self.delay_s, data, sock is near))
            while self._wait and self._wait[0][0] <= time.monotonic():
                _, data, outward = self._wait.popleft()
                self.carried += 1
                with contextlib.suppress(OSError):
                    if outward:
                        self._far.sendto(data, self._to)
                    elif self._kit is not None:
                        near.sendto(data, self._kit)


@dataclass
class Center:
    rig: Rig
    private: bytes = field(default_factory=lambda: codecs.bundle_keys()[0])
    port: int = 0
    door: int = 0

    def __post_init__(self) -> None:
        self.listen()

    @property
    def public(self) -> bytes:
        return codecs.bundle_keys(self.private)[1]

    def listen(self) -> None:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("127.0.0.1", self.port))
        self.port = s.getsockname()[1]
        self.door = self.rig.engine.bundle_listen(s.detach(), private=self.private)

    def admit(self, *kits: Kit) -> None:
        self.rig.engine.bundle_admit(self.door, [(kit.public, kit.name) for kit in kits])

    def up(self) -> codecs.BundleEvent:
        return told(self.rig, "up", lambda e: e.door == self.door)


@dataclass
class Kit:
    rig: Rig
    center: Center
    name: str = "kit-1"
    private: bytes = field(default_factory=lambda: codecs.bundle_keys()[0])
    boot: int = 1
    bundle: int = 0
    ways: dict[str, Way] = field(default_factory=dict)

    @property
    def public(self) -> bytes:
        return codecs.bundle_keys(self.private)[1]

    def dial(self) -> int:
        self.bundle = self.rig.engine.bundle_dial(
            private=self.private, peer=self.center.public, gateway=self.name, boot=self.boot
        )
        return self.bundle

    def path(
        self, name: str, number: int, *, loss: float = 0.0, delay_s: float = 0.0, barred: Sequence[str] = ()
    ) -> Way:
        way = Way(("127.0.0.1", self.center.port), loss=loss, delay_s=delay_s, seed=number + 1)
        self.ways[name] = way
        host, port = way.address
        self.rig.engine.bundle_path(
            self.bundle, udp().detach(), host, port, path=number, name=name, kind="udp", barred=list(barred)
        )
        return way

    def direct(self, name: str = "lan", number: int = 0) -> None:
        """A path without anything between."""
        self.rig.engine.bundle_path(
            self.bundle, udp().detach(), "127.0.0.1", self.center.port, path=number, name=name, kind="udp"
        )


def told(
    rig: Rig,
    kind: str,
    where: Callable[[codecs.BundleEvent], bool] = lambda e: True,
    patience_s: float = LONG_S,
) -> codecs.BundleEvent:
    return rig.wait(codecs.BundleEvent, lambda e: e.kind == kind and where(e), patience_s)


@dataclass
class Pair:
    """A kit and a center that have found each other."""

    kit: Kit
    center: Center
    near: int
    """The bundle at the kit."""
    far: int
    """At the center."""

    def ends(self) -> tuple[codecs.Engine, codecs.Engine]:
        return self.kit.rig.engine, self.center.rig.engine

    def stream(self, purpose: str = "test") -> tuple[socket.socket, socket.socket]:
        """A reliable stream's ends: the kit's, the center's."""
        here, ours = socket.socketpair()
        there, theirs = socket.socketpair()
        number = self.kit.rig.engine.bundle_stream(self.near, ours.detach(), purpose=purpose)
        event = told(self.center.rig, "stream", lambda e: e.number == number)
        assert event.name == purpose and event.bundle == self.far
        assert self.center.rig.engine.bundle_stream(self.far, theirs.detach(), stream=number) == number
        for s in (here, there):
            s.settimeout(LONG_S)
        return here, there

    def flow(
        self, number: int, carries: str, *, klass: str = "video", mode: str = "best", playout_ms: int = 200
    ) -> tuple[socket.socket, socket.socket]:
        """A flow's ends, kit to center: what to write to, what to read from."""
        kind = socket.SOCK_SEQPACKET if carries == "frames" else socket.SOCK_DGRAM
        here, ours = socket.socketpair(socket.AF_UNIX, kind)
        there, theirs = socket.socketpair(socket.AF_UNIX, kind)
        self.kit.rig.engine.bundle_flow(
            self.near,
            number,
            ours.detach(),
            carries=carries,
            way="out",
            klass=klass,
            mode=mode,
            playout_ms=playout_ms,  # type: ignore[arg-type]
        )
        event = told(self.center.rig, "flow", lambda e: e.number == number)
        assert event.name == f"{klass} {mode} {playout_ms}"
        self.center.rig.engine.bundle_flow(self.far, number, theirs.detach(), carries=carries, way="in")  # type: ignore[arg-type]
        for s in (here, there):
            s.settimeout(LONG_S)
        return here, there


@contextlib.contextmanager
def two(threads: int = 1) -> Iterator[tuple[Rig, Rig]]:
    """The engines of a kit and of a center. With one media thread bundles live in it."""
    kit, center = Rig(threads), Rig(threads)
    try:
        yield kit, center
    finally:
        kit.engine.close()
        center.engine.close()
        while WAYS:
            WAYS[-1].close()


def paired(kit_rig: Rig, center_rig: Rig, connect: Callable[[Kit], object]) -> Pair:
    center = Center(center_rig)
    kit = Kit(kit_rig, center)
    center.admit(kit)
    near = kit.dial()
    connect(kit)
    far = center.up()
    here = told(kit_rig, "up")
    assert (far.name, far.key, far.number) == (kit.name, kit.public, kit.boot)
    assert (here.bundle, here.key) == (near, center.public)
    return Pair(kit, center, near, far.bundle)


def figures(engine: codecs.Engine, bundle: int) -> dict[str, int | float | str]:
    return engine.bundle_stats(bundle)


def until(holds: Callable[[], bool], patience_s: float = LONG_S) -> None:
    """Ask until it holds: for figures, that nothing tells of."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


__all__ = ["LONG_S", "PATIENCE_S", "Center", "Kit", "Pair", "Way", "figures", "paired", "told", "two", "until"]
