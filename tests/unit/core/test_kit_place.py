"""The best of several sources; jumps that are refused, and moves that are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.kit_place import _KINDS, OLD_S, RANKS, SILENT_S, TOLD_S, PlaceChooser, distance_m
from gateway.model.kit_state import Fix
from gateway.model.position import Datum, PositionSource

WALL = 1_800_000_000.0
HOME = Fix(104.06, 30.67, taken_at=WALL, accuracy_m=4.0)
AWAY = replace(HOME, longitude=104.5)  # 42 km


def told(places: PlaceChooser, name: str, fix: Fix, now: float, kind: str = "receiver") -> str:
    return places.take(name, kind, replace(fix, taken_at=WALL + now), WALL + now, now)


def by(places: PlaceChooser, now: float) -> tuple[str, str]:
    place, code = places.look(now)
    return (place.by if place else "", code)


def test_nobody_knows_then_somebody_does() -> None:
    places = PlaceChooser()
    assert places.look(0.0) == (None, "position-none")
    places.silent("gpsd", "receiver", "gnss-no-fix", 1.0)
    assert places.look(1.0) == (None, "gnss-no-fix")
    assert told(places, "gpsd", HOME, 2.0) == ""
    place, code = places.look(2.0)
    assert place is not None and code == "" and place.source is PositionSource.GNSS
    assert (place.by, place.taken_at, place.accuracy_m) == ("gpsd", WALL + 2, 4.0)
    assert by(places, 2.0 + SILENT_S) == ("gpsd", "")
    assert by(places, 3.0 + OLD_S) == ("gpsd", "position-old"), "it stands, and says that it is old"


@pytest.mark.parametrize("bad", [(0.0, 0.0), (181.0, 1.0), (1.0, -90.1), (float("nan"), 1.0), (1.0, float("inf"))])
def test_what_can_not_be_is_refused(bad: tuple[float, float]) -> None:
    places = PlaceChooser()
    assert told(places, "gpsd", HOME, 0.0) == ""
    assert told(places, "gpsd", replace(HOME, longitude=bad[0], latitude=bad[1]), 1.0) == "gnss-bad"
    assert by(places, 2.0) == ("gpsd", "gnss-bad"), "the last good place, and what is wrong"
    assert told(places, "gpsd", HOME, 3.0) == "" and by(places, 3.0) == ("gpsd", "")


def test_a_jump_is_refused_and_said_and_taken_when_it_stays() -> None:
    places = PlaceChooser()
    told(places, "gpsd", HOME, 0.0)
    assert told(places, "gpsd", AWAY, 1.0) == "gnss-jump"
    place, code = places.look(1.0)
    assert place is not None and (place.longitude, code) == (104.06, "gnss-jump")
    assert told(places, "gpsd", HOME, 2.0) == "" and by(places, 2.0) == ("gpsd", "gnss-jump")
    for second in range(3, 22):
        told(places, "gpsd", HOME, float(second))
    assert by(places, 1.0 + TOLD_S) == ("gpsd", "gnss-jump") and by(places, 1.1 + TOLD_S) == ("gpsd", "")
    codes = [told(places, "gpsd", AWAY, 23.0 + second) for second in range(40)]
    assert codes.count("gnss-jump") == 30 and codes[-1] == "", "it stays there for half a minute"
    place, code = places.look(62.0)
    assert place is not None and (place.longitude, code) == (104.5, ""), "it was carried there: no jump any more"


def test_a_receiver_that_jumps_about_is_never_taken() -> None:
    places = PlaceChooser()
    told(places, "gpsd", HOME, 0.0)
    for second in range(1, 200):
        assert told(places, "gpsd", replace(HOME, longitude=105.0 + second % 7), float(second)) == "gnss-jump"
    place, code = places.look(200.0)
    assert place is not None and place.longitude == 104.06 and code == "gnss-jump"


def test_one_that_jumps_each_other_second_is_one_trouble_and_no_flicker() -> None:
    places, codes = PlaceChooser(), set()
    for second in range(0, 60, 2):
        told(places, "gpsd", HOME, float(second))
        told(places, "gpsd", AWAY, second + 1.0)
        codes.add(by(places, second + 1.0)[1])
        told(places, "gpsd", HOME, second + 1.5)
        codes.add(by(places, second + 1.9)[1])
    assert codes == {"gnss-jump"}


@pytest.mark.parametrize("accuracy", [1e9, 4000.0, -1e9, float("inf"), float("nan")])
def test_who_says_that_it_may_be_anywhere_does_not_jump_for_that(accuracy: float) -> None:
    places = PlaceChooser()
    told(places, "gpsd", HOME, 0.0)
    code = told(places, "gpsd", replace(AWAY, accuracy_m=accuracy), 1.0)
    assert code == ("gnss-no-fix" if accuracy == 1e9 else "gnss-jump")
    assert places.look(1.0)[0].longitude == 104.06  # type: ignore[union-attr]


def test_absurd_figures_beside_a_place_are_left_out() -> None:
    places = PlaceChooser()
    assert told(places, "gpsd", replace(HOME, altitude_m=1e12, accuracy_m=-3.0), 0.0) == ""
    place, _ = places.look(0.0)
    assert place is not None and (place.altitude_m, place.accuracy_m) == (None, None)


def test_a_receiver_that_repeats_one_moment_is_stuck() -> None:
    """Replayed, or frozen: its sentences come each second, and nothing in them is of now."""
    places = PlaceChooser()
    for second in range(60):
        code = places.take("gpsd", "receiver", HOME, WALL, float(second))
    assert code == "gnss-stuck" and by(places, 60.0) == ("gpsd", "gnss-stuck")
    assert told(places, "gpsd", HOME, 61.0) == "" and by(places, 61.0) == ("gpsd", "")
    assert told(places, "gpsd", HOME, 61.0) == "", "some say each moment twice"
    lte = PlaceChooser()
    told(lte, "lte0", HOME, 0.0, "modem")
    for second in range(40):
        lte.take("gpsd", "receiver", HOME, WALL, float(second))
        told(lte, "lte0", HOME, float(second) + 0.5, "modem")
    assert lte.look(40.0)[0].by == "lte0", "one that moves on goes before it"  # type: ignore[union-attr]


def test_the_place_of_a_satellite_station_counts() -> None:
    places = PlaceChooser()
    assert told(places, "vsat", HOME, 0.0, "station") == "" and by(places, 0.0) == ("vsat", "")
    assert set(RANKS) == set(_KINDS)


def test_another_receiver_that_says_the_same_is_believed_at_once() -> None:
    places = PlaceChooser()
    told(places, "gpsd", HOME, 0.0)
    assert told(places, "gpsd", AWAY, 1.0) == "gnss-jump"
    assert told(places, "lte0", AWAY, 2.0, "modem") == ""


def test_a_drive_is_no_jump() -> None:
    places = PlaceChooser()
    for second in range(100):  # 300 km/h
        assert told(places, "gpsd", replace(HOME, longitude=104.06 + second * 0.00087), float(second)) == ""
    assert told(places, "gpsd", AWAY, 700.0) == "", "after ten minutes without a word it may be 40 km away"


def test_the_better_source_takes_over_when_it_has_spoken_for_a_while() -> None:
    places = PlaceChooser()
    told(places, "lte0", HOME, 0.0, "modem")
    told(places, "gpsd", HOME, 1.0)
    assert by(places, 1.0) == ("lte0", "")
    for second in range(2, 13):
        told(places, "gpsd", HOME, float(second))
        told(places, "lte0", HOME, float(second), "modem")
    assert by(places, 12.0) == ("gpsd", "")
    told(places, "lte0", HOME, 33.0, "modem")
    assert by(places, 33.5) == ("lte0", ""), "it speaks no more"
    places.gone("lte0")
    assert by(places, 34.0)[0] == "gpsd"


def test_a_written_place_is_the_last_resort() -> None:
    places = PlaceChooser()
    places.fixed(120.0, 30.0, Datum.CGCS2000, 12.0, WALL)
    place, code = places.look(0.0)
    assert place is not None and (place.by, place.source, place.altitude_m, code) == ("fixed", "manual", 12.0, "")
    assert told(places, "gpsd", HOME, 1.0) == "", "what is written down is no place to jump from"
    assert by(places, 1.0) == ("gpsd", "")
    assert by(places, 60.0)[0] == "gpsd", "a tunnel does not move the kit"
    assert by(places, 2 + OLD_S) == ("fixed", "")
    places.gone("fixed")
    assert by(places, 3 + OLD_S) == ("gpsd", "position-old")


def test_a_wrong_date_does_not_make_the_place_wrong() -> None:
    places = PlaceChooser()
    past = replace(HOME, taken_at=WALL - 1024 * 7 * 86400)  # the weeks of GPS wrapped
    assert places.take("nmea", "receiver", past, WALL, 0.0) == ""
    place, _ = places.look(0.0)
    assert place is not None and place.taken_at == WALL


def test_after_a_step_of_the_clock_the_age_is_right() -> None:
    places = PlaceChooser()
    places.stepped(5.0)
    told(places, "gpsd", HOME, 0.0)
    places.stepped(1e8)
    place, _ = places.look(1.0)
    assert place is not None and place.taken_at == WALL + 1e8
    places.gone("gpsd")
    places.stepped(-1e8)
    place, code = places.look(2.0)
    assert place is not None and (place.taken_at, code) == (WALL, "position-old")


def test_sources_have_an_end() -> None:
    places = PlaceChooser()
    codes = [told(places, f"x{number}", HOME, 0.0) for number in range(20)]
    assert codes == [""] * 16 + ["gnss-bad"] * 4
    assert told(places, "x0", HOME, 1.0) == ""
    assert places.take("new", "nonsense", HOME, WALL, 1.0) == "gnss-bad"


def test_distances() -> None:
    assert distance_m(104.06, 30.67, 104.06, 30.67) == 0
    assert 42_000 < distance_m(104.06, 30.67, 104.5, 30.67) < 42_200
    assert distance_m(179.999, 0, -179.999, 0) < 300
