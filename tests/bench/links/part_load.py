"""What 64 mesh nodes and one station cost, told once a second: processor and memory of this process.

The radio (UDP JSON of 64 nodes that hear four each) and the station (an SNMP agent of seven variables) are a process of
their own. Here: adapter, snapshot, history, one console that hears every event, and the questions to the station. Four
modems are measured by the part `modem`; the whole bench's `cpu_percent` is the sum.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import sys
import time
from dataclasses import replace
from typing import Any

from adapters.mesh import Mesh
from adapters.mesh.config import MeshConfig
from gateway.api.live import event_json
from gateway.base.clock import Clock
from gateway.base.tasks import beat
from gateway.core.meshes import Meshes
from gateway.core.messages import Bus
from gateway.model.principal import SYSTEM
from gateway.net.snmp import Agent, SnmpClient
from gateway.wire.snmp import Bound, Kind, Pdu, decode, encode, parse_oid
from tests.bench.common import rss_kb

NODES, NEAR = 64, 4
OIDS = [parse_oid(f"1.3.6.1.4.1.64000.2.{n}.0") for n in range(1, 8)]
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

    def __init__(self, meshes: Meshes) -> None:
        self.meshes = meshes

    def ready(self) -> None:
        pass


async def ask(station: int, answers: list[int]) -> None:
    client = SnmpClient(Agent("127.0.0.1", station))
    try:
        while True:
            answers.append(len(await client.get(OIDS)))
            await beat(1.0)
    finally:
        client.close()


async def console(bus: Bus, heard: list[int]) -> None:
    async with bus.subscribe(SYSTEM, types=["mesh"]) as events:
        async for event in events:
            heard.append(len(event_json(event)))


async def run(seconds: float, seed: int) -> dict[str, object]:
    radio, station, heard, answers = free(), free(), list[int](), list[int]()
    command = [sys.executable, "-m", "tests.bench.links.part_load", str(radio), str(station), str(seed)]
    before_kb = rss_kb(os.getpid())
    process = await asyncio.create_subprocess_exec(*command)
    bus = Bus()
    meshes = Meshes("kit1", bus, Clock())
    source = {"kind": "udp", "listen": f"127.0.0.1:{radio}", "sender": "127.0.0.1", **FIELDS}
    adapter = Mesh(MeshConfig.model_validate({"sources": {"mast": source}}), Context(meshes))  # type: ignore[arg-type]
    work = [asyncio.create_task(one) for one in (adapter.run(), console(bus, heard))]
    try:
        await asyncio.sleep(SETTLE_S)
        work.append(asyncio.create_task(ask(station, answers)))
        spent, began, events = time.process_time(), time.monotonic(), len(heard)
        await asyncio.sleep(seconds)
        percent = 100 * (time.process_time() - spent) / (time.monotonic() - began)
        (snapshot,) = meshes.snapshots(SYSTEM)
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return {
        "cpu_percent": round(percent, 2),
        "mesh_nodes": len(snapshot.nodes),
        "mesh_edges": len(snapshot.edges),
        "events": len(heard) - events,
        "event_bytes": heard[-1],
        "station_answers": len(answers),
        "memory_kb": rss_kb(os.getpid()) - before_kb,
    }


if __name__ == "__main__":
    asyncio.run(fakes(*map(int, sys.argv[1:4])))
