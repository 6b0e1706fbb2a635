"""What is sent of pictures as links thin out and come back: figures and time by hand."""

from __future__ import annotations

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.uplink.ladder import NEED_BPS, WAIT_MOST_S, WAIT_S, Ladder, Step


class Links:
    """Links that carry `carries` bit/s, and claim no more than they were tried with (as the bundle does)."""

    def __init__(self, ladder: Ladder, carries: float) -> None:
        self.ladder, self.carries, self.now = ladder, carries, 0.0
        self.changes: list[tuple[float, str, Step]] = []
        self.names: list[str] = []

    def add(self, name: str, usable_bps: float | None = None) -> Step:
        self.names.append(name)
        return self.ladder.add(name, self.now, usable_bps)

    def sent(self) -> float:
        return sum(NEED_BPS[self.ladder.step(name)] for name in self.names)

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            sent = self.sent()
            claims = min(self.carries, sent * 1.6 + 50_000)
            for name, step in self.ladder.look(self.now, claims, sent > self.carries):
                self.changes.append((self.now, name, step))


def test_what_fits_stays_as_it_is() -> None:
    links = Links(Ladder(), 8e6)
    assert links.add("ball") is Step.MAIN
    links.run(600)
    assert links.changes == []


def test_down_to_what_fits_at_once_and_back_by_trials() -> None:
    links = Links(Ladder(), 8e6)
    links.add("ball")
    links.run(20)
    links.carries = 400_000
    links.run(3)
    assert links.ladder.step("ball") is Step.LOW and links.changes[-1][0] <= 23
    links.carries = 8e6
    links.run(120)
    assert links.ladder.step("ball") is Step.MAIN
    assert [step for _, _, step in links.changes] == [Step.LOW, Step.SUB, Step.MAIN]


def test_only_stills_are_left_on_the_thinnest_link() -> None:
    links = Links(Ladder(), 40_000)
    links.add("ball")
    links.run(10)
    assert links.ladder.step("ball") is Step.STILLS
    links.carries = 2_000
    links.run(300)
    assert links.ladder.step("ball") is Step.STILLS, "stills go on, slowly: nothing smaller helps"


def test_trials_that_do_not_hold_become_rare() -> None:
    links = Links(Ladder(), 400_000)
    links.add("ball")
    links.run(1200)
    ups = [at for at, _, step in links.changes if step is Step.SUB]
    assert links.ladder.step("ball") is Step.LOW
    gaps = [later - earlier for earlier, later in itertools.pairwise(ups)]
    assert gaps and gaps[0] >= WAIT_S and all(gap >= WAIT_MOST_S for gap in gaps[-3:])


def test_the_largest_gives_way_first_and_the_smallest_comes_back_first() -> None:
    links = Links(Ladder(), 20e6)
    links.add("a")
    links.add("b")
    links.run(20)
    links.ladder.measured("a", Step.MAIN, 6e6)
    links.carries = 6.2e6
    links.run(5)
    assert (links.ladder.step("a"), links.ladder.step("b")) == (Step.SUB, Step.MAIN)
    links.carries = 1e6
    links.run(5)
    assert links.ladder.step("a") >= Step.LOW and links.ladder.step("b") >= Step.SUB
    links.carries = 20e6
    links.run(200)
    assert links.ladder.step("a") == links.ladder.step("b") == Step.MAIN


def test_a_step_that_can_not_be_had_is_passed_over() -> None:
    ladder = Ladder()
    links = Links(ladder, 1.5e6)
    links.add("ball")
    links.run(5)
    assert ladder.step("ball") is Step.SUB
    assert ladder.without("ball", Step.SUB) is Step.LOW
    links.carries = 8e6
    links.run(60)
    assert ladder.step("ball") is Step.MAIN and Step.SUB not in [step for _, _, step in links.changes[1:]]
    ladder.again("ball")
    links.carries = 1.5e6
    links.run(5)
    assert ladder.step("ball") is Step.SUB


def test_who_comes_onto_a_thin_link_begins_small() -> None:
    links = Links(Ladder(), 300_000)
    assert links.add("ball", 100_000) is Step.PICTURES
    assert Links(Ladder(), 8e6).add("ball", 6e6) is Step.MAIN


def test_without_pictures_nothing_is_judged() -> None:
    ladder = Ladder()
    assert ladder.look(1.0, 0.0, True) == []
    ladder.add("ball", 1.0)
    ladder.remove("ball")
    ladder.remove("ball")
    assert ladder.look(50.0, 9e9, False) == []


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_the_links_do_it_never_leaves_the_ladder(seed: int) -> None:
    rng = random.Random(seed)
    ladder, names, now = Ladder(), [], 0.0
    for _ in range(200):
        now += rng.random() * 3
        if rng.random() < 0.1:
            names.append(f"p{len(names)}")
            ladder.add(names[-1], now, rng.choice([None, rng.random() * 1e7]))
        if names and rng.random() < 0.1:
            name = rng.choice(names)
            ladder.measured(name, rng.choice(list(Step)), rng.random() * 1e7)
            if rng.random() < 0.3:
                ladder.without(name, rng.choice([Step.SUB, Step.LOW, Step.PICTURES]))
        for name, step in ladder.look(now, rng.random() * 1e7, rng.random() < 0.5):
            assert ladder.step(name) is step and name in names
    assert all(ladder.step(name) in Step for name in names)
