"""What takes which link, and no haste: 30 minutes of borderline links, by seed, in time of the test's own."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from gateway.core.link_choice import Candidate, Choice, Tier, ranked
from gateway.core.link_judge import Judge, Standing
from gateway.model.link import TrafficClass as T


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


def weather(seed: int, steps: int) -> list[float]:
    """The share lost in each 100 ms: good, borderline and dead spells that follow each other by seed."""
    chance, made = random.Random(seed), []
    while len(made) < steps:
        loss = chance.choice((0.0, 0.02, 0.05, 0.15, 0.4, 1.0))
        made += [loss] * chance.randrange(3, 200)
    return made[:steps]


@pytest.mark.parametrize("seed", range(6))
def test_borderline_links_for_half_an_hour_do_not_flap(seed: int) -> None:
    """Two borderline links and a dear clean one. The plain rule (any three lost probes: down; any answer: up, the best
    first) is counted beside ours."""
    chance = random.Random(seed)
    steps = 30 * 60 * 10
    ways = {"lte-a": (weather(seed * 2 + 1, steps), 0.06), "lte-b": (weather(seed * 2 + 2, steps), 0.09)}
    judges = {name: Judge(0.0) for name in (*ways, "sat")}
    choice, plain, plain_moves, lost = Choice(T.CONTROL), "lte-a", 0, dict.fromkeys(judges, 0)
    coming: list[tuple[float, str, int]] = []
    changes: list[float] = []
    outage = 0
    for step in range(steps):
        now = step / 10
        for name, judge in judges.items():
            loss, rtt_s = (ways[name][0][step], ways[name][1]) if name in ways else (0.0, 0.58)
            if step % 2 == 0 and judge.wants(now):
                judge.sent(step, now)
                through = chance.random() >= loss
                lost[name] = 0 if through else lost[name] + 1
                if through:
                    coming.append((now + rtt_s, name, step))
        for at, name, number in [one for one in coming if one[0] <= now]:
            coming.remove((at, name, number))
            judges[name].answered(number, now)
        for judge in judges.values():
            judge.handle_timer(now)
        tiers = {Standing.GOOD: Tier.GOOD, Standing.BAD: Tier.NONE}
        links = [
            Candidate(
                name,
                Tier.LOSSY if judge.carries and judge.lossy else tiers.get(judge.standing, Tier.PROBATION),
                cost=10 * (name == "sat"),
                rtt_ms=(judge.srtt_s or 0) * 1000,
            )
            for name, judge in judges.items()
        ]
        if choice.update(now, links) and step:
            changes.append(now)
        best = next(name for name in judges if lost[name] < 3)
        plain_moves += best != plain
        plain = best
        outage += choice.order[0] in ways and ways[choice.order[0]][0][step] == 1.0
    assert len(changes) <= 30 and plain_moves > 3 * len(changes), (len(changes), plain_moves)
    assert outage / steps < 0.02, "it does not stay on what is dead"
    assert all(later - earlier > 0.5 for earlier, later in pairwise(changes))
