"""Clocks wrong by a year: when an event of a kit was, by the center's clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.base.moment import Moment, TimeQuality
from gateway.core.restamp import dated, dates
from gateway.model.forward import Batch, ClockMark, Dating, Event, EventKind, Rank

NOW = 1_800_000_000.0
YEAR = 365 * 86400.0
GOOD, UNSET = TimeQuality.NTP, TimeQuality.UNSYNCED


def event(boot_id: str, mono: float, wall: float, quality: TimeQuality = UNSET, boot: int = 1, id_: str = "1") -> Event:
    return Event(id_, EventKind.ALARM, Rank.FIRST, "major", "{}", Moment(boot_id, mono, wall, quality), boot)


def sent(boot_id: str = "b", mono: float = 1000.0, wall: float = NOW - YEAR) -> Moment:
    return Moment(boot_id, mono, wall)


@pytest.mark.parametrize("off", [-YEAR, -3600.0, 0.0, 3600.0, YEAR])
def test_within_one_boot_the_kit_measures(off: float) -> None:
    assert dated(event("b", 400.0, NOW - 600 + off), sent(wall=NOW + off), {}, NOW) == (NOW - 600, Dating.MEASURED)


def test_a_good_clock_is_believed_within_what_the_way_takes() -> None:
    told = event("b", 400.0, NOW - 603, GOOD)
    assert dated(told, sent(), {}, NOW) == (NOW - 603, Dating.TOLD), "the batch took three seconds"
    wrong = event("b", 400.0, NOW + YEAR, GOOD)
    assert dated(wrong, sent(), {}, NOW) == (NOW - 600, Dating.MEASURED), "good is what the kit says of it"


def test_an_event_of_an_earlier_boot_is_dated_by_its_pair_of_clocks() -> None:
    marks = {"a": ClockMark("a", 500.0, NOW - 5000)}
    assert dated(event("a", 100.0, NOW - YEAR), sent(), marks, NOW) == (NOW - 5400, Dating.MARKED)
    future = {"a": ClockMark("a", 500.0, NOW + YEAR)}
    assert dated(event("a", 100.0, NOW - 7000, GOOD), sent(), future, NOW) == (NOW - 7000, Dating.TOLD)


def test_without_all_that_it_is_a_guess_and_never_the_future() -> None:
    assert dated(event("a", 100.0, NOW - YEAR / 2), sent(), {}, NOW) == (NOW - YEAR / 2, Dating.GUESSED)
    assert dated(event("a", 100.0, NOW + YEAR), sent(), {}, NOW) == (NOW, Dating.GUESSED)
    assert dated(event("a", 100.0, 0.0), sent(), {}, NOW) == (NOW, Dating.GUESSED), "1970"
    assert dated(event("b", 2000.0, NOW), sent(), {}, NOW) == (NOW, Dating.GUESSED), "after its own sending"


def test_a_batch_comes_in_the_order_in_which_things_happened() -> None:
    events = (event("b", 900.0, 1.0, boot=2, id_="c"), event("b", 800.0, 2.0, boot=2, id_="b"))
    batch = Batch((*events, event("a", 5000.0, 3.0, boot=1, id_="a")), sent())
    assert [one.id for one, _, _ in dates(batch, NOW)] == ["a", "b", "c"]


@given(st.floats(0, 1e7), st.floats(0, 2e9), st.sampled_from([GOOD, UNSET]), st.sampled_from(["a", "b", ""]))
def test_never_later_than_now(mono: float, wall: float, quality: TimeQuality, boot: str) -> None:
    marks = {"a": ClockMark("a", 5000.0, NOW - 10)}
    at, _ = dated(event(boot, mono, wall, quality), sent(mono=1e6), marks, NOW)
    assert at <= NOW
