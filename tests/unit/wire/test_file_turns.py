"""Which file goes next, and what a refusal means."""

from __future__ import annotations

from gateway.wire.file_turns import AGAIN_AT_MOST, HELD, MOST_S, Fate, FileTurns


def test_what_is_refused_for_good_is_given_up_and_forgotten() -> None:
    turns = FileTurns()
    assert turns.refused("a", "inbox-full", 0.0) is Fate.LATER and turns.waiting(1.0) == ["a"]
    assert turns.refused("a", "too-large", 1.0) is Fate.NEVER and turns.waiting(1.0) == []


def test_what_can_not_be_taken_now_has_its_turn_later_and_ever_later() -> None:
    turns, now, waits = FileTurns(), 0.0, []
    for _ in range(8):
        assert turns.refused("a", "disk-full", now) is Fate.LATER
        began = now
        while turns.waiting(now):
            now += 1.0
        waits.append(now - began)
    assert waits == [30, 60, 120, 240, 480, MOST_S, MOST_S, MOST_S]
    turns.done("a")
    turns.refused("a", "disk-full", now)
    assert turns.waiting(now + 31) == []


def test_what_is_damaged_begins_anew_at_once_and_not_for_ever() -> None:
    turns = FileTurns()
    fates = [turns.refused("a", "file-damaged", 0.0) for _ in range(AGAIN_AT_MOST + 2)]
    assert fates == [Fate.AGAIN] * AGAIN_AT_MOST + [Fate.LATER, Fate.AGAIN]


def test_where_nobody_answers_another_is_tried_and_it_waits_no_longer_for_that() -> None:
    turns = FileTurns()
    for now in (0.0, 100.0, 200.0):
        turns.put_off("a", now)
        assert turns.waiting(now + 29) == ["a"] and turns.waiting(now + 31) == []


def test_it_remembers_a_bounded_number() -> None:
    turns = FileTurns()
    for number in range(HELD + 10):
        turns.refused(str(number), "disk-full", 0.0)
    assert len(turns.waiting(0.0)) == HELD and "0" not in turns.waiting(0.0)
