"""What 4 modems, 64 mesh nodes and one station cost together, told once a second: processor and memory of this process.

The radio (UDP JSON of 64 nodes that hear four each), the station (an SNMP agent of seven variables) and the modems (on
pseudo-terminals) are processes of their own. Here: the three adapters' work as in the daemon (bearers, snapshot,
history, links) and one console that hears every event of links and meshes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters.mesh import Mesh
from adapters.mesh.config import MeshConfig
from adapters.station.config import StationConfig
from adapters.station.session import Station as StationAdapter
from gateway.api.live import event_json
from gateway.base.clock import Clock
from gateway.config.links import Links as LinksConfig
from gateway.core.facts import BusEvent
from gateway.core.links import Links
from gateway.core.meshes import Meshes
from gateway.core.messages import Bus
from gateway.model.link import BearerKind, LinkPhase
from gateway.model.principal import SYSTEM
from gateway.wire.snmp import Bound, Kind, Pdu, decode, encode
from tests.bench.common import rss_kb
from tests.bench.links.part_modem import MODEMS, fake_modems, tended

NODES, NEAR = 64, 4
FIGURES = ("lock", "esn0", "azimuth", "elevation", "muted", "beam", "pointing")
VARIABLES = {name: {"oid": f"1.3.6.1.4.1.64000.2.{n}.0"} for n, name in enumerate(FIGURES, 1)}
SETTLE_S = 3.0
FIELDS = {
    "nodes": "nodes",
    "node_fields": {
        "id": "mac",
        "name": "name",
        "longitude": "lon",
        "latitude": "lat",
        "battery_percent": "bat",
        "temp": "t",
    },
    "links": "nodes.*.near",
    "link_fields": {"a": "^mac", "b": "peer", "snr_db": "snr", "rssi_dbm": "rssi", "rate_bps": "kbit*1000"},
}


def mac(n: int) -> str:
    return f"02:00:00:00:00:{n % NODES:02x}"


def mesh(draw: random.Random) -> bytes:
    def near(n: int) -> list[dict[str, Any]]:
        return [
            {
                "peer": mac(n + k),
                "snr": draw.randint(8, 30),
                "rssi": -draw.randint(50, 85),
                "kbit": draw.randint(1, 54) * 1000,
            }
            for k in range(1, NEAR + 1)
        ]

    rows = [
        {
            "mac": mac(n),
            "name": f"n{n}",
            "lon": 116 + n / 1e3,
            "lat": 39.9,
            "bat": 80,
            "t": draw.randint(20, 50),
            "near": near(n),
        }
        for n in range(NODES)
    ]
    return json.dumps({"nodes": rows}).encode()


class Station(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        asked = decode(data)
        rows = tuple(Bound(b.oid, Kind.INTEGER, random.randint(0, 200)) for b in asked.bindings)
        self.transport.sendto(encode(replace(asked, pdu=Pdu.RESPONSE, bindings=rows)), addr)


async def fakes(radio: int, station: int, seed: int) -> None:
    loop, draw = asyncio.get_running_loop(), random.Random(seed)
    await loop.create_datagram_endpoint(Station, local_addr=("127.0.0.1", station))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        while True:
            out.sendto(mesh(draw), ("127.0.0.1", radio))
            await asyncio.sleep(1)


def free() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Context:
    gateway = "kit1"

    def __init__(self, meshes: Meshes, links: Links) -> None:
        self.meshes, self.links = meshes, links

    def ready(self) -> None:
        pass


async def console(bus: Bus, heard: Counter[str]) -> None:
    async with bus.subscribe(SYSTEM, types=["mesh", "link"]) as events:
        async for event in events:
            if isinstance(event, BusEvent):
                heard[event.type] += 1
                heard[f"{event.type}_bytes"] += len(event_json(event))


async def run(seconds: float, seed: int) -> dict[str, object]:
    radio, station, heard = free(), free(), Counter[str]()
    command = [sys.executable, "-m", "tests.bench.links.part_load", str(radio), str(station), str(seed)]
    before_kb = rss_kb(os.getpid())
    bus, clock = Bus(), Clock()
    meshes, links = Meshes("kit1", bus, clock), Links("kit1", bus, clock, LinksConfig)
    context: Any = Context(meshes, links)
    source = {"kind": "udp", "listen": f"127.0.0.1:{radio}", "sender": "127.0.0.1", **FIELDS}
    agent = {"host": "127.0.0.1", "port": station}
    dish = StationConfig.model_validate({"agent": agent, "variables": VARIABLES, "look_every": "1s"})
    adapter = Mesh(MeshConfig.model_validate({"sources": {"mast": source}}), context)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fg-load-")))
        process = await asyncio.create_subprocess_exec(*command)
        stack.push_async_callback(ended, process)
        await stack.enter_async_context(fake_modems(folder))
        work = [
            asyncio.create_task(one)
            for one in (adapter.run(), StationAdapter("dish", dish, context).run(), console(bus, heard))
        ]
        stack.push_async_callback(cancelled, work)
        for number in range(MODEMS):
            seat = stack.enter_context(links.offer(f"modem{number}", BearerKind.LTE))
            await stack.enter_async_context(tended(folder / str(number), folder, seat=seat, poll="1s"))
        async with asyncio.timeout(90):
            while not standing(links):  # noqa: ASYNC110 - no event says that all are there
                await asyncio.sleep(0.1)
        await asyncio.sleep(SETTLE_S)
        before, spent, began = Counter(heard), time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        percent = 100 * (time.process_time() - spent) / (time.monotonic() - began)
        grown_kb, there = rss_kb(os.getpid()) - before_kb, standing(links)
        (snapshot,) = meshes.snapshots(SYSTEM)
    return {
        "cpu_percent": round(percent, 2),
        "modems": MODEMS,
        "mesh_nodes": len(snapshot.nodes),
        "mesh_edges": len(snapshot.edges),
        "stations": 1,
        "all_stand": there,
        "events": dict(heard - before),
        "memory_kb": grown_kb,
    }


def standing(links: Links) -> bool:
    """All modems are up, and the station has been heard."""
    facts = [entry.facts for entry in links.entries.values() if entry.facts is not None]
    modems = sum(one.phase is LinkPhase.UP and bool(one.signal.technology) for one in facts)
    dish = links.entries.get("dish")
    told = dish is not None and dish.facts is not None and dish.facts.code != "station-silent"
    return modems >= MODEMS and told and dish.facts.detail != ""  # type: ignore[union-attr]


async def ended(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def cancelled(work: list[asyncio.Task[None]]) -> None:
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(fakes(*map(int, sys.argv[1:4])))
