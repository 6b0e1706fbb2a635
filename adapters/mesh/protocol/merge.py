"""Several sources of one mesh as one snapshot: nodes that have an id in common are one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from adapters.mesh.protocol.report import MOST_LINKS, MOST_NODES, Report, Told
from gateway.model.mesh import MeshEdge, MeshNode, MeshSnapshot, MeshSource, MeshText


def merge(
    mesh: str,
    title: str,
    at: float,
    reports: Mapping[str, tuple[Report, float, bool]],
    sources: Sequence[MeshSource],
    texts: Iterable[MeshText] = (),
) -> MeshSnapshot:
    """`reports`: of each source its newest, how old that is in seconds, and whether it is this kit's own radio."""
    leader = _leaders(reports)
    nodes: dict[str, MeshNode] = {}
    for source, (report, age, own) in reports.items():
        for told in report.nodes:
            id_ = leader[told.ids[0]] if told.ids else ""
            if id_ and (id_ in nodes or len(nodes) < MOST_NODES):
                nodes[id_] = _joined(nodes.get(id_), told, id_, source, age, own)
    edges: dict[tuple[str, str], MeshEdge] = {}
    for report, age, _ in reports.values():
        for link in report.links:
            a, b = leader.get(link.a, link.a), leader.get(link.b, link.b)
            if a == b or a not in nodes or b not in nodes or len(edges) >= MOST_LINKS:
                continue
            made = MeshEdge(
                a,
                b,
                link.snr_db,
                link.rssi_dbm,
                link.rate_bps,
                link.rtt_ms,
                link.cost,
                link.quality,
                None if link.heard_s is None else round(link.heard_s + age, 1),
            )
            # Two radios at two ends of two bands: the better of them is the link.
            if (known := edges.get((a, b))) is None or (known.quality or 0) < (made.quality or 0):
                edges[a, b] = made
    return MeshSnapshot(
        mesh,
        title,
        at,
        tuple(nodes[id_] for id_ in sorted(nodes)),
        tuple(edges[ends] for ends in sorted(edges)),
        tuple(sources),
        tuple(texts),
    )


def _leaders(reports: Mapping[str, tuple[Report, float, bool]]) -> dict[str, str]:
    """Every id → the one that its node goes by: that of whoever speaks for itself, else the first told."""
    parent: dict[str, str] = {}
    order: dict[str, int] = {}

    def find(id_: str) -> str:
        while parent[id_] != id_:
            parent[id_] = parent[parent[id_]]
            id_ = parent[id_]
        return id_

    told = [node for report, _, _ in reports.values() for node in report.nodes if node.ids]
    for node in sorted(told, key=lambda node: not node.read):
        for id_ in node.ids:
            order.setdefault(id_, len(order))
            parent.setdefault(id_, id_)
            first, other = sorted((find(node.ids[0]), find(id_)), key=order.__getitem__)
            parent[other] = first
    return {id_: find(id_) for id_ in parent}


def _joined(known: MeshNode | None, told: Told, id_: str, source: str, age: float, own: bool) -> MeshNode:
    heard = None if told.heard_s is None else round(told.heard_s + age, 1)
    if known is None:
        known = MeshNode(id_)
    newest = [value for value in (known.age_s, heard) if value is not None]
    # What a node says of itself is worth more than what others say of it.
    first = told.read and not known.read
    return MeshNode(
        id_,
        (told.name or known.name) if first else (known.name or told.name),
        known.read or told.read,
        known.own or (own and told.read),
        source if told.read and not known.source else known.source,
        known.longitude if told.longitude is None else told.longitude,
        known.latitude if told.latitude is None else told.latitude,
        known.altitude_m if told.altitude_m is None else told.altitude_m,
        known.battery_percent if told.battery_percent is None else told.battery_percent,
        min(newest, default=None),
        told.readings or known.readings,
    )
