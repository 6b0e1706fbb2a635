"""adapters/mesh/gathering.py, protocol/merge.py, bearer.py: several sources as one mesh, one of them as a link."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.mesh.bearer import facts_of
from adapters.mesh.config import MeshConfig
from adapters.mesh.gathering import LATE_S, Gathering
from adapters.mesh.protocol.merge import merge
from adapters.mesh.protocol.report import MOST_LINKS, MOST_NODES, Heard, Report, Told
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


def test_a_source_that_hangs_without_failing_is_silent_in_the_end() -> None:
    mesh = made()
    mesh.heard("a", OF_A, 0, 100)
    mesh.heard("b", OF_B, 0, 100)
    assert mesh.snapshot(10 + LATE_S, 110 + LATE_S).sources[1].code == ""
    later = mesh.snapshot(12 + LATE_S, 112 + LATE_S)
    assert [source.code for source in later.sources] == ["", "mesh-silent"], "what babeld streamed stays true"
    assert [(e.a, e.b) for e in later.edges] == [("A", "fe80::b")]
    assert mesh.heard("b", OF_B, 40, 140) and mesh.snapshot(40, 140).sources[1].code == ""


def one(**reports: Report) -> MeshSnapshot:
    return merge("m", "m", 0, {name: (report, 0.0, name == "own") for name, report in reports.items()}, [])


def test_a_source_that_makes_up_thousands_fills_its_own_share_alone() -> None:
    ids = [f"x{n}" for n in range(5000)]
    flood = Report(
        tuple(Told((id_,), read=True) for id_ in ids),
        tuple(Heard(a, b) for a in ids[:80] for b in ids[:80] if a != b),
    )
    told = one(a=flood, b=OF_B, own=OF_A)
    assert len(told.nodes) == MOST_NODES and len(told.edges) == MOST_LINKS
    assert {"A", "B", "D"} <= {node.id for node in told.nodes}
    assert {("A", "B"), ("B", "A")} <= {(edge.a, edge.b) for edge in told.edges}


def test_of_many_that_one_place_knows_only_the_asked_one_is_this_kits() -> None:
    near = [Heard("r1", "r2", quality=0.9), Heard("r2", "r1", quality=0.1)]
    many = Report((Told(("r1",), read=True), Told(("r2",), "mast", read=True)), tuple(near))
    sources = {"up": {"kind": "http", "url": "http://192.0.2.1/", "own": True, "node": "mast", "interface": "mesh0"}}
    mesh = Gathering("mesh", "", 10, MeshConfig.model_validate({"sources": sources}).sources)
    mesh.heard("up", many, 0, 1)
    told = mesh.snapshot(0, 1)
    assert [node.id for node in told.nodes if node.own] == ["r2"]
    assert facts_of(told, "up", "mesh0", "mast").code == "mesh-thin", "how that one hears, not the first of them"
    assert [node.own for node in one(own=many).nodes] == [False, False], "nobody there is called so"


def test_an_address_of_one_link_makes_no_two_radios_one() -> None:
    """fe80::1 is many a router's own."""
    a = Report((Told(("A", "fe80::1"), read=True), Told(("B", "fe80::2"))), (Heard("A", "B"),))
    b = Report((Told(("B", "fe80::1"), read=True), Told(("A", "fe80::3"))), (Heard("B", "A"),))
    told = one(a=a, b=b)
    assert [node.id for node in told.nodes] == ["A", "B"]
    assert [(edge.a, edge.b) for edge in told.edges] == [("A", "B"), ("B", "A")]


def test_what_a_radio_says_of_itself_stands_against_what_others_say_of_it() -> None:
    itself = Report((Told(("A",), "alpha", read=True, longitude=104.0, latitude=30.0, battery_percent=80),))
    liar = Report((Told(("A",), "beta", longitude=1.0, latitude=2.0, altitude_m=9, battery_percent=3),))
    for told in (one(a=itself, b=liar), one(a=liar, b=itself)):
        (node,) = told.nodes
        assert (node.name, node.longitude, node.latitude, node.battery_percent) == ("alpha", 104.0, 30.0, 80)
        assert node.altitude_m == 9, "what it does not say itself"


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
