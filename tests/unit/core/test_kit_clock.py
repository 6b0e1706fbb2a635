"""Whose clock is believed: built when, recorded when, synchronised by whom, compared with whom."""

from __future__ import annotations

import pytest

from gateway.base.moment import TimeQuality
from gateway.core.kit_clock import KEPT_S, LONELY_S, ClockJudge, chrony_source

BUILT, NOW = 1_790_000_000.0, 1_800_000_000.0
NITZ, GNSS, NTP, UNSYNCED = TimeQuality.NITZ, TimeQuality.GNSS, TimeQuality.NTP, TimeQuality.UNSYNCED


def test_a_clock_before_the_build_is_never_believed() -> None:
    judge = ClockJudge(BUILT)
    state = judge.look(BUILT - 1, 0.0, synchronised=True, source="chrony ntp.example")
    assert (state.quality, state.code) == (UNSYNCED, "clock-past")
    assert judge.look(BUILT, 0.0, synchronised=True).quality is NTP


def test_a_clock_set_back_by_a_year_is_not_believed() -> None:
    judge = ClockJudge(BUILT - 4e8, last_record=NOW)
    state = judge.look(NOW - 365 * 86400, 5.0, synchronised=True, source="timesyncd")
    assert (state.quality, state.code) == (UNSYNCED, "clock-past")
    assert judge.look(NOW - 50, 5.0, synchronised=True).quality is NTP, "a clock may be a little behind its last record"
    judge.record(NOW + 1000)
    assert judge.look(NOW + 10, 6.0, synchronised=True).code == "clock-past"


def test_a_record_of_a_deceived_clock_yields_to_two_witnesses() -> None:
    judge = ClockJudge(BUILT, last_record=NOW + 365 * 86400)
    assert judge.look(NOW, 0.0, synchronised=True, source="chrony x").code == "clock-past"
    judge.told("gpsd", GNSS, 0.2, 1.0)
    state = judge.look(NOW, 2.0, synchronised=True, source="chrony x")
    assert (state.quality, state.code) == (NTP, "")
    lonely = ClockJudge(BUILT, last_record=NOW + 365 * 86400)
    lonely.told("gpsd", GNSS, 0.2, 1.0)
    assert lonely.look(NOW, 2.0, synchronised=False).code == "clock-past", "one alone may be the one that deceives"


def test_a_clock_that_was_ahead_by_a_year_is_not_distrusted_for_a_year() -> None:
    """Only a time server is there: after some hours it is believed, not before."""
    judge = ClockJudge(BUILT, last_record=NOW + 365 * 86400)
    for hour in range(6):
        assert judge.look(NOW, hour * 3600.0, synchronised=True, source="chrony x").code == "clock-past"
    assert judge.look(NOW, LONELY_S, synchronised=True, source="chrony x").quality is NTP
    assert judge.look(NOW, LONELY_S + 1, synchronised=True).code == ""
    lost = ClockJudge(BUILT, last_record=NOW + 365 * 86400)
    for at, synchronised in ((0.0, True), (LONELY_S / 2, False), (LONELY_S, True), (LONELY_S * 1.5, True)):
        assert lost.look(NOW, at, synchronised=synchronised).code == "clock-past", "it must last"
    built = ClockJudge(BUILT, last_record=NOW)
    for at in (0.0, LONELY_S, 2 * LONELY_S):
        assert built.look(BUILT - 1, at, synchronised=True).code == "clock-past", "never before the build"


@pytest.mark.parametrize(
    ("source", "quality"),
    [
        ("chrony GPS", GNSS), ("chrony PPS", GNSS), ("chrony 192.0.2.1", NTP), ("timesyncd", NTP), ("", NTP),
    ],
)  # fmt: skip
def test_by_what_synchronises(source: str, quality: TimeQuality) -> None:
    assert ClockJudge(BUILT).look(NOW, 0.0, synchronised=True, source=source).quality is quality


def test_a_network_or_receiver_makes_a_clock_good_or_says_that_it_is_off() -> None:
    judge = ClockJudge(BUILT)
    assert judge.look(NOW, 0.0, synchronised=False).code == "clock-unsynced"
    judge.told("lte0", NITZ, 12.0, 0.0)
    state = judge.look(NOW, 1.0, synchronised=False)
    assert (state.quality, state.source, state.off_s, state.code) == (NITZ, "lte0", 12.0, "")
    judge.told("gpsd", GNSS, 12.4, 1.0)
    state = judge.look(NOW, 2.0, synchronised=False)
    assert (state.quality, state.code, state.off_s) == (UNSYNCED, "clock-off", 12.4), "the receiver is the better judge"
    judge.stepped(-12.4)
    assert judge.look(NOW, 3.0, synchronised=False).quality is GNSS
    assert judge.look(NOW, KEPT_S + 3, synchronised=False).code == "clock-unsynced", "comparisons grow old"
    judge.told("gpsd", GNSS, 3600.0, 9000.0)
    state = judge.look(NOW, 9001.0, synchronised=True, source="chrony x")
    assert (state.quality, state.code) == (NTP, "clock-off")


def test_what_chrony_says() -> None:
    follows = "47505300,GPS,1,1700000000.1,0.000001,0.0,0.0,1.0,0.0,0.1,0.0,0.0,16.0,Normal"
    assert chrony_source(follows) == (True, "chrony GPS")
    assert chrony_source(follows.replace("GPS", "")) == (True, "chrony GPS")
    assert chrony_source("00000000,,0,0,0,0,0,0,0,0,0,0,0,Not synchronised") == (False, "chrony ")
    assert chrony_source("C0000201,192.0.2.1,3,0,0,0,0,0,0,0,0,0,0,Insert second") == (True, "chrony 192.0.2.1")
    for text in ("", "506 Cannot talk to daemon", "a,b,c"):
        assert chrony_source(text) is None
