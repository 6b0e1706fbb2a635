"""Who is refused first, and who gives way: docs/decisions/0010-conversion.md."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.convert.recipe import COPY, Recipe
from gateway.core.budget import Claim, Rank, admit, estimate, machine_cores, over, rank_of
from gateway.model.media import Codec, Track, TrackKind

FULL_HD = (Track(TrackKind.VIDEO, Codec.H265, 90_000, 1, 1920, 1080),)


def test_the_order() -> None:
    order = [
        rank_of(Recipe(COPY, "opus"), 1),
        rank_of(Recipe("h264", fps=1.0, height=480), 1),
        rank_of(Recipe("h264", height=360, fps=10.0), 1),
        rank_of(Recipe("h264"), 2),
        rank_of(Recipe("h264"), 1),
    ]
    assert order == [Rank.SOUND, Rank.STILLS, Rank.SMALL, Rank.SHARED, Rank.SINGLE] == sorted(order)


def test_estimates_follow_the_work() -> None:
    full = estimate(Recipe("h264"), FULL_HD, 25.0)
    low = estimate(Recipe("h264", height=360, fps=10.0), FULL_HD, 25.0)
    still = estimate(Recipe("h264", height=480, fps=1.0), FULL_HD, 25.0)
    sound = estimate(Recipe(COPY, "opus"), FULL_HD, 25.0)
    assert full > low > still > 0 and low > sound > 0
    assert estimate(Recipe("h264"), FULL_HD, 50.0) > 1.9 * full
    assert machine_cores() >= 1.0


def claims(*ranks: Rank, cores: float = 0.5) -> list[Claim]:
    return [Claim(rank, cores, since=float(at), key=at) for at, rank in enumerate(ranks)]


def test_full_pictures_for_one_are_refused_first_and_give_way_the_newest_first() -> None:
    running = claims(Rank.SINGLE, Rank.SINGLE, Rank.SHARED)
    assert admit(Claim(Rank.SINGLE, 0.5, 9.0), running, 1.5, 16) == (False, [])
    fits, gone = admit(Claim(Rank.SOUND, 0.05, 9.0), running, 1.5, 16)
    assert fits and [one.key for one in gone] == [1]
    fits, gone = admit(Claim(Rank.SMALL, 0.8, 9.0), running, 1.5, 16)
    assert fits and [one.key for one in gone] == [1, 0]
    # Nothing gives way where that would not help, and nothing of the same class ever.
    assert admit(Claim(Rank.SHARED, 1.3, 9.0), running, 1.5, 16) == (False, [])
    assert admit(Claim(Rank.SOUND, 0.05, 9.0), claims(Rank.SOUND, Rank.SOUND, Rank.SOUND), 1.5, 16) == (False, [])


def test_the_number_is_bounded_too_and_one_alone_always_runs() -> None:
    assert admit(Claim(Rank.SINGLE, 9.0, 0.0), [], 1.0, 16) == (True, [])
    running = claims(Rank.STILLS, Rank.SINGLE, cores=0.01)
    fits, gone = admit(Claim(Rank.STILLS, 0.01, 9.0), running, 4.0, 2)
    assert fits and [one.key for one in gone] == [1]
    assert admit(Claim(Rank.SINGLE, 0.01, 9.0), running, 4.0, 2) == (False, [])


def test_too_much_altogether_costs_the_worst_but_never_the_last() -> None:
    running = claims(Rank.SOUND, Rank.SINGLE, Rank.SHARED, cores=1.0)
    assert over(running, 3.0) is None
    assert over(running, 2.0) == running[1]
    assert over(running[:1], 0.1) is None


RANKS = st.sampled_from(list(Rank))
CLAIMS = st.lists(st.builds(Claim, RANKS, st.floats(0.01, 4.0), st.floats(0, 99)), max_size=12)


@given(CLAIMS, st.builds(Claim, RANKS, st.floats(0.01, 4.0), st.floats(0, 99)), st.floats(0.5, 8.0))
def test_only_later_classes_give_way_and_what_runs_then_fits(running: list[Claim], new: Claim, cores: float) -> None:
    running = [Claim(one.rank, one.cores, one.since, at) for at, one in enumerate(running)]
    fits, gone = admit(new, running, cores, 16)
    assert all(one.rank > new.rank for one in gone) and (fits or not gone)
    left = [one for one in running if one not in gone]
    if fits and left:
        assert sum(one.cores for one in left) + new.cores <= cores + 1e-9
    if not fits:
        # Even with all that may give way gone there would be no room.
        stay = [one for one in running if one.rank <= new.rank]
        assert stay and sum(one.cores for one in stay) + new.cores > cores
