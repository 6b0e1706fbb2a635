"""Mesh radios as an adapter: each source on its own, with backoff; those of one mesh put together as one snapshot."""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import ClassVar

from pydantic import BaseModel

from adapters.mesh.bearer import facts_of
from adapters.mesh.config import (
    AnySource,
    BabelSource,
    BatctlSource,
    HttpSource,
    MeshConfig,
    SnmpSource,
    UbusSource,
)
from adapters.mesh.gathering import Gathering
from adapters.mesh.protocol.meshtastic import Placed
from adapters.mesh.protocol.report import Report
from adapters.mesh.sources.source import MeshReader, Show
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, first
from gateway.base.tasks import beat
from gateway.base.throttle import Throttle
from gateway.contract.adapter import Context
from gateway.contract.link import LinkSeat
from gateway.contract.mesh import MeshSeat
from gateway.model.doctor import Finding, Grade
from gateway.model.ids import DeviceId
from gateway.model.link import BearerKind
from gateway.model.position import Datum, Position, PositionSource
from gateway.net.web import Connect

log = logging.getLogger(__name__)

FIRST_S, MOST_S = 1.0, 30.0
TELL_S = 1.0
CHANGE_S = 0.2
"""A changed topology goes out at once, and not more often than this: a radio whose word changes with every datagram
costs little more than one that has nothing new."""
MOST_PLACED, PLACED_S = 512, 86400.0
"""So many radios have a place on the map within so long: whoever makes up more does not fill it for others."""


class Mesh:
    """Implements contract.adapter.Adapter. `clock` is a test's."""

    name: ClassVar[str] = "mesh"
    Config: ClassVar[type[BaseModel]] = MeshConfig

    def __init__(self, config: BaseModel, context: Context, clock: Clock | None = None) -> None:
        assert isinstance(config, MeshConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._clock = clock or Clock()
        names = sorted({source.mesh for source in config.sources.values()})
        self._meshes = {
            mesh: Gathering(mesh, config.titles.get(mesh, ""), config.stale, config.sources) for mesh in names
        }
        self._seats: dict[str, MeshSeat] = {}
        self._links: dict[str, LinkSeat] = {}
        self._told: dict[str, float] = {}
        self._due: dict[str, asyncio.TimerHandle] = {}
        self._places: dict[str, float] = {}
        self._throttle = Throttle(log, clock=self._clock)

    async def run(self) -> None:
        """Serve until cancelled."""
        with ExitStack() as stack:
            for mesh, gathering in self._meshes.items():
                self._seats[mesh] = stack.enter_context(self._context.meshes.offer(mesh, gathering.title))
            for name, source in self._config.sources.items():
                if source.interface:
                    offered = self._context.links.offer(f"mesh-{name}", BearerKind.MESH)
                    self._links[name] = stack.enter_context(offered)
            self._context.ready()
            try:
                async with asyncio.TaskGroup() as tasks:
                    if self._meshes:
                        tasks.create_task(self._tell())
                    for name, source in self._config.sources.items():
                        tasks.create_task(self._keep(name, source), name=f"mesh {name}")
                    if not self._meshes:
                        await asyncio.Event().wait()
            finally:
                for due in self._due.values():
                    due.cancel()
                self._due.clear()
                self._seats.clear()
                self._links.clear()

    async def _keep(self, name: str, source: AnySource) -> None:
        """One source for ever; its failure is its own."""
        mesh, failures, said = self._meshes[source.mesh], 0, ""
        while True:
            began = self._clock.monotonic()
            try:
                reader = reader_of(name, source, self._connect)
                await reader.run(self._show(name, source))
            except* GatewayError as group:
                failed = first(group)
            except* Exception as group:
                # A mistake of ours in one of them is no reason that the others are not read.
                log.exception("mesh source %s failed by a mistake of ours", name)
                failed = GatewayError(f"{group.exceptions[0]!r:.200}", code="internal")
            else:  # pragma: no cover  (readers end by an error)
                continue
            mesh.failed(name, failed.code, str(failed)[:300], self._clock.wall())
            self._changed(source.mesh)
            if failed.code != said:
                said = failed.code
                log.warning("mesh source %s: %s", name, failed)
            failures = 1 if self._clock.monotonic() - began > MOST_S else failures + 1
            await asyncio.sleep(min(MOST_S, FIRST_S * 2 ** min(failures - 1, 8)) * random.uniform(0.8, 1.0))

    def _show(self, name: str, source: AnySource) -> Show:
        mesh = self._meshes[source.mesh]

        def report(told: Report) -> None:
            if mesh.heard(name, told, self._clock.monotonic(), self._clock.wall()):
                self._soon(source.mesh)

        return Show(report, lambda texts: mesh.said(name, texts), self._placed, self._config.stale)

    async def _tell(self) -> None:
        """Figures once a second; what changes the topology does not wait for it."""
        while True:
            await beat(TELL_S)
            for mesh in self._meshes:
                self._changed(mesh)

    def _soon(self, mesh: str) -> None:
        """At once, where nothing was told just now."""
        left = self._told.get(mesh, -CHANGE_S) + CHANGE_S - self._clock.monotonic()
        if left <= 0:
            self._changed(mesh)
        elif mesh not in self._due:
            self._due[mesh] = asyncio.get_running_loop().call_later(left, self._changed, mesh)

    def _changed(self, mesh: str) -> None:
        if (due := self._due.pop(mesh, None)) is not None:
            due.cancel()
        self._told[mesh] = self._clock.monotonic()
        gathering = self._meshes[mesh]
        snapshot = gathering.snapshot(self._clock.monotonic(), self._clock.wall())
        if (seat := self._seats.get(mesh)) is not None:
            seat.tell(snapshot)
        for name, link in self._links.items():
            source = self._config.sources[name]
            if source.mesh == mesh:
                link.tell(facts_of(snapshot, name, source.interface, source.node or name))

    def _placed(self, placed: Placed) -> None:
        if not self._room_for(placed.node):
            self._throttle(
                "places", f"more than {MOST_PLACED} mesh radios tell where they are: the map leaves some out"
            )
            return
        wall = self._clock.wall()
        self._context.messages.position(
            Position(
                DeviceId(f"{self._context.gateway}/mesh-{placed.node.lstrip('!')}"),
                "",
                placed.longitude,
                placed.latitude,
                Datum.WGS84,
                PositionSource.GNSS,
                placed.taken_at or wall,
                wall,
                placed.accuracy_m,
                placed.altitude_m,
                placed.speed_kmh,
                placed.direction_deg,
            )
        )

    def _room_for(self, node: str) -> bool:
        now = self._clock.monotonic()
        if node not in self._places and len(self._places) >= MOST_PLACED:
            self._places = {one: at for one, at in self._places.items() if now - at < PLACED_S}
            if len(self._places) >= MOST_PLACED:
                return False
        self._places[node] = now
        return True

    @property
    def _connect(self) -> Connect:
        async def connect(host: str, port: int) -> socket.socket:
            return await self._context.reach.connect(host, port, trusted=True)

        return connect

    def figures(self) -> Mapping[str, float]:
        told = [gathering.snapshot(self._clock.monotonic(), 0.0) for gathering in self._meshes.values()]
        return {
            "mesh_nodes": float(sum(len(one.nodes) for one in told)),
            "mesh_edges": float(sum(len(one.edges) for one in told)),
            "mesh_sources_failing": float(sum(bool(source.code) for one in told for source in one.sources)),
        }

    def findings(self) -> Sequence[Finding]:
        now = self._clock.monotonic()
        return [
            Finding(
                f"mesh {source.name}",
                Grade.WARN if source.code else Grade.OK,
                source.detail or source.kind,
                "",
                source.code,
            )
            for gathering in self._meshes.values()
            for source in gathering.snapshot(now, 0.0).sources
        ]

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """What a source needs of this machine."""
        assert isinstance(config, MeshConfig)  # noqa: S101
        wanted = any(source.kind == "batctl" for source in config.sources.values())
        if wanted and shutil.which("batctl") is None:
            return [Finding("mesh", Grade.FAIL, "batctl is not installed", "batctl", "mesh-no-batctl")]
        return [Finding("mesh", Grade.OK if config.sources else Grade.OFF, f"{len(config.sources)} sources")]


def reader_of(name: str, source: AnySource, connect: Connect) -> MeshReader:
    """Imported here: a kit has one kind of radio, and each brings what the others do not need."""
    node = source.node or name
    if isinstance(source, BabelSource):
        from adapters.mesh.sources.babel import BabelReader

        return BabelReader(source)
    if isinstance(source, BatctlSource):
        from adapters.mesh.sources.batctl import BatctlReader

        return BatctlReader(source, node)
    if isinstance(source, HttpSource | UbusSource):
        from adapters.mesh.sources.web import HttpReader, UbusReader

        return (
            UbusReader(source, node, connect) if isinstance(source, UbusSource) else HttpReader(source, node, connect)
        )
    if isinstance(source, SnmpSource):
        from adapters.mesh.sources.snmp import SnmpReader

        return SnmpReader(source, node)
    if source.kind == "meshtastic":
        from adapters.mesh.sources.meshtastic import MeshtasticReader

        return MeshtasticReader(source)
    from adapters.mesh.sources.udp import UdpReader

    return UdpReader(source, node)
