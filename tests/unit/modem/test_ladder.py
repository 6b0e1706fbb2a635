"""Which step back comes when: not before its time, later each round, and from the bottom after a long good time."""

from __future__ import annotations

import itertools

import pytest

from adapters.modem.face import Step
from adapters.modem.ladder import BACK_S, FIRST_S, PAUSES_S, SELDOM_S, Ladder, Trouble


def climbed(ladder: Ladder, trouble: Trouble, seconds: int, now: float = 0.0) -> list[tuple[float, Step]]:
    """Looked at each second."""
    out = []
    for second in range(seconds):
        if (climb := ladder.take(trouble, now + second)) is not None:
            out.append((now + second, climb.step))
    return out


def test_a_round_at_once_the_next_later() -> None:
    steps = climbed(Ladder(tuple(Step)), Trouble.SILENT, 400)
    assert [step for _, step in steps[:4]] == [Step.RETRY, Step.REOPEN, Step.RESET, Step.POWER]
    starts = [at for at, step in steps if step is Step.RETRY]
    ends = [at for at, step in steps if step is Step.POWER]
    assert [start - end for start, end in zip(starts[1:], ends, strict=False)] == list(PAUSES_S[1:4])


@pytest.mark.parametrize("trouble", [Trouble.GONE, Trouble.NOT_SHOWN])
def test_power_is_cut_seldom(trouble: Trouble) -> None:
    """A modem that takes half a minute to start is not cut off each time before it is there."""
    cuts = [at for at, step in climbed(Ladder(tuple(Step)), trouble, 7200)]
    assert cuts[0] == FIRST_S[trouble] and len(cuts) <= 7
    gaps = [after - before for before, after in itertools.pairwise(cuts)]
    assert gaps == sorted(gaps) and gaps[0] == SELDOM_S[1] and gaps[-1] == SELDOM_S[-1]


def test_without_the_steps_nothing_is_done() -> None:
    ladder = Ladder((Step.RETRY, Step.REOPEN, Step.RADIO, Step.RESET))
    assert climbed(ladder, Trouble.GONE, 3600) == [] and ladder.recoveries() == ()


def test_it_begins_at_the_bottom_when_all_was_well_for_long() -> None:
    ladder = Ladder(tuple(Step))
    assert [step for _, step in climbed(ladder, Trouble.NO_DATA, 2)] == [Step.RETRY, Step.RADIO]
    ladder.well(100.0)
    assert [step for _, step in climbed(ladder, Trouble.NO_DATA, 1, 100.0)] == [Step.RESET]
    ladder.well(100.0 + BACK_S[Trouble.NO_DATA])
    assert [step for _, step in climbed(ladder, Trouble.NO_DATA, 1, 900.0)] == [Step.RETRY]
    assert [(one.step, one.count) for one in ladder.recoveries()] == [("retry", 2), ("radio", 1), ("reset", 1)]


def test_a_trouble_that_came_and_went_begins_anew() -> None:
    ladder = Ladder(tuple(Step))
    assert ladder.peek(Trouble.GONE, 0.0) is None
    ladder.answers(10.0)
    assert ladder.peek(Trouble.GONE, 50.0) is None, "it is gone since 50, not since 0"
    assert ladder.peek(Trouble.GONE, 50.0 + FIRST_S[Trouble.GONE]) is Step.POWER
