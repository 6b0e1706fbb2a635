"""Brokers tried in turn, events sent anew, orders that lay somewhere: by a clock moved by hand."""

from __future__ import annotations

import random

import pytest

from adapters.mqtt.protocol.rotation import MOST_PATIENCE, MOST_S, PACE, Rotation
from adapters.mqtt.protocol.transit import SENDERS, Transit
from adapters.mqtt.protocol.window import MOST_S as WINDOW_MOST_S
from adapters.mqtt.protocol.window import Window


def test_every_broker_is_tried_before_anything_is_waited_for() -> None:
    turn = Rotation(["a", "b", "c"], "kit7", spread=False, chance=random.Random(1))
    tried = []
    for _ in range(3):
        assert turn.wait_s(100.0) == 0.0
        tried.append(turn.broker)
        turn.failed(100.0)
    assert tried == ["a", "b", "c"] and 0.5 <= turn.wait_s(100.0) <= 1.5 and turn.broker == "a"


def test_waits_double_up_to_a_minute_and_begin_anew_after_health() -> None:
    turn = Rotation(["a"], "kit7", chance=random.Random(2))
    now, waits = 0.0, []
    for _ in range(12):
        turn.failed(now)
        waits.append(turn.wait_s(now))
        now += waits[-1]
    assert waits[0] <= 1.5 and waits[3] >= 4.0 and all(w <= MOST_S * 1.5 for w in waits) and waits[-1] >= MOST_S / 2
    turn.failed(now, held_s=2.0)
    assert 2.0 <= turn.wait_s(now) <= 6.0, "the link comes and goes"
    turn.failed(now, held_s=60.0)
    assert turn.wait_s(now) <= 1.5
    turn.failed(now, at_least_s=30.0)
    assert 30.0 <= turn.wait_s(now) <= 45.0


def test_kits_begin_at_different_places_and_come_back_at_different_moments() -> None:
    places = {Rotation(["a", "b", "c"], f"kit{n}").broker for n in range(50)}
    assert places == {"a", "b", "c"}
    waits = []
    for number in range(200):
        turn = Rotation(["a", "b"], f"kit{number}", chance=random.Random(number))
        turn.failed(0.0, held_s=100.0)
        waits.append(turn.wait_s(0.0))
    assert max(waits) <= 1.0 and len({round(wait, 1) for wait in waits}) > 8
    with pytest.raises(ValueError):
        Rotation([], "kit7")


def test_what_nobody_acknowledges_is_sent_anew_ever_more_slowly() -> None:
    window = Window(3)
    window.sent(["1", "2"], 0.0)
    assert window.room == 1 and window.next_timer() == 10.0 and window.handle_timer(9.0) == []
    assert window.acknowledged(["1", "unknown"]) == ["1", "unknown"] and window.ids == ["2"]
    assert window.handle_timer(10.0) == ["2"] and window.room == 3 and window.next_timer() is None
    now = 10.0
    for _ in range(8):
        window.sent(["2"], now)
        due = window.next_timer()
        assert due is not None
        wait, now = due - now, due
        assert window.handle_timer(now) == ["2"]
    assert wait == WINDOW_MOST_S
    window.sent(["2"], now)
    window.reset()
    assert window.room == 3 and window.ids == []


def test_how_long_an_order_lay_somewhere_needs_no_clocks_that_agree() -> None:
    transit = Transit()
    assert transit.waited_s("run", 1000.0, 5.0) == 0.0
    assert transit.waited_s("run", 1010.0, 14.9) == 0.0, "a faster way"
    assert transit.waited_s("run", 1020.0, 84.9) == pytest.approx(60.0, abs=0.1)
    assert transit.waited_s("other", 1.0, 85.0) == 0.0, "another run counts anew"
    for number in range(SENDERS + 5):
        transit.waited_s(f"s{number}", 0.0, 90.0)
    assert transit.waited_s("run", 1030.0, 200.0) == 0.0, "forgotten, and bounded"


def test_those_who_are_let_go_together_come_back_one_after_the_other() -> None:
    """3,000 kits of one mosquitto that was killed: all at once they kept each other out for most of a minute."""
    waits = []
    for number in range(200):
        turn = Rotation(["a"], f"kit{number}", chance=random.Random(number))
        turn.failed(100.0, held_s=60.0, crowd=3000)
        waits.append(turn.wait_s(100.0))
    assert max(waits) <= 3000 / PACE and min(waits) < 1.5 and max(waits) > 0.8 * 3000 / PACE
    turn = Rotation(["a", "b", "c"], "kit1", chance=random.Random(1))
    turn.failed(100.0, held_s=60.0, crowd=3000)
    assert turn.wait_s(100.0) <= 1000 / PACE, "a third of them, and two brokers that take them"
    turn.failed(200.0, crowd=3000)
    assert turn.wait_s(200.0) == 0.0, "whoever was not held is no part of a crowd"


def test_patience_grows_where_none_answers_and_there_is_no_other() -> None:
    one, three = Rotation(["a"], "kit1"), Rotation(["a", "b", "c"], "kit1")
    assert (one.patience, three.patience) == (2, 1)
    for _ in range(3):
        three.failed(0.0)
    assert three.patience == 2, "a round"
    for _ in range(10):
        one.failed(0.0)
    assert one.patience == MOST_PATIENCE
    one.failed(0.0, held_s=3600.0)
    assert one.patience <= 3
