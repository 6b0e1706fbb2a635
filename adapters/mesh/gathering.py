"""What all sources of one mesh told last, and when; the snapshot of it. No clock of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters.mesh.config import AnySource
from adapters.mesh.protocol.merge import merge
from adapters.mesh.protocol.report import EMPTY, Report
from gateway.model.mesh import MeshSnapshot, MeshSource, MeshText

MOST_TEXTS = 50
LATE_S = 15.0
"""A source that is asked and neither answers nor fails for so long beyond its turn is silent."""


@dataclass(slots=True)
class _Told:
    kind: str
    own: bool
    every: float  # seconds; 0: it is not asked, its reader says when it is silent
    since: float = 0.0
    code: str = "mesh-waiting"
    detail: str = ""
    report: Report = EMPTY
    at: float | None = None  # monotonic
    texts: tuple[MeshText, ...] = ()


class Gathering:
    """One mesh. A source that failed counts with what it told for `stale` seconds: a socket that is opened anew makes
    no gap in the picture; after that its edges are gone, and its node is unknown."""

    def __init__(self, mesh: str, title: str, stale: float, sources: Mapping[str, AnySource]) -> None:
        self.mesh = mesh
        self.title = title or mesh
        self._stale = stale
        self._names = {name: one.node or name for name, one in sources.items() if one.mesh == mesh}
        self._told = {
            name: _Told(one.kind, one.own, getattr(one, "every", 0.0))
            for name, one in sources.items()
            if one.mesh == mesh
        }

    def heard(self, name: str, report: Report, now: float, wall: float) -> bool:
        """Whether the topology may be another one: then it is told at once."""
        told = self._told[name]
        changed = bool(told.code) or _ends(told.report) != _ends(report)
        if told.code:
            told.code, told.detail, told.since = "", "", wall
        told.report, told.at = report, now
        return changed

    def said(self, name: str, texts: Sequence[MeshText]) -> None:
        self._told[name].texts = tuple(texts)

    def failed(self, name: str, code: str, detail: str, wall: float) -> None:
        told = self._told[name]
        if told.code != code:
            told.since = wall
        told.code, told.detail = code, detail

    def snapshot(self, now: float, wall: float) -> MeshSnapshot:
        if wall:
            self._judge(now, wall)
        reports: dict[str, tuple[Report, float, bool]] = {}
        for name, told in self._told.items():
            if told.at is not None and (not told.code or now - told.at <= self._stale):
                # What is streamed is true until it is changed; what is asked for is as old as the answer.
                age = 0.0 if told.kind == "babel" and not told.code else max(0.0, now - told.at)
                reports[name] = (told.report, age, told.own)
        sources = [MeshSource(name, told.kind, told.since, told.code, told.detail) for name, told in self._told.items()]
        texts = sorted((text for told in self._told.values() for text in told.texts), key=lambda text: text.at)
        return merge(self.mesh, self.title, wall, reports, sources, texts[-MOST_TEXTS:], self._names)

    def _judge(self, now: float, wall: float) -> None:
        """What hangs without failing is no more true than what failed."""
        for name, told in self._told.items():
            if told.every and told.at is not None and not told.code:
                quiet = now - told.at
                if quiet > self._stale + told.every + LATE_S:
                    self.failed(name, "mesh-silent", f"nothing for {quiet:.0f} s", wall)


def _ends(report: Report) -> tuple[frozenset[tuple[str, ...]], frozenset[tuple[str, str]]]:
    return frozenset(node.ids for node in report.nodes), frozenset((link.a, link.b) for link in report.links)
