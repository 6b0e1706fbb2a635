"""When something is said, and when not."""

from __future__ import annotations

from adapters.panel.announcer import HOUR_S, Announcer
from gateway.model.kit_state import FieldState, FieldWord

READY, AWAY = FieldState(FieldWord.READY, ""), FieldState(FieldWord.CONNECTING, "field-no-link")
HELP = FieldState(FieldWord.TECHNICIAN, "field-no-center")


def test_the_newest_word_after_a_pause_and_none_in_between() -> None:
    voice = Announcer(20.0, 12, 0.0)
    assert voice.take(0.0, None) is None
    voice.put(AWAY)
    assert voice.take(0.0, None) is AWAY and voice.take(1.0, None) is None
    voice.put(READY)
    assert voice.take(5.0, None) is None and voice.due_in(5.0, None) == 15.0
    voice.put(HELP)
    assert voice.take(20.0, None) is HELP, "what came between is never said"
    voice.put(AWAY)
    voice.put(HELP)
    assert voice.take(60.0, None) is None, "it is as it was said"


def test_a_reason_under_ready_is_no_news() -> None:
    voice = Announcer(20.0, 12, 0.0)
    voice.put(READY)
    assert voice.take(0.0, None) is READY
    voice.put(FieldState(FieldWord.READY, "battery-low"))
    assert voice.take(100.0, None) is None


def test_quiet_hours_over_midnight() -> None:
    voice = Announcer(20.0, 12, 0.0, (22 * 60, 6 * 60))
    voice.put(HELP)
    for minute in (22 * 60, 23 * 60 + 59, 0, 5 * 60 + 59):
        assert voice.take(0.0, minute) is None
    assert voice.take(0.0, 6 * 60) is HELP
    day = Announcer(20.0, 12, 0.0, (12 * 60, 13 * 60))
    day.put(HELP)
    assert day.take(0.0, 12 * 60 + 30) is None and day.take(0.0, 13 * 60) is HELP
    unknown = Announcer(20.0, 12, 0.0, (0, 24 * 60))
    unknown.put(HELP)
    assert unknown.take(0.0, None) is HELP, "a clock that is not set knows no night"


def test_so_many_an_hour() -> None:
    voice, said = Announcer(5.0, 3, 0.0), 0
    for second in range(0, 3600, 10):
        voice.put(READY if second % 20 else AWAY)
        said += voice.take(float(second), None) is not None
    assert said == 3
    voice.put(HELP)
    assert voice.take(3599.0, None) is None and 0 < voice.due_in(3599.0, None) <= 1.0
    assert voice.take(HOUR_S, None) is HELP


def test_a_call_for_help_is_repeated() -> None:
    voice = Announcer(20.0, 12, 300.0)
    voice.put(HELP)
    assert voice.take(0.0, None) is HELP and voice.take(299.0, None) is None and voice.take(300.0, None) is HELP
    voice.put(AWAY)
    assert voice.take(400.0, None) is AWAY and voice.take(4000.0, None) is None


def test_what_was_not_heard_is_said_again() -> None:
    voice = Announcer(20.0, 12, 0.0)
    voice.put(READY)
    assert voice.take(0.0, None) is READY
    voice.failed()
    assert voice.take(19.0, None) is None and voice.take(20.0, None) is READY


def test_a_call_that_is_repeated_leaves_room_for_news() -> None:
    """By the defaults: a repetition each five minutes is all of an hour's sayings."""
    voice = Announcer(20.0, 12, 300.0)
    voice.put(HELP)
    said = sum(voice.take(float(second), None) is not None for second in range(0, 4000, 10))
    assert 9 <= said <= 12
    voice.put(READY)
    assert voice.take(4000.0, None) is READY, "it is over: that does not wait"
