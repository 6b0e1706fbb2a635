"""A mesh as it was at one moment: who is in it, and who hears whom how well.

An **edge** stands in it because one of its ends told it: the node `a`, whose socket or API was read or who speaks for
itself. What lies between nodes that nobody could read is not known, and no edge is made up for it: such nodes have
`read` False and are drawn as unknown.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MeshReading:
    """A figure of a node's telemetry: `key` is ours where there is a word for it ("voltage"), else the radio's own."""

    key: str
    value: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class MeshNode:
    """`id` is the mesh's own word (a router id, a MAC, a node number). None: not told."""

    id: str
    name: str = ""
    read: bool = False
    own: bool = False  # the radio of this kit
    source: str = ""  # which of our sources read it
    longitude: float | None = None  # WGS-84
    latitude: float | None = None
    altitude_m: float | None = None
    battery_percent: float | None = None
    age_s: float | None = None  # since its newest word
    readings: tuple[MeshReading, ...] = ()


@dataclass(frozen=True, slots=True)
class MeshEdge:
    """How `a` hears `b`. `quality` is 0 … 1 by the measure of that kind of mesh. None: not told."""

    a: str
    b: str
    snr_db: float | None = None
    rssi_dbm: float | None = None
    rate_bps: float | None = None
    rtt_ms: float | None = None
    cost: float | None = None  # the routing protocol's own
    quality: float | None = None
    age_s: float | None = None  # since it was heard


@dataclass(frozen=True, slots=True)
class MeshText:
    """A text message that went over the mesh. Times in unix seconds."""

    at: float
    sender: str
    to: str  # "": everybody
    text: str
    channel: str = ""


@dataclass(frozen=True, slots=True)
class MeshSource:
    """One of the places that a mesh is read from. `code` is "" while it is read."""

    name: str
    kind: str
    since: float
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class MeshSnapshot:
    """`GET /api/v1/meshes`, data of the event `mesh`."""

    mesh: str
    title: str
    at: float  # unix seconds
    nodes: tuple[MeshNode, ...] = ()
    edges: tuple[MeshEdge, ...] = ()
    sources: tuple[MeshSource, ...] = ()
    texts: tuple[MeshText, ...] = ()


@dataclass(frozen=True, slots=True)
class MeshMark:
    """A moment of the history that can be asked for: how many nodes and edges there were."""

    at: float
    nodes: int
    edges: int
    worst: float | None = None  # quality of the worst edge


def shape(snapshot: MeshSnapshot) -> frozenset[tuple[str, ...]]:
    """What makes two snapshots the same topology, whatever their figures."""
    nodes = {("node", node.id, str(node.read)) for node in snapshot.nodes}
    edges = {("edge", edge.a, edge.b) for edge in snapshot.edges}
    sources = {("source", source.name, source.code) for source in snapshot.sources}
    return frozenset(nodes | edges | sources)
