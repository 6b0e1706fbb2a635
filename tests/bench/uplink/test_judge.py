"""What the figures of bench-uplink mean, on runs made by hand; and that items and pictures come back as they went."""

from __future__ import annotations

import itertools
import random
import socket

import pytest

from tests.bench.uplink import weather
from tests.bench.uplink.fragments import Cutter, Joiner
from tests.bench.uplink.framing import Port, picture, track
from tests.bench.uplink.judge import FASTEST_MS, TOLERANCE_MS, between, judge, resumed_s
from tests.bench.uplink.traffic import KEY_EVERY, PICTURE_BPS, Item, Kind, Sizes, pack, unpack

MS = 1_000_000


def sent(kind: Kind, count: int, each_ms: int) -> list[Item]:
    keys = (number % KEY_EVERY == 0 for number in range(count))
    return [Item(kind, key, number, number * each_ms * MS, 0, 100) for number, key in enumerate(keys)]


def came(items: list[Item], *, without: set[int] = frozenset(), delay_ms: float = 50) -> list[Item]:  # type: ignore[assignment]
    return [
        Item(one.kind, one.key, one.number, one.sent_ns, int(one.sent_ns + delay_ms * MS), one.length)
        for one in items
        if one.number not in without
    ]


def test_a_whole_run_has_no_gap_and_no_freeze() -> None:
    pictures = sent(Kind.PICTURE, 100, 40)
    seen = judge(Kind.PICTURE, pictures, came(pictures), 400)
    assert (seen.lost, seen.late, seen.in_time, seen.freeze_ms) == (0, 0, 1.0, 40)


def test_what_was_sent_before_the_window_is_built_on_and_not_counted() -> None:
    pictures = sent(Kind.PICTURE, 100, 40)
    seen = judge(Kind.PICTURE, pictures, came(pictures, without={3}), 400, 20 * 40 * MS)
    # The window begins in the group that is broken since picture 3.
    assert (seen.sent, seen.lost, seen.in_time, seen.freeze_ms) == (80, 0, 1.0, 31 * 40)
    assert judge(Kind.PICTURE, pictures, came(pictures), 400, 20 * 40 * MS).freeze_ms == 40


def test_a_missing_picture_stops_the_decoder_until_the_next_key() -> None:
    pictures = sent(Kind.PICTURE, 200, 40)
    seen = judge(Kind.PICTURE, pictures, came(pictures, without={60}), 400)
    # From 60 to 99 nothing can be shown; 59 and 100 can.
    assert (seen.lost, seen.freeze_ms) == (1, 41 * 40)


def test_three_missing_words_are_60_ms_of_silence() -> None:
    words = sent(Kind.VOICE, 500, 20)
    assert judge(Kind.VOICE, words, came(words, without={7, 8, 9, 30}), 200).gap_ms == 60


def test_what_is_behind_its_moment_is_late() -> None:
    words = sent(Kind.VOICE, 10, 20)
    limit = FASTEST_MS + 200 + TOLERANCE_MS
    assert judge(Kind.VOICE, words, came(words, delay_ms=limit), 200).late == 0
    seen = judge(Kind.VOICE, words, came(words, delay_ms=limit + 1), 200)
    assert (seen.lost, seen.late, seen.in_time, seen.gap_ms) == (0, 10, 0.0, 200)


def test_doubles_are_counted_and_the_first_counts() -> None:
    words = sent(Kind.VOICE, 10, 20)
    seen = judge(Kind.VOICE, words, came(words) + came(words, delay_ms=900), 200)
    assert (seen.twice, seen.late) == (10, 0)


def test_a_picture_resumes_with_the_first_that_can_be_shown() -> None:
    pictures = sent(Kind.PICTURE, 200, 40)
    outage = set(range(20, 80))
    # 80 to 99 came, but nothing they build on; 100 is a key picture, sent at 4 s.
    assert resumed_s(pictures, came(pictures, without=outage), 3_200 * MS) == pytest.approx(0.85)
    assert resumed_s(pictures, came(pictures[:20]), 3_200 * MS) is None


def test_a_window_is_by_the_time_of_sending() -> None:
    words = sent(Kind.VOICE, 100, 20)
    assert [one.number for one in between(reversed(words), 200 * MS, 260 * MS)] == [10, 11, 12]


def test_sizes_meet_the_rate() -> None:
    sizes = Sizes(3)
    total = sum(sizes.next(number % KEY_EVERY == 0) for number in range(25 * 200))
    assert total * 8 / 200 == pytest.approx(PICTURE_BPS, rel=0.05)


def test_items_come_back_through_fragments_in_any_order() -> None:
    item = pack(Kind.PICTURE, 5, 50_000, 77, key=True)
    parts = list(Cutter().cut(item))
    random.Random(1).shuffle(parts)
    joiner = Joiner()
    whole = [one for part in [*parts, *parts] if (one := joiner.take(part))]
    assert whole == [item]
    assert unpack(item, 99) == Item(Kind.PICTURE, True, 5, 77, 99, 50_000)
    with pytest.raises(ValueError, match="not what was sent"):
        unpack(item[:-1] + bytes([item[-1] ^ 1]), 99)


def test_pictures_come_back_through_a_frame_port() -> None:
    ours, theirs = (Port(one) for one in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    item = pack(Kind.PICTURE, 1, 130_000, 5, key=True)
    assert ours.write([track(), *picture(item, 3600, key=True)])
    assert theirs.read() == [item]
    ours.wire.close()
    assert theirs.read() == []
    theirs.wire.close()


def test_the_weather_is_the_seeds_and_one_path_is_cut_at_a_time() -> None:
    assert weather.cuts(1, 300) == weather.cuts(1, 300) != weather.cuts(2, 300)
    changes = sorted((at, set_["cut"]) for plan in weather.cuts(1, 300).values() for at, set_ in plan if "cut" in set_)
    assert len(changes) >= 58
    assert all(one[1] != other[1] for one, other in itertools.pairwise(changes))
