"""Several sources of one mesh as one snapshot: nodes that have an id in common are one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TypeVar

from adapters.mesh.protocol.report import MOST_LINKS, MOST_NODES, Report, Told
from gateway.model.mesh import MeshEdge, MeshNode, MeshSnapshot, MeshSource, MeshText

T = TypeVar("T")


def merge(
    mesh: str,
    title: str,
    at: float,
    reports: Mapping[str, tuple[Report, float, bool]],
    sources: Sequence[MeshSource],
    texts: Iterable[MeshText] = (),
    names: Mapping[str, str] | None = None,
) -> MeshSnapshot:
    """`reports`: of each source its newest, how old that is in seconds, and whether it is this kit's own radio.
    `names`: what the radio that a source asks is called; where it speaks of many, the own one is that of this name."""
    leader = _leaders(reports)
    own = {
        name: _own_of(report, (names or {}).get(name, name)) for name, (report, _, is_own) in reports.items() if is_own
    }
    nodes: dict[str, MeshNode] = {}
    # Of each source first those who speak for themselves.
    shares = {name: sorted(report.nodes, key=lambda node: not node.read) for name, (report, _, _) in reports.items()}
    for source, told in _in_turn(shares):
        id_ = leader.get(told.ids[0], "") if told.ids else ""
        if id_ and (id_ in nodes or len(nodes) < MOST_NODES):
            age = reports[source][1]
            nodes[id_] = _joined(nodes.get(id_), told, id_, source, age, told.ids == own.get(source))
    edges: dict[tuple[str, str], MeshEdge] = {}
    for source, link in _in_turn({name: report.links for name, (report, _, _) in reports.items()}):
        a, b = leader.get(link.a, link.a), leader.get(link.b, link.b)
        if a == b or a not in nodes or b not in nodes:
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
            None if link.heard_s is None else round(link.heard_s + reports[source][1], 1),
        )
        known = edges.get((a, b))
        # Two radios at two ends of two bands: the better of them is the link.
        if (known is None and len(edges) < MOST_LINKS) or (
            known is not None and (known.quality or 0) < (made.quality or 0)
        ):
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


def _in_turn(told: Mapping[str, Sequence[T]]) -> Iterator[tuple[str, T]]:
    """The first of each source, then the second of each, …: a source that makes up thousands fills its share alone."""
    for row in zip_longest(*([(name, one) for one in ones] for name, ones in told.items())):
        yield from (one for one in row if one is not None)


def _own_of(report: Report, name: str) -> tuple[str, ...] | None:
    """Of those who speak for themselves the one that the source asks."""
    speaking = [node for node in report.nodes if node.read and node.ids]
    called = next((node for node in speaking if name in (*node.ids, node.name)), None)
    found = called or (speaking[0] if len(speaking) == 1 else None)
    return found.ids if found is not None else None


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
    common = _in_common(told)
    for node in sorted(told, key=lambda node: not node.read):
        head = node.ids[0]
        for id_ in node.ids:
            if id_ in common and id_ != head:
                continue
            order.setdefault(id_, len(order))
            parent.setdefault(id_, id_)
            first, other = sorted((find(head), find(id_)), key=order.__getitem__)
            parent[other] = first
    return {id_: find(id_) for id_ in parent}


def _in_common(told: Iterable[Told]) -> set[str]:
    """Addresses that hold on one link only, and that several nodes have: fe80::1 is many a router's. They say nothing
    of who is who."""
    heads: dict[str, set[str]] = {}
    for node in told:
        for id_ in node.ids[1:]:
            if id_.startswith("fe80:"):
                heads.setdefault(id_, set()).add(node.ids[0])
    return {id_ for id_, whose in heads.items() if len(whose) > 1}


def _joined(known: MeshNode | None, told: Told, id_: str, source: str, age: float, own: bool) -> MeshNode:
    heard = None if told.heard_s is None else round(told.heard_s + age, 1)
    if known is None:
        known = MeshNode(id_)
    newest = [value for value in (known.age_s, heard) if value is not None]
    # What a node says of itself is worth more than what others say of it.
    first = told.read or not known.read
    place = (told.longitude, told.latitude), (known.longitude, known.latitude)
    longitude, latitude = next((one for one in (place if first else place[::-1]) if one[0] is not None), (None, None))
    name = told.read and not known.read
    return MeshNode(
        id_,
        (told.name or known.name) if name else (known.name or told.name),
        known.read or told.read,
        known.own or own,
        source if told.read and not known.source else known.source,
        longitude,
        latitude,
        _first(told.altitude_m, known.altitude_m, first),
        _first(told.battery_percent, known.battery_percent, first),
        min(newest, default=None),
        (told.readings or known.readings) if first else (known.readings or told.readings),
    )


def _first(told: float | None, known: float | None, first: bool) -> float | None:
    one, other = (told, known) if first else (known, told)
    return other if one is None else one
