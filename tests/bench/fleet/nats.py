"""A cluster of three NATS servers on loopback, with JetStream, three copies of everything, and our MQTT rights."""

from __future__ import annotations

import asyncio
import shutil
import signal
from pathlib import Path

from adapters.mqtt import nats
from gateway.base.authority import Authority
from tests.bench.common import ROOT
from tests.bench.fleet.brokers import Node
from tests.bench.fleet.plan import CENTER
from tests.paths.fleet_rig import free_port

NODES = 3


def program() -> str:
    """As `scripts/setup.sh bench` built it; "" where there is none."""
    built = ROOT / ".make" / "peers" / "nats-server"
    return str(built) if built.exists() else shutil.which("nats-server") or ""


class Nats:
    """Killed: one node of three, which stays away until `mend`."""

    name = "nats"

    def __init__(self, folder: Path, _signer: Authority, names: list[str]) -> None:
        self._nodes = [
            nats.Node(f"mq{number}", "127.0.0.1", free_port(), free_port(), free_port())
            for number in range(1, NODES + 1)
        ]
        (folder / nats.USERS).write_text(nats.users([CENTER], names))
        self._running: list[Node] = []
        for one in self._nodes:
            conf = folder / f"{one.name}.conf"
            conf.write_text(nats.node(one, self._nodes, folder, folder / f"js-{one.name}", "bench"))
            self._running.append(Node([program(), "-c", str(conf)], folder / f"{one.name}.log", [one.mqtt_port]))

    def addresses(self) -> list[str]:
        return [f"mqtts://127.0.0.1:{one.mqtt_port}" for one in self._nodes]

    async def start(self) -> None:
        await asyncio.gather(*(node.start() for node in self._running))

    async def kill(self) -> str:
        await self._running[0].stop(signal.SIGKILL)
        return "one node of three (the one that the center was at), not started again"

    async def mend(self) -> None:
        await self._running[0].start()

    async def stop(self) -> None:
        await asyncio.gather(*(node.stop() for node in self._running))

    def cost(self) -> dict[str, float]:
        costs = [node.cost() for node in self._running]
        return {key: sum(one[key] for one in costs) for key in ("cpu_s", "rss_mb")}
