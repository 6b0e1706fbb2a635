"""One run: a world with its links, both ends, and what was sent and came."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.common import ROOT
from tests.bench.uplink.traffic import Item, Log
from tests.bench.uplink.way import Options
from tests.bench.uplink.weather import PATHS, SHAPES, Plan
from tests.emu.world import CENTER_ADDRESS, Node, World

PORT = 8444
SECOND = 1_000_000_000
# Before the weather begins, and what is judged: rates are learnt by use, and a kit is at work when trouble comes.
WARM_S = 6.0


@dataclass(frozen=True)
class System:
    """How a run is set up: which way, over which paths, with what."""

    name: str
    way: str
    paths: Sequence[str] = PATHS
    mode: str = "spread"
    playout_ms: int = 400
    voice_playout_ms: int = 400
    latency_ms: int = 300


@dataclass
class Outcome:
    """`begin_ns`: of the weather; what was sent before it is warming up."""

    begin_ns: int
    seconds: float
    kit_sent: list[Item]
    kit_received: list[Item]
    center_sent: list[Item]
    center_received: list[Item]
    kit: dict[str, Any]
    center: dict[str, Any]
    links: dict[str, dict[str, Any]]
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    @property
    def emulator_late_ms(self) -> float:
        return max(float(one["emulator_late_max_ms"]) for one in self.links.values())

    def at(self, seconds: float) -> int:
        return self.begin_ns + int(seconds * SECOND)


def _start(node: Node, system: System, options: Options, log: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.bench.uplink.end", system.way, json.dumps(asdict(options)), str(log)]
    pipe = subprocess.PIPE
    return node.start(*words, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def _told(process: subprocess.Popen[str], what: str) -> str:
    assert process.stdout
    if not (line := process.stdout.readline()):
        raise RuntimeError(f"{what} ended early: its words stand above")
    return line


def mptcp_paths(world: World) -> None:
    """Every path of the kit is a subflow; the center takes them all."""
    for node in (world.kit, world.center):
        node.run("ip", "mptcp", "limits", "set", "subflows", "8", "add_addr_accepted", "8")
    for name, address in world.kit.addresses.items():
        world.kit.run("ip", "mptcp", "endpoint", "add", address, "dev", name, "subflow")


def run(
    system: System, plans: dict[str, Plan], *, seed: int, seconds: float, more: dict[str, Any] | None = None
) -> Outcome:
    with World() as world, tempfile.TemporaryDirectory(prefix="fg-uplink-") as kept:
        for name in PATHS:
            if name in system.paths:
                world.link(name, seed=seed, up=SHAPES[name]["up"], down=SHAPES[name]["down"])
        if system.way == "mptcp":
            mptcp_paths(world)
        common: dict[str, Any] = {"address": CENTER_ADDRESS, "port": PORT, "paths": list(system.paths)}
        common |= {"mode": system.mode, "playout_ms": system.playout_ms, "voice_playout_ms": system.voice_playout_ms}
        common |= {"latency_ms": system.latency_ms, "more": more or {}}
        folder = Path(kept)
        center = _start(world.center, system, Options(kit=False, **common), folder / "center")
        kit = _start(world.kit, system, Options(kit=True, **common), folder / "kit")
        for process, what in ((center, "the center's end"), (kit, "the kit's end")):
            _told(process, what)
        start_ns = time.monotonic_ns() + SECOND
        begin_ns = start_ns + int(WARM_S * SECOND)
        for index, name in enumerate(PATHS):
            if link := world.kit.links.get(name):
                link.begin(seed * 100 + index, plans.get(name, []), begin_ns)
        for process in (center, kit):
            assert process.stdin
            process.stdin.write(f"{start_ns} {WARM_S + seconds} {seed}\n")
            process.stdin.flush()
        told = [json.loads(_told(process, what)) for process, what in ((kit, "the kit"), (center, "the center"))]
        return Outcome(
            begin_ns=begin_ns,
            seconds=seconds,
            kit_sent=Log.read(folder / "kit.sent"),
            kit_received=Log.read(folder / "kit.received"),
            center_sent=Log.read(folder / "center.sent"),
            center_received=Log.read(folder / "center.received"),
            kit=told[0],
            center=told[1],
            links={name: link.figures() for name, link in world.kit.links.items()},
        )
