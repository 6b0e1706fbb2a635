"""A link is judged by what comes in by it."""

from __future__ import annotations

import random

from gateway.core.link_judge import Judge, Standing

INTERVAL = 0.2


class Way:
    """A judge and the way it asks by, in time of its own: steps of 10 ms, probes at their interval."""

    def __init__(self, rtt_s: float = 0.07, rest_s: float = INTERVAL) -> None:
        self.now, self.rtt_s, self.cut = 100.0, rtt_s, False
        self.judge = Judge(self.now)
        self.judge.rest_s = rest_s
        self.asked, self.bytes_s, self._counted = 0, 0, self.now
        self.loss, self.random = 0.0, random.Random(7)
        self._coming: list[tuple[float, int]] = []
        self._number, self._looked = 0, self.now
        self.changes: list[tuple[float, Standing]] = []

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now += 0.01
            if self.now >= self._counted + 1.0:
                self._counted += 1.0
                self.judge.traffic(self.now, 0 if self.cut else self.bytes_s, self.bytes_s, 1.0)
            if self.now - self._looked >= 0.02:
                self._looked = self.now
                if self.judge.wants(self.now):
                    self._number += 1
                    self.asked += 1
                    self.judge.sent(self._number, self.now)
                    if not self.cut and self.random.random() >= self.loss:
                        self._coming.append((self.now + self.rtt_s, self._number))
            before = self.judge.standing
            # A cut loses what is under way as well.
            for at, number in [one for one in self._coming if one[0] <= self.now]:
                self._coming.remove((at, number))
                if not self.cut:
                    self.judge.answered(number, self.now)
            if self.now >= self.judge.next_timer() or self.now == self._looked:
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
    judge, now, asked = Judge(0.0), 0.0, 0
    for _ in range(500):
        now += 0.05
        judge.passed(now, 0.05)
        judge.handle_timer(now)
        if judge.wants(now):
            asked += 1
            judge.sent(asked, now)
            judge.answered(asked, now + 0.04)
    assert judge.standing is Standing.GOOD and asked <= 28, "once a second, for what traffic does not say: its loss"
    judge.sent(asked, now)
    assert not judge.wants(now) and judge.wants(now + 0.2)


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
    judge.ask(False, 0.0)
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


def test_a_queue_that_fills_is_no_cut_for_long_and_its_late_answers_count() -> None:
    way = Way(0.07)
    way.run(20)
    way.rtt_s = 2.0
    way.run(3.5)
    assert way.judge.standing is not Standing.BAD, "what comes late says that it carries"
    way.run(30)
    assert way.judge.standing is Standing.GOOD and round(way.judge.srtt_s or 0) == 2
    slow = Way(2.5)
    slow.run(20)
    assert slow.judge.standing is Standing.GOOD, "longer than the first guess"


def test_loss_is_measured_while_traffic_says_that_it_carries() -> None:
    way = Way()
    way.loss = 0.2
    way.run(30)
    assert way.judge.lossy
    way.loss = 0.0
    for _ in range(600):
        way.run(0.1)
        way.judge.passed(way.now, 0.07)
    assert not way.judge.lossy


def test_standing_still_excuses_a_dead_link_once() -> None:
    judge = Judge(0.0)
    judge.sent(1, 0.1)
    judge.answered(1, 0.2)
    for tick in range(1, 6):
        judge.handle_timer(0.2 + tick)
    assert judge.standing is Standing.BAD


def test_an_interface_that_comes_back_is_no_fault_and_has_to_prove_itself() -> None:
    way = Way()
    way.run(20)
    way.judge.ask(False, way.now)  # it is unplugged
    way.now += 3600
    way.judge.handle_timer(way.now)
    way.judge.ask(True, way.now)
    way.judge.handle_timer(way.now)
    assert way.judge.standing is Standing.TRYING and way.judge.downs == 0
    way.run(1)
    assert way.judge.standing is Standing.GOOD


def test_without_probes_what_is_down_may_be_tried_again_and_is_good_when_something_passed() -> None:
    judge = Judge(0.0)
    judge.ask(False, 0.0)
    judge.passed(1.0, 0.05)
    judge.silenced(10.0)
    for second in range(11, 69):
        judge.handle_timer(float(second))
    assert judge.standing is Standing.BAD
    for second in range(69, 400):
        judge.handle_timer(float(second))
    assert judge.standing is Standing.PROBATION, "whoever said so may have ended long ago"
    judge.passed(400.0, 0.05)
    for second in range(401, 412):
        judge.handle_timer(float(second))
    assert judge.standing is Standing.GOOD


def test_a_link_that_spares_is_asked_seldom_at_rest_and_soon_in_doubt() -> None:
    way = Way(0.07, rest_s=30.0)
    way.run(20)
    before = way.asked
    way.run(3600)
    assert way.judge.standing is Standing.GOOD and 110 <= way.asked - before <= 130
    way.bytes_s = 5_000  # each way
    way.run(60)
    before = way.asked
    way.run(60)
    assert 90 <= way.asked - before <= 125, "a fiftieth of what passes"
    for rtt_s, bytes_s, within_s in ((0.07, 10_000, 3.5), (0.6, 10_000, 4.0), (0.07, 25_000, 3.0), (0.6, 60, 4.3)):
        way = Way(rtt_s, rest_s=30.0)
        way.bytes_s = bytes_s
        way.run(60)
        assert way.judge.standing is Standing.GOOD
        way.cut, cut_at = True, way.now
        way.run(20)
        at, standing = way.changes[-1]
        assert standing is Standing.BAD and at - cut_at <= within_s, (rtt_s, bytes_s, at - cut_at)
    way = Way(0.07, rest_s=30.0)
    way.run(60)
    way.cut, cut_at = True, way.now
    way.run(40)
    assert way.changes[-1][1] is Standing.BAD, "nothing passed: it is found at the next probe"
    before = way.asked
    way.run(600)
    assert way.asked - before <= 310, "what is down is asked seldom too"
    way.cut = False
    way.run(30)
    assert way.judge.standing is Standing.GOOD


def test_who_keeps_asking_raises_doubt_and_false_alarms_are_heard_ever_later() -> None:
    way = Way(0.07, rest_s=30.0)
    way.run(60)
    way.cut, cut_at = True, way.now
    way.judge.doubted(way.now)
    way.run(5)
    at, standing = way.changes[-1]
    assert standing is Standing.BAD and at - cut_at <= 1.7
    quiet = Way(0.07, rest_s=30.0)
    quiet.run(60)
    before = quiet.asked
    for _ in range(1800):  # something speaks to nobody by it, each second
        quiet.run(1.0)
        quiet.judge.traffic(quiet.now, 0, 90, 1.0)
    assert quiet.judge.standing is Standing.GOOD and quiet.asked - before <= 90
    quiet.judge.unsent(quiet.now)
    assert quiet.judge.unsure(quiet.now)
    for _ in range(20):
        quiet.now += 0.2
        quiet.judge.handle_timer(quiet.now)
    assert quiet.judge.standing is Standing.BAD, "the kernel takes no probe"
