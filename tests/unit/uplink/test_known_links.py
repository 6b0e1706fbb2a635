"""What a center shows of a kit's links: the kit's word, and what our own end hears."""

from __future__ import annotations

from types import SimpleNamespace

from adapters.uplink.bundle import Bundle, Path
from adapters.uplink.known_links import KnownLinks
from gateway.model.kit import LinkState, LinkUse
from tests.fakes.engine import FakeEngine

LTE = LinkState("lte-1", "lte", state=LinkUse.IN, usable_bps=4e6)
SAT = LinkState("sat", "satellite", state=LinkUse.IN)


class Case:
    def __init__(self) -> None:
        self.bundle = Bundle(SimpleNamespace(engine=FakeEngine()), 1, "kit7")  # type: ignore[arg-type]
        self.at = 100.0
        self.known = KnownLinks(self.bundle, lambda: self.at)

    def path(self, name: str, code: str = "") -> None:
        self.bundle.paths[name] = Path(name, code)

    def shown(self) -> list[tuple[str, str, float | None]]:
        changed = self.known.changed()
        return [(link.state.value, link.code, link.heard_at) for link in changed or ()]


async def test_what_our_end_does_not_hear_is_out_with_its_age() -> None:
    case = Case()
    case.path("lte-1")
    case.path("sat")
    assert [link.state for link in case.known.told([LTE, SAT])] == [LinkUse.IN, LinkUse.IN]
    assert case.known.changed() is None
    case.at = 102.0
    case.path("sat", "path-silent")
    assert case.shown() == [("in", "", 100.0), ("out", "path-silent", 100.0)]
    # The kit does not know it yet: its word does not make it good again, nor younger.
    case.known.told([LTE, SAT])
    case.path("lte-1", "path-silent")
    assert case.shown() == [("out", "path-silent", 102.0), ("out", "path-silent", 100.0)]
    case.path("sat")
    assert case.shown() == [("out", "path-silent", 102.0), ("in", "", 100.0)]


async def test_the_kits_own_reason_stays_and_a_lossy_way_back_is_its_to_judge() -> None:
    case = Case()
    case.path("lte-1", "path-lossy")
    case.path("sat", "path-silent")
    off = LinkState("sat", "satellite", state=LinkUse.OFF, code="link-off")
    assert [(link.state, link.code) for link in case.known.told([LTE, off])] == [
        (LinkUse.IN, ""),
        (LinkUse.OFF, "link-off"),
    ]


async def test_a_link_that_goes_by_tcp_is_heard_by_that() -> None:
    case = Case()
    case.path("lte-1", "path-silent")
    case.path("lte-1-tcp")
    assert case.known.told([LTE])[0].state is LinkUse.IN
    case.path("lte-1-tcp", "path-broken")
    assert case.shown() == [("out", "path-silent", 100.0)]


async def test_a_path_whose_name_has_not_come_is_silent_with_all_others() -> None:
    case = Case()
    case.path("path-0")
    assert case.known.told([LTE])[0].state is LinkUse.IN
    case.path("path-0", "path-silent")
    assert case.shown() == [("out", "path-silent", 100.0)]
