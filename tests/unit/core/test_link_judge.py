"""A link is judged by what comes in by it."""

from __future__ import annotations

import random

from gateway.core.link_judge import Judge, Standing

INTERVAL = 0.2


class Way:
    """A judge and the way it asks by, in time of its own: steps of 10 ms, probes at their interval."""

    def __init__(self, rtt_s: float = 0.07) -> None:
        self.now, self.rtt_s, self.cut = 100.0, rtt_s, False
        self.judge = Judge(self.now)
        self.loss, self.random = 0.0, random.Random(7)
        self._coming: list[tuple[float, int]] = []
        self._number, self._next = 0, self.now
        self.changes: list[tuple[float, Standing]] = []

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now += 0.01
            if self.now >= self._next:
                self._next += INTERVAL
                if self.judge.wants(self.now):
                    self._number += 1
                    self.judge.sent(self._number, self.now)
                    if not self.cut and self.random.random() >= self.loss:
                        self._coming.append((self.now + self.rtt_s, self._number))
            before = self.judge.standing
            # A cut loses what is under way as well.
            for at, number in [one for one in self._coming if one[0] <= self.now]:
                self._coming.remove((at, number))
                if not self.cut:
                    self.judge.answered(number, self.now)
            self.judge.handle_timer(self.now)
            if self.judge.standing is not before:
                self.changes.append((self.now, self.judge.standing))


def test_a_cut_is_known_within_three_intervals_and_two_round_trips() -> None:
    for rtt_s in (0.001, 0.07, 0.56):
        for late in range(7):
            way = Way(rtt_s)
            way.run(20 + 0.03 * late)
            assert way.judge.standing is Standing.GOOD
            way.cut, cut_at = True, way.now
            way.run(6)
            (at, standing) = way.changes[-1]
            assert standing is Standing.BAD and way.judge.downs == 1
            assert at - cut_at <= 3 * INTERVAL + 2 * rtt_s + 0.011, (rtt_s, at - cut_at)


def test_it_returns_after_ten_good_seconds_and_later_each_time() -> None:
    way = Way()
    way.run(5)
    waits = []
    for _ in range(4):
        way.cut = True
        way.run(3)
        way.cut, mended = False, way.now
        way.run(120)
        assert way.judge.standing is Standing.GOOD
        waits.append(way.changes[-1][0] - mended)
    assert [round(wait, -1) for wait in waits] == [10, 20, 40, 80]
    way.run(700)
    way.cut = True
    way.run(3)
    way.cut, mended = False, way.now
    way.run(30)
    assert round(way.changes[-1][0] - mended, -1) == 10, "what was long ago is forgiven"


def test_a_fault_on_probation_begins_it_anew() -> None:
    way = Way()
    way.run(5)
    way.cut = True
    way.run(3)
    way.cut = False
    way.run(9)
    assert way.judge.standing is Standing.PROBATION and 0 < way.judge.probation_s(way.now) <= 2
    way.cut = True
    way.run(2)
    assert way.judge.standing is Standing.BAD and way.judge.downs == 1, "it had not been up again"


def test_traffic_is_as_good_as_probes_and_saves_them() -> None:
    judge, now = Judge(0.0), 0.0
    for _ in range(500):
        now += 0.05
        judge.passed(now, 0.05)
        judge.handle_timer(now)
    assert judge.standing is Standing.GOOD and not judge.wants(now) and judge.wants(now + 0.2)


def test_loss_makes_it_lossy_until_it_was_clean_for_a_while() -> None:
    way = Way()
    way.loss = 0.2
    way.run(30)
    assert way.judge.lossy and way.judge.standing is not Standing.TRYING
    way.loss = 0.0
    way.run(5)
    assert way.judge.lossy
    way.run(60)
    assert not way.judge.lossy and way.judge.standing is Standing.GOOD


def test_when_we_stood_still_ourselves_no_link_is_blamed() -> None:
    judge = Judge(0.0)
    judge.sent(1, 0.1)
    judge.answered(1, 0.2)
    judge.handle_timer(0.2)
    judge.handle_timer(9.0)
    assert judge.standing is Standing.GOOD
    judge.handle_timer(9.1)
    assert judge.standing is Standing.GOOD, "answers that waited are read first"
    for tenth in range(92, 120):
        judge.handle_timer(tenth / 10)
    assert judge.standing is Standing.BAD


def test_without_probes_only_who_asks_himself_can_tell() -> None:
    judge = Judge(0.0)
    judge.asks = False
    judge.passed(1.0, 0.05)
    for second in range(2, 100):
        judge.handle_timer(float(second))
    assert judge.standing is Standing.GOOD
    judge.silenced(100.0)
    assert judge.standing is Standing.BAD
    judge.passed(101.0)
    assert judge.standing is Standing.PROBATION


def test_answers_nobody_waits_for_say_nothing_and_what_waits_is_bounded() -> None:
    judge = Judge(0.0)
    assert not judge.answered(5, 1.0) and judge.standing is Standing.TRYING
    for number in range(10_000):
        judge.sent(number, 1.0)
    assert not judge.answered(3, 1.0) and judge.answered(9_999, 1.01) and not judge.answered(9_999, 1.02)
