"""The mesh as a way out of the kit: how its own radio stands, in the words of links."""

from __future__ import annotations

from gateway.model.link import BearerFacts, LinkPhase, Signal
from gateway.model.mesh import MeshSnapshot

THIN = 0.3
"""A best edge under this carries, but badly."""


def facts_of(snapshot: MeshSnapshot, source: str, interface: str, name: str = "") -> BearerFacts:
    """Of the radio that `source` asks: searching while it hears nobody, degraded by its best edge. A source that reads
    many has it by `name`."""
    told = next((one for one in snapshot.sources if one.name == source), None)
    read = [node for node in snapshot.nodes if node.source == source and node.read]
    radio = next(
        (node for node in read if node.own or name in (node.id, node.name)), read[0] if len(read) == 1 else None
    )
    if told is None or (told.code and radio is None):
        code, detail = (told.code, told.detail) if told is not None else ("mesh-waiting", "")
        waiting = code == "mesh-waiting"
        return BearerFacts(LinkPhase.SEARCHING if waiting else LinkPhase.ABSENT, interface, code, detail)
    edges = [edge for edge in snapshot.edges if radio is not None and edge.a == radio.id]
    if not edges or radio is None:
        return BearerFacts(LinkPhase.SEARCHING, interface, "mesh-alone")
    best = max(edges, key=lambda edge: edge.quality if edge.quality is not None else 1.0)
    signal = Signal(
        "mesh", best.rssi_dbm, sinr_db=best.snr_db, bars=None if best.quality is None else round(best.quality * 5)
    )
    if best.quality is not None and best.quality < THIN:
        return BearerFacts(LinkPhase.DEGRADED, interface, "mesh-thin", signal=signal, device=radio.name)
    return BearerFacts(LinkPhase.UP, interface, signal=signal, device=radio.name)
