"""gateway/core/meshes.py: told at once, thinned, a history that is bounded, and who may look."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.base.clock import Clock
from gateway.base.errors import Busy, Denied, NotFound
from gateway.core import meshes as module
from gateway.core.facts import BusEvent
from gateway.core.meshes import Meshes
from gateway.core.messages import Bus
from gateway.model.mesh import MeshEdge, MeshNode, MeshSnapshot
from gateway.model.principal import SYSTEM


class Hand:
    """A clock that tests move."""

    now = 1000.0

    @property
    def clock(self) -> Clock:
        return Clock(monotonic=lambda: self.now, wall=self.wall)

    def wall(self) -> float:
        return self.now + 1e9


class Heard(Bus):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[BusEvent] = []

    def publish(self, type_: str, subject: str, data: object, **how: object) -> None:
        self.told.append(BusEvent(0, type_, subject, data, bool(how.get("gone")), str(how.get("within"))))


def snapshot(at: float, edges: int, quality: float = 0.5) -> MeshSnapshot:
    nodes = tuple(MeshNode(str(n), read=True) for n in range(edges + 1))
    return MeshSnapshot(
        "m", "Mesh", at, nodes, tuple(MeshEdge("0", str(n), quality=quality) for n in range(1, edges + 1))
    )


def test_a_change_is_told_at_once_and_figures_once_a_second() -> None:
    clock, bus = Hand(), Heard()
    meshes = Meshes("kit1", bus, clock.clock)
    with meshes.offer("m", "Mesh") as seat:
        with pytest.raises(Busy), meshes.offer("m", "Mesh"):
            pass
        for edges, step in ((2, 0.0), (2, 0.2), (2, 0.2), (1, 0.1), (1, 0.6), (1, 0.6)):
            clock.now += step
            seat.tell(snapshot(clock.wall(), edges))
        assert [len(event.data.edges) for event in bus.told] == [2, 1, 1]
        assert {event.within for event in bus.told} == {"kit1"}
        assert [one.title for one in meshes.snapshots(SYSTEM)] == ["Mesh"]
        assert meshes.snapshots(replace(SYSTEM, scope="kit1/ball-1")) == []
    assert bus.told[-1].gone and meshes.snapshots(SYSTEM) == []


def test_the_history_is_scrubbed_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Hand()
    meshes = Meshes("kit1", Heard(), clock.clock)
    with meshes.offer("m", "Mesh") as seat:
        for n in range(600):
            clock.now += 1
            seat.tell(snapshot(clock.wall(), 3 if n < 300 else 2, quality=0.4))
        marks = meshes.marks(SYSTEM, "m", hours=1, most=500)
        assert 19 <= len(marks) <= 23 and marks[0].edges == 3 and marks[-1].edges == 2 and marks[0].worst == 0.4
        change = next(mark for mark in marks if mark.edges == 2)
        assert len(meshes.at(SYSTEM, "m", change.at - 0.5).edges) == 3
        assert len(meshes.at(SYSTEM, "m", change.at).edges) == 2
        assert len(meshes.marks(SYSTEM, "m", hours=1, most=5)) <= 5
        assert meshes.marks(SYSTEM, "m", hours=1, most=5)[-1] == marks[-1]
        with pytest.raises(NotFound) as told:
            meshes.at(SYSTEM, "m", 5)
        assert told.value.code == "mesh-no-history"
        with pytest.raises(NotFound):
            meshes.marks(SYSTEM, "x", hours=1, most=5)
        with pytest.raises(Denied):
            meshes.at(replace(SYSTEM, scope="kit1/ball-1"), "m", clock.wall())
        clock.now += 90_000
        seat.tell(snapshot(clock.wall(), 1))
        assert len(meshes.marks(SYSTEM, "m", hours=24, most=500)) == 1
        monkeypatch.setattr(module, "MOST_BYTES", 2000)
        for _ in range(200):
            clock.now += 40
            seat.tell(snapshot(clock.wall(), 5))
        assert len(meshes.marks(SYSTEM, "m", hours=24, most=500)) < 20


def test_a_clock_that_is_set_breaks_nothing() -> None:
    """A year ahead and back again: each moment can be asked for, in its order, dated by the clock as it is now."""
    clock = Hand()
    meshes = Meshes("kit1", Heard(), clock.clock)
    with meshes.offer("m", "Mesh") as seat:
        for edges, off_s in ((1, 0.0), (2, 366 * 86400.0), (3, -366 * 86400.0), (4, 0.0)):
            clock.now += 40
            seat.tell(snapshot(clock.wall() + off_s, edges))
        marks = meshes.marks(SYSTEM, "m", hours=1, most=9)
        assert [mark.edges for mark in marks] == [1, 2, 3, 4]
        assert [round(clock.wall() - mark.at) for mark in marks] == [120, 80, 40, 0]
        assert [len(meshes.at(SYSTEM, "m", mark.at).edges) for mark in marks] == [1, 2, 3, 4]
        assert meshes.at(SYSTEM, "m", marks[1].at).at == marks[1].at
        assert len(meshes.at(SYSTEM, "m", 3e9).edges) == 4


def test_meshes_that_are_read_no_more_make_room() -> None:
    meshes = Meshes("kit1", Heard(), Hand().clock)
    for n in range(module.MOST_MESHES + 4):
        with meshes.offer(f"mesh{n}", ""):
            pass
    with meshes.offer("mesh0", ""):
        assert [one.mesh for one in meshes.snapshots(SYSTEM)] == ["mesh0"]
