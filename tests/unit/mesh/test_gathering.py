"""adapters/mesh/gathering.py, protocol/merge.py, bearer.py: several sources as one mesh, one of them as a link."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.mesh.bearer import facts_of
from adapters.mesh.config import MeshConfig
from adapters.mesh.gathering import Gathering
from adapters.mesh.protocol.merge import merge
from adapters.mesh.protocol.report import Heard, Report, Told
from gateway.model.link import LinkPhase
from gateway.model.mesh import MeshSnapshot, MeshSource

CONFIG = MeshConfig.model_validate(
    {
        "sources": {
            "a": {"kind": "babel", "socket": "/a", "own": True, "interface": "mesh0"},
            "b": {"kind": "http", "url": "http://192.0.2.1/"},
        }
    }
)
OF_A = Report(
    (Told(("A", "fe80::a"), "alpha", read=True), Told(("fe80::b",)), Told(("D",))),
    (Heard("A", "fe80::b", quality=0.9),),
)
OF_B = Report((Told(("B", "fe80::b"), "bravo", read=True), Told(("fe80::a",))), (Heard("B", "fe80::a", quality=0.2),))


def made() -> Gathering:
    return Gathering("mesh", "", 10, CONFIG.sources)


def test_nodes_with_an_id_in_common_are_one() -> None:
    mesh = made()
    assert mesh.heard("a", OF_A, 0, 100) and mesh.heard("b", OF_B, 0, 100) and not mesh.heard("b", OF_B, 1, 101)
    now = mesh.snapshot(2, 102)
    assert [(n.id, n.name, n.read, n.own, n.source) for n in now.nodes] == [
        ("A", "alpha", True, True, "a"),
        ("B", "bravo", True, False, "b"),
        ("D", "", False, False, ""),
    ]
    assert [(e.a, e.b, e.quality) for e in now.edges] == [("A", "B", 0.9), ("B", "A", 0.2)]


def test_a_source_that_failed_counts_for_a_while_then_its_node_is_unknown() -> None:
    mesh = made()
    mesh.heard("a", OF_A, 0, 100)
    mesh.heard("b", OF_B, 0, 100)
    mesh.failed("b", "mesh-silent", "gone", 105)
    assert len(mesh.snapshot(9, 109).edges) == 2
    later = mesh.snapshot(11, 111)
    assert [(e.a, e.b) for e in later.edges] == [("A", "fe80::b")]
    assert [n.read for n in later.nodes] == [True, False, False]
    assert [(s.name, s.code, s.since) for s in later.sources] == [("a", "", 100), ("b", "mesh-silent", 105)]
    assert mesh.heard("b", OF_B, 12, 112) and len(mesh.snapshot(12, 112).edges) == 2


def test_a_mesh_as_a_link() -> None:
    mesh = made()
    assert facts_of(mesh.snapshot(0, 0), "a", "mesh0").phase is LinkPhase.SEARCHING
    mesh.failed("a", "mesh-silent", "", 0)
    told = facts_of(mesh.snapshot(0, 0), "a", "mesh0")
    assert (told.phase, told.code) == (LinkPhase.ABSENT, "mesh-silent")
    mesh.heard("a", OF_A, 0, 0)
    told = facts_of(mesh.snapshot(0, 0), "a", "mesh0")
    assert (told.phase, told.interface, told.code, told.device, told.signal.bars) == (
        LinkPhase.UP,
        "mesh0",
        "",
        "alpha",
        4,
    )
    thin = Report(OF_A.nodes, (Heard("A", "fe80::b", quality=0.1),))
    mesh.heard("a", thin, 1, 1)
    assert facts_of(mesh.snapshot(1, 1), "a", "mesh0").code == "mesh-thin"
    mesh.heard("a", Report(OF_A.nodes), 2, 2)
    assert facts_of(mesh.snapshot(2, 2), "a", "mesh0").code == "mesh-alone"


IDS = st.sampled_from("ABCDEFG")
REPORTS = st.builds(
    Report,
    st.lists(st.builds(Told, st.lists(IDS, min_size=1, max_size=3).map(tuple), st.text("xy"), st.booleans())).map(
        tuple
    ),
    st.lists(st.builds(Heard, IDS, IDS)).map(tuple),
)


@given(st.dictionaries(st.sampled_from("12"), st.tuples(REPORTS, st.floats(0, 9), st.booleans())))
def test_edges_are_between_nodes_that_stand_once(reports: dict[str, tuple[Report, float, bool]]) -> None:
    told: MeshSnapshot = merge("m", "m", 0, reports, [MeshSource("1", "babel", 0)])
    ids = [node.id for node in told.nodes]
    assert len(ids) == len(set(ids)) and sorted(ids) == ids
    assert all(edge.a in ids and edge.b in ids and edge.a != edge.b for edge in told.edges)
    assert merge("m", "m", 0, reports, [MeshSource("1", "babel", 0)]) == told
