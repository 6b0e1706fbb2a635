"""What takes which link, and no haste."""

from __future__ import annotations

from itertools import pairwise

import pytest

from gateway.core.link_choice import Candidate, Choice, Tier, ranked
from gateway.model.link import TrafficClass as T
from tests.unit.core.borderline import half_an_hour


def names(traffic: T, *links: Candidate) -> list[str]:
    return [one.name for one in ranked(traffic, links)]


def test_each_class_has_its_own_order() -> None:
    wire = Candidate("wire", Tier.LOSSY, rtt_ms=5)
    lte = Candidate("lte", Tier.GOOD, cost=10, metered=True, rtt_ms=60)
    sat = Candidate("sat", Tier.GOOD, cost=5, rtt_ms=580)
    assert names(T.VOICE, wire, lte, sat) == ["lte", "sat", "wire"]
    assert names(T.VIDEO, wire, lte, sat) == ["sat", "lte", "wire"]
    assert names(T.BULK, lte, sat) == ["sat", "lte"]
    only = Candidate("mesh", Tier.GOOD, classes=frozenset({T.VOICE}))
    assert names(T.BULK, only) == [] and names(T.VOICE, only) == ["mesh"]
    back = Candidate("back", Tier.PROBATION)
    assert names(T.DATA, back, wire) == ["wire"] and names(T.DATA, back) == ["back"]
    assert names(T.DATA, Candidate("down", Tier.NONE)) == []


def test_a_link_that_is_not_fit_is_left_at_once_and_a_better_one_waited_for() -> None:
    choice = Choice(T.CONTROL)
    near, far = Candidate("near", Tier.GOOD, rtt_ms=20), Candidate("far", Tier.GOOD, rtt_ms=500)
    assert choice.update(0.0, [far]) and choice.order == ("far",)
    assert not choice.update(1.0, [far, near]) and choice.order == ("far", "near")
    assert choice.next_timer(1.0) == 11.0
    assert not choice.update(10.9, [far, near])
    assert choice.update(11.0, [far, near]) and choice.order == ("near", "far")
    assert choice.update(12.0, [far, Candidate("near", Tier.NONE)]) and choice.order == ("far",)
    assert not choice.update(13.0, [far, near]) and not choice.update(30.0, [far, near]), "longer after each change"
    assert choice.update(33.1, [far, near]) and choice.moves == 3
    assert choice.update(34.0, []) and choice.order == ()


@pytest.mark.parametrize("seed", range(6))
def test_borderline_links_for_half_an_hour_do_not_flap(seed: int) -> None:
    """Changes are few, and beside the plain rule's very few; it does not stay on what is dead."""
    told = half_an_hour(seed)
    assert len(told.changes) <= 30 and told.plain > 3 * len(told.changes), (len(told.changes), told.plain)
    assert told.dead < 0.02, told.dead
    back = [later - earlier for earlier, later in pairwise(told.changes)]
    assert sum(one <= 0.5 for one in back) <= 1, ("two links that end together may follow each other", back)


def test_two_that_are_better_in_turn_are_no_reason_to_stay() -> None:
    choice = Choice(T.CONTROL)
    held = Candidate("held", Tier.LOSSY)
    assert choice.update(0.0, [held])
    for second in range(1, 30):
        one, two = Candidate("one", Tier.GOOD, cost=second % 2), Candidate("two", Tier.GOOD, cost=1 - second % 2)
        choice.update(float(second), [held, one, two])
    assert choice.order[0] != "held"
