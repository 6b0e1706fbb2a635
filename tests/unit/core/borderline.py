"""Half an hour of borderline links, by seed, in time of the test's own: our rule beside the plain one."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from gateway.core.link_choice import Candidate, Choice, Tier
from gateway.core.link_judge import Judge, Standing
from gateway.model.link import TrafficClass

STEP_S, STEPS = 0.1, 30 * 60 * 10


@dataclass
class Told:
    changes: list[float] = field(default_factory=list)  # when control went by another link
    plain: int = 0  # how often it would have by: three lost probes are down, an answer is up, the best first
    dead: float = 0.0  # share of the time on a link that carried nothing


def weather(seed: int) -> list[float]:
    """The share lost in each 100 ms: good, borderline and dead spells that follow each other by seed."""
    chance, made = random.Random(seed), list[float]()
    while len(made) < STEPS:
        made += [chance.choice((0.0, 0.02, 0.05, 0.15, 0.4, 1.0))] * chance.randrange(3, 200)
    return made[:STEPS]


def half_an_hour(seed: int) -> Told:
    """Two borderline links and a clean one with a long way."""
    chance, told = random.Random(seed), Told()
    ways = {"lte-a": (weather(seed * 2 + 1), 0.06), "lte-b": (weather(seed * 2 + 2), 0.09)}
    judges = {name: Judge(0.0) for name in (*ways, "sat")}
    choice, plain, lost = Choice(TrafficClass.CONTROL), "lte-a", dict.fromkeys(judges, 0)
    coming: list[tuple[float, str, int]] = []
    dead = 0
    for step in range(STEPS):
        now = step * STEP_S
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
        links = [Candidate(name, _tier(one), 0, False, (one.srtt_s or 0) * 1000) for name, one in judges.items()]
        if choice.update(now, links) and step:
            told.changes.append(now)
        best = next(name for name in judges if lost[name] < 3)
        told.plain += best != plain
        plain = best
        dead += choice.order[0] in ways and ways[choice.order[0]][0][step] == 1.0
    told.dead = dead / STEPS
    return told


def _tier(judge: Judge) -> Tier:
    if judge.carries and judge.lossy:
        return Tier.LOSSY
    return {Standing.GOOD: Tier.GOOD, Standing.BAD: Tier.NONE}.get(judge.standing, Tier.PROBATION)
