"""What passed in a period, whatever the clock does."""

from __future__ import annotations

from gateway.core.link_quota import Use, period

YEAR = 365 * 86_400.0
NOW = 1_796_000_000.0  # 2026-11-30


def test_periods() -> None:
    assert period(NOW, "day", 1) == "2026-11-30" and period(NOW, "month", 1) == "2026-11-01"
    assert period(NOW - 20 * 86_400, "month", 15) == "2026-10-15"
    assert period(1_767_225_600.0, "month", 28) == "2025-12-28"
    assert period(0.0, "month", 28) == "1970-01-28" and period(1e18, "day", 1) == "1970-01-01"


def test_counters_may_begin_anew_and_the_interface_be_another() -> None:
    use = Use()
    for interface, total in (("wwan0", 1000), ("wwan0", 1500), ("wwan1", 70), ("wwan1", 100), ("wwan1", 40)):
        use.count(interface, total)
    assert use.used == 500 + 30 + 40, "what had passed before we looked is none of ours"


def test_a_clock_set_back_by_a_year_gives_nothing_back() -> None:
    use = Use("2026-11-01", 900)
    assert not use.turn(10.0, NOW, "month", 1)
    assert not use.turn(20.0, NOW - YEAR, "month", 1) and use.used == 900
    assert not use.turn(30.0, NOW, "month", 1) and use.used == 900
    assert use.turn(40.0, NOW + 5 * 86_400, "month", 1) and (use.period, use.used) == ("2026-12-01", 0)
    use.used = 5
    assert use.turn(50.0 + 32 * 86_400, NOW, "month", 1) and use.period == "2026-11-01", "it is not stuck for ever"
