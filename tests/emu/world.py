"""Network namespaces with links between them. Nothing has a name that others could have too, or that outlives the
processes: namespaces live as long as a child that waits for the end of its standard input, devices as long as the
link's process, so a world whose maker is killed is gone with it."""

from __future__ import annotations

import ctypes
import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.emu.link import Link, Shape
from tests.emu.program import Unable, able, linkemu

CENTER_ADDRESS = "198.51.100.1"
CLONE_NEWNET = 0x40000000
MTU = 1400
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET) < 0:
        raise OSError(ctypes.get_errno(), "setns")


@dataclass
class Node:
    """A network namespace, and what was started in it."""

    name: str
    namespace: str
    links: dict[str, Link] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    running: list[subprocess.Popen[Any]] = field(default_factory=list)

    def command(self, *words: str | Path) -> list[str]:
        """For whoever starts processes in a way of their own. It dies with the *thread* that starts it."""
        return [linkemu(), "in", self.namespace, *(str(word) for word in words)]

    def start(self, *words: str | Path, **more: Any) -> subprocess.Popen[Any]:
        process = subprocess.Popen(self.command(*words), **more)
        self.running.append(process)
        return process

    def run(self, *words: str | Path) -> str:
        """To the end; its output. Raises Unable with its own words when it fails."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False, timeout=30)
        if done.returncode:
            raise Unable(f"{self.name}: {' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.stdout

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread stands in the namespace: sockets made now stay there. Nothing may be awaited inside."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        wanted = os.open(self.namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(wanted)
            try:
                yield
            finally:
                _setns(before)
        finally:
            os.close(before)
            os.close(wanted)

    def set_sysctl(self, key: str, value: object) -> None:
        """A `net.` key of this namespace; raises OSError where /proc/sys can't be written."""
        with self.entered():
            Path("/proc/sys", *key.split(".")).write_text(str(value))


class World:
    """`with World() as world: world.link("lteA", …)`: a kit and a center by default, nothing between them.

    The center's address is CENTER_ADDRESS on every link; the kit has one address a link (`kit.addresses["lteA"]`) and a
    default route over each, the first link first. With NAT (the default) the center sees a public address instead.
    """

    def __init__(self, *kits: str, here: bool = False) -> None:
        """`here`: the center stands in this process's own namespace, so that a person's browser reaches it; its
        address and those of the kits' NAT are a part of 198.18.0.0/15 (RFC 2544) that nothing here uses yet."""
        able()
        self._kits = kits or ("kit",)
        self._here = here
        self.center_address, self._public = CENTER_ADDRESS, "203.0.113"
        self._stack = ExitStack()
        self.nodes: dict[str, Node] = {}
        self._links = 0

    def __enter__(self) -> World:
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fg-emu-")))
            for name in self._kits:
                self.nodes[name] = stack.enter_context(_held(name))
            if self._here:
                self.nodes["center"] = Node("center", f"/proc/{os.getpid()}/ns/net")
                self._public = _free_block(self.center)
                self.center_address = f"{self._public}.1"
            else:
                self.nodes["center"] = stack.enter_context(_held("center"))
                self.center.run("ip", "address", "add", f"{CENTER_ADDRESS}/32", "dev", "lo")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def kit(self) -> Node:
        return self.nodes[self._kits[0]]

    @property
    def center(self) -> Node:
        return self.nodes["center"]

    def link(
        self,
        name: str,
        *,
        kit: Node | None = None,
        seed: int = 1,
        nat: bool = True,
        up: Shape | None = None,
        down: Shape | None = None,
        mtu: int = MTU,
        **more: Any,
    ) -> Link:
        """A link of that name from a kit to the center. `more`: as for Link.set."""
        kit = kit or self.kit
        index, self._links = self._links, self._links + 1
        assert index < 14, "public addresses are given out in sixteens"
        outer_name = name if len(self._kits) == 1 else f"{kit.name}-{name}"
        if self._here:
            # The process's number makes it one of a kind among worlds here; it goes with the link's process.
            outer_name = f"fg{os.getpid()}-{index}"
        made = Link(
            name,
            kit.namespace,
            self.center.namespace,
            self._folder / f"{index}.orders",
            seed=seed,
            mtu=mtu,
            outer_name=outer_name,
        )
        self._stack.callback(made.close)
        kit.links[name] = made
        kit.addresses[name] = f"10.7.{index}.2"
        first = 16 * (index + 1)
        kit.run("ip", "address", "add", f"10.7.{index}.2/24", "dev", name)
        kit.run("ip", "route", "add", "default", "dev", name, "metric", str(100 + index))
        if self._here:
            self.center.run("ip", "address", "add", f"{self.center_address}/32", "dev", outer_name)
        behind = f"{self._public}.{first}/28" if nat else f"10.7.{index}.0/24"
        self.center.run("ip", "route", "add", behind, "dev", outer_name, "src", self.center_address)
        if nat:
            more = {"nat": [f"{self._public}.{first + number}" for number in (1, 2, 3)]} | more
        made.set(up=up, down=down, **more)
        return made


def _free_block(node: Node) -> str:
    taken = node.run("ip", "route", "show", "table", "all")
    start = random.randrange(512)
    for number in range(512):
        high, low = divmod((start + number) % 512, 256)
        if f"198.{18 + high}.{low}." not in taken:
            return f"198.{18 + high}.{low}"
    raise Unable("all of 198.18.0.0/15 is in use here")


@contextmanager
def _held(name: str) -> Iterator[Node]:
    holder = subprocess.Popen(
        [linkemu(), "hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert holder.stdout and holder.stderr
    if holder.stdout.readline() != b"ready\n":
        raise Unable(holder.stderr.read().decode().strip())
    node = Node(name, f"/proc/{holder.pid}/ns/net")
    try:
        yield node
    finally:
        for process in node.running:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    with suppress(BrokenPipeError):
                        stream.close()
        holder.communicate()


def shares(figures: dict[str, Any], way: str = "up") -> float:
    """The share of packets of one way that was lost, for whatever reason, of those that have met their fate."""
    one = figures[way]
    met = one["packets_in"] - one["on_the_way"]
    lost: int = sum(one[count] for count in ("lost_burst", "lost_random", "dropped_queue", "dropped_cut"))
    return lost / met if met else 0.0
