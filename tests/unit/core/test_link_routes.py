"""Which routes are made, when, and what is left of them."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.base.clock import Clock
from gateway.config.links import Links as LinksConfig
from gateway.core.link_routes import LinkRoutes
from gateway.core.links import Links
from gateway.core.messages import Bus
from gateway.net.links.routes import BEST, LinkRoute
from gateway.net.rtnetlink import Interface


class Kernel:
    """Takes what it is given, or says why not."""

    def __init__(self) -> None:
        self.made: list[tuple[list[LinkRoute], LinkRoute | None, int]] = []
        self.theirs: set[int] = set()
        self.refuses = 0

    def apply(self, links: Sequence[LinkRoute], best: LinkRoute | None, best_table: int) -> int:
        if self.refuses:
            raise OSError(self.refuses, "refused")
        self.made.append((list(links), best, best_table))
        return 1

    def foreign(self) -> set[int]:
        return self.theirs


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kernel:
    made = Kernel()
    monkeypatch.setattr("gateway.net.links.routes.apply", made.apply)
    monkeypatch.setattr("gateway.net.links.routes.foreign", made.foreign)
    return made


def house(note: Path, routes: bool = True) -> tuple[Links, LinkRoutes, list[str]]:
    links = Links("kit1", Bus(), Clock(lambda: 100.0), lambda: LinksConfig(routes=routes))
    made, told = LinkRoutes(links, note), list[str]()
    made.on_problem = lambda code, text: told.append(code)
    links.found([Interface(3, "eth0", True, 1500, ["10.0.0.2", "10.0.0.3"], ["fd00::2"], True, gateway4="10.0.0.1")])
    return links, made, told


async def test_tables_of_others_are_left_to_them(kernel: Kernel, tmp_path: Path) -> None:
    _, routes, told = house(tmp_path / "note")
    kernel.theirs = {100, 101}
    await routes.route()
    (link,), best, best_table = kernel.made[-1]
    assert (link.table, best_table, best) == (103, 102, link) and BEST in kernel.theirs
    assert link.sources4 == ("10.0.0.2", "10.0.0.3") and link.sources6 == (), "IPv6 leads nowhere here"
    kernel.theirs = {102, 103}
    await routes.route()
    (link,), _, best_table = kernel.made[-1]
    assert {link.table, best_table}.isdisjoint(kernel.theirs) and link.table != best_table
    assert told == []
    kernel.theirs = {link.table}
    await routes.route(look=False)
    assert kernel.made[-1][0][0].table == link.table, "in haste it is not looked"


async def test_what_a_killed_daemon_left_is_taken_away_and_nothing_else(kernel: Kernel, tmp_path: Path) -> None:
    note = tmp_path / "links-routes"
    _, routes, _ = house(note)
    await routes.route()
    assert note.exists()
    _, after, _ = house(note, routes=False)  # it was killed, and shall make none any more
    await after.route()
    assert kernel.made[-1] == ([], None, BEST) and not note.exists()
    count = len(kernel.made)
    await after.route()
    _, stranger, _ = house(note, routes=False)
    await stranger.route()
    assert len(kernel.made) == count, "whoever made none takes none away: they may be another daemon's"
    note.write_text("of before the machine started anew")
    _, later, _ = house(note, routes=False)
    await later.route()
    assert len(kernel.made) == count


async def test_what_is_refused_is_told_once_tried_again_and_taken_away_at_the_end(
    kernel: Kernel, tmp_path: Path
) -> None:
    _, routes, told = house(tmp_path / "note")
    kernel.refuses = errno.ENODEV
    await routes.route()
    assert told == [] and not routes.problem, "an interface that has just gone"
    await routes.route()
    await routes.route()
    assert told == ["link-routes"] and routes.problem
    kernel.refuses = 0
    await routes.route()
    assert not routes.problem and kernel.made
    kernel.refuses = errno.EPERM
    await routes.route()
    assert told == ["link-routes"] * 2
    kernel.refuses = 0
    await routes.close()
    assert kernel.made[-1] == ([], None, BEST), "part of it may stand"
