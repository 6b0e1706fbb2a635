"""Meshes: the newest snapshot of each, told live, and a history to scrub through, bounded in time and bytes.

The history is in memory: at every change of the topology (at most one each `CHANGE_S`), and every `EVERY_S` for the
figures. It is packed, a day of it, and `MOST_BYTES` of each mesh: the oldest goes. A restart begins it anew. Its
moments are told by their age on the clock that is never set: what was kept before the other one was set right has the
time that it would have shown.
"""

from __future__ import annotations

import bisect
import dataclasses
import json
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from gateway.base.clock import Clock
from gateway.base.errors import Busy, Denied, NotFound
from gateway.core.messages import Bus
from gateway.core.rights import in_scope
from gateway.model.mesh import MeshMark, MeshSnapshot, shape
from gateway.model.principal import Principal

EVERY_S, CHANGE_S, PUBLISH_S = 30.0, 2.0, 0.9
KEEP_S = 86400.0
MOST_BYTES = 8 << 20
MOST_MESHES = 16
SAME_S = 0.25
"""By so much the two clocks may have drifted between a mark that was told and the question for it."""


@dataclass(frozen=True, slots=True)
class _Kept:
    mono: float
    nodes: int
    edges: int
    worst: float | None
    packed: bytes


@dataclass(slots=True)
class _Mesh:
    now: MeshSnapshot
    shape: frozenset[tuple[str, ...]] = frozenset()
    published: float = -1e9
    kept_at: float = -1e9
    kept_shape: frozenset[tuple[str, ...]] = frozenset()
    history: deque[_Kept] = field(default_factory=deque)
    bytes: int = 0


class Meshes:
    """Fulfils contract.mesh.Meshes and what the API asks."""

    def __init__(self, gateway: str, bus: Bus, clock: Clock) -> None:
        self._gateway = gateway
        self._bus = bus
        self._clock = clock
        self._meshes: dict[str, _Mesh] = {}
        self._taken: set[str] = set()

    @contextmanager
    def offer(self, mesh: str, title: str) -> Iterator[_Seat]:
        if mesh in self._taken or len(self._taken) >= MOST_MESHES:
            raise Busy(f"the mesh {mesh} is read already, or {MOST_MESHES} are", code="mesh-taken")
        if mesh not in self._meshes and len(self._meshes) >= MOST_MESHES:
            # Of one that is no more read, as after another configuration.
            del self._meshes[next(name for name in self._meshes if name not in self._taken)]
        self._taken.add(mesh)
        found = self._meshes.setdefault(mesh, _Mesh(MeshSnapshot(mesh, title, self._clock.wall())))
        try:
            yield _Seat(self, found)
        finally:
            # Its history stays; nobody reads it now, so nobody is in it.
            self._taken.discard(mesh)
            self.told(found, MeshSnapshot(mesh, title, self._clock.wall()))
            self._bus.publish("mesh", mesh, found.now, gone=True, within=self._gateway)

    def told(self, mesh: _Mesh, snapshot: MeshSnapshot) -> None:
        now, is_now = self._clock.monotonic(), shape(snapshot)
        changed = is_now != mesh.shape or snapshot.texts != mesh.now.texts
        mesh.now, mesh.shape = snapshot, is_now
        if changed or now - mesh.published >= PUBLISH_S:
            mesh.published = now
            # Not kept for replay: whoever comes back reads the list.
            self._bus.publish("mesh", snapshot.mesh, snapshot, transient=True, within=self._gateway)
        since = now - mesh.kept_at
        if since >= EVERY_S or (is_now != mesh.kept_shape and since >= CHANGE_S):
            mesh.kept_at, mesh.kept_shape = now, is_now
            self._keep(mesh, snapshot, now)

    def _keep(self, mesh: _Mesh, snapshot: MeshSnapshot, now: float) -> None:
        plain = dataclasses.asdict(dataclasses.replace(snapshot, texts=()))
        packed = zlib.compress(json.dumps(plain, separators=(",", ":")).encode(), 6)
        qualities = [edge.quality for edge in snapshot.edges if edge.quality is not None]
        worst = min(qualities, default=None)
        mesh.history.append(_Kept(now, len(snapshot.nodes), len(snapshot.edges), worst, packed))
        mesh.bytes += len(packed)
        while mesh.history and (mesh.bytes > MOST_BYTES or mesh.history[0].mono < now - KEEP_S):
            mesh.bytes -= len(mesh.history.popleft().packed)

    # — what the API asks —

    def snapshots(self, who: Principal) -> Sequence[MeshSnapshot]:
        if not in_scope(who, self._gateway):
            return []
        return [self._meshes[name].now for name in sorted(self._taken)]

    def marks(self, who: Principal, mesh: str, *, hours: float, most: int) -> Sequence[MeshMark]:
        """Moments that can be asked for, oldest first; thinned to `most`, the newest always among them."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        found = [
            MeshMark(wall - (now - kept.mono), kept.nodes, kept.edges, kept.worst)
            for kept in self._find(who, mesh).history
            if kept.mono >= now - hours * 3600
        ]
        step = -(-len(found) // max(most, 1)) or 1
        return found[::-1][::step][::-1]

    def at(self, who: Principal, mesh: str, at: float) -> MeshSnapshot:
        """As it was then: the newest that is not younger. Raises NotFound."""
        history = self._find(who, mesh).history
        now, wall = self._clock.monotonic(), self._clock.wall()
        place = bisect.bisect_right(history, now - (wall - at) + SAME_S, key=lambda kept: kept.mono) - 1
        if place < 0:
            raise NotFound(f"nothing is known of {mesh} then", code="mesh-no-history")
        kept = history[place]
        plain: Any = json.loads(zlib.decompress(kept.packed))
        return TypeAdapter(MeshSnapshot).validate_python({**plain, "at": wall - (now - kept.mono)})

    def _find(self, who: Principal, mesh: str) -> _Mesh:
        if not in_scope(who, self._gateway):
            raise Denied("the mesh is the whole kit's, and your account has a part of it")
        found = self._meshes.get(mesh)
        if found is None:
            raise NotFound(f"there is no mesh {mesh[:64]!r}")
        return found


class _Seat:
    """Fulfils contract.mesh.MeshSeat."""

    def __init__(self, meshes: Meshes, mesh: _Mesh) -> None:
        self._meshes = meshes
        self._mesh = mesh

    def tell(self, snapshot: MeshSnapshot) -> None:
        self._meshes.told(self._mesh, snapshot)
