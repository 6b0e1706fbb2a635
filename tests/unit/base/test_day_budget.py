"""Minutes within the last day."""

from __future__ import annotations

from gateway.base.day_budget import DAY_S, DayBudget


def test_what_stands_counts_and_what_is_a_day_old_does_not() -> None:
    now = 1000.0
    budget = DayBudget(lambda: now)
    end = budget.begin()
    now += 30
    assert budget.used_s() == 30
    end()
    now += 50
    end()  # again: it has ended
    assert budget.used_s() == 30
    other = budget.begin()
    now += DAY_S - 60
    assert budget.used_s() == DAY_S - 60 + 10  # twenty of the thirty are a day old
    other()
    now += DAY_S
    assert budget.used_s() == 0
