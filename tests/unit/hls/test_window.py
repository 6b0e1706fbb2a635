"""Records of the media plane, the window of segments, playlists and tickets."""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hls.clock import HZ
from adapters.hls.playlist import codecs_of, media, multivariant
from adapters.hls.records import MOST, Kind, Record, Records
from adapters.hls.tickets import Tickets
from adapters.hls.window import Segment, Window, first_of
from gateway.base.errors import Denied, GatewayError, RemoteProtocolError
from tests.peers.hls_rules import Rules

NOW = 1_790_000_000.0
AVC = b"\0\0\0\x20ftypiso5" + b"....avcC\x01\x64\x00\x1f" + b"mp4a"


def wire(kind: Kind, data: bytes = b"", *, key: bool = False, begin: int = 0, duration: int = 0) -> bytes:
    return struct.pack(">IBBHqI", 16 + len(data), kind, key, 0, begin, duration) + data


def part(begin_s: float, duration_s: float = 0.2, *, key: bool = False, size: int = 100) -> Record:
    return Record(Kind.PART, key, round(begin_s * HZ), round(duration_s * HZ), bytes(size))


INIT = Record(Kind.INIT, False, 0, 0, AVC)
END = Record(Kind.SEGMENT_END, False, 0, 0, b"")
BREAK = Record(Kind.DISCONTINUITY, False, 0, 0, b"")


def a_window(segments: int, *, most: int = 8, parts: int = 10, most_bytes: int = 1_000_000) -> Window:
    window = Window(segments=most, most_bytes=most_bytes)
    window.take(INIT, NOW)
    for number in range(segments):
        for place in range(parts):
            at = number * 2.0 + place * 0.2
            window.take(part(at, key=place == 0), NOW + at)
        window.take(END, NOW)
    return window


def text(window: Window) -> str:
    return media(window, segment_s=2.0, part_s=0.2)


def test_records_cut_anywhere() -> None:
    data = (
        wire(Kind.INIT, b"init") + wire(Kind.PART, b"part", key=True, begin=-5, duration=18000) + wire(Kind.SEGMENT_END)
    )
    for step in (1, 3, 7, len(data)):
        records = Records()
        got = [one for at in range(0, len(data), step) for one in records.feed(data[at : at + step])]
        assert [one.kind for one in got] == [Kind.INIT, Kind.PART, Kind.SEGMENT_END]
        assert got[1] == Record(Kind.PART, True, -5, 18000, b"part")


@given(st.binary(max_size=200))
def test_records_of_anything(data: bytes) -> None:
    try:
        list(Records().feed(data))
    except RemoteProtocolError:
        pass


@pytest.mark.parametrize("length", [0, 15, MOST + 1])
def test_records_of_a_wrong_length(length: int) -> None:
    with pytest.raises(RemoteProtocolError):
        list(Records().feed(struct.pack(">IBBHqI", length, 1, 0, 0, 0, 0)))


def test_playlists_over_time_keep_the_rules() -> None:
    rules, window = Rules(""), a_window(2)
    for number in range(2, 30):
        for place in range(10):
            at = number * 2.0 + place * 0.2
            window.take(part(at, key=place == 0), NOW + at)
            assert rules.check(text(window)).next_part == window.next_part == (number, place + 1)
        window.take(END, NOW)
        assert rules.check(text(window)).next_part == (number + 1, 0)
    assert len(window.segments) == 9 and window.first == 21
    assert text(window).count("#EXT-X-PART:") < 60, "parts are listed near the end only"


def test_parts_of_a_segment_that_does_not_end_stay_listed() -> None:
    """A camera whose key frames come seldom: there is nothing else that tells of what is newest."""
    rules, window = Rules(""), a_window(2)
    for place in range(75):
        window.take(part(4.0 + place * 0.2, key=place == 0), NOW + 4.0 + place * 0.2)
        assert rules.check(text(window)).next_part == (2, place + 1)
        assert f'URI="part-2-{place}.m4s"' in text(window)


def test_what_a_blocked_reload_waits_for() -> None:
    window = a_window(2)
    assert window.has(1, None) and not window.has(2, None) and not window.has(2, 0)
    window.take(part(4.0, key=True), NOW)
    assert window.has(2, 0) and not window.has(2, 1) and not window.has(2, None)
    assert window.has(1, 99), "a part beyond a whole segment is the next segment's"
    window.take(END, NOW)
    assert window.has(2, None) and window.segment(2) and not window.segment(3) and not window.part(0, 10)


def test_a_source_that_changes() -> None:
    """Another init: a discontinuity and a map of its own; the same again changes nothing."""
    window = a_window(2)
    window.take(INIT, NOW)
    window.take(part(4.0, key=True), NOW)
    assert "#EXT-X-DISCONTINUITY" not in text(window)
    window.take(Record(Kind.INIT, False, 0, 0, AVC + b"other"), NOW)
    window.take(part(0.0, key=True), NOW + 60)
    lines = text(window).splitlines()
    at = lines.index("#EXT-X-DISCONTINUITY")
    assert lines[at + 1] == '#EXT-X-MAP:URI="init-1.mp4"' and 'URI="init-0.mp4"' in text(window)
    for _ in range(12):
        window.take(END, NOW)
        window.take(part(0.0, key=True), NOW)
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:1" in text(window) and list(window.inits) == [1]


def test_after_an_outage() -> None:
    window = a_window(1)
    window.take(BREAK, NOW)
    window.take(part(500.0, key=True), NOW + 100.2)
    assert window.segments[-1].discontinuity and since(window.segments[-1]) == pytest.approx(100)


def since(segment: Segment) -> float:
    """Seconds from NOW to its date; as a difference, for a part in a million of NOW is half an hour."""
    return round(segment.wall - NOW, 6)


def dates(window: Window) -> list[str]:
    return [line.partition(":")[2] for line in text(window).splitlines() if "PROGRAM-DATE-TIME" in line]


def test_what_was_cached_does_not_put_the_clock_ahead() -> None:
    """A source's connection, or our own reading, begins with what was there already, all at once."""
    window = Window(segments=8, most_bytes=1_000_000)
    window.take(INIT, NOW)
    for place in range(6):  # taken within the 1.2 s before
        window.take(part(place * 0.2, key=place == 0), NOW)
    for place in range(6, 10):
        window.take(part(place * 0.2), NOW + (place - 5) * 0.2)
    window.take(END, NOW + 0.8)
    (first,) = window.segments
    assert since(first) == pytest.approx(-1.2)
    assert dates(window)[0].endswith(".800Z")
    # Afterwards it stands, however soon or late a part comes: what was told does not change, and lengths fit dates.
    for place in range(10):
        window.take(part(2.0 + place * 0.2, key=place == 0), NOW + 0.5 + place * 0.2)
    assert [since(segment) for segment in window.segments] == pytest.approx([-1.2, 0.8])


def test_what_was_cached_after_an_outage_is_put_right_with_the_next_segment() -> None:
    rules, window = Rules(""), a_window(1)
    rules.check(text(window))
    window.take(BREAK, NOW)
    for place in range(10):
        at = NOW + 100 + max(0.0, (place - 4) * 0.2)
        window.take(part(500.0 + place * 0.2, key=place == 0), at)
        rules.check(text(window))
    window.take(END, NOW + 101)
    told = dates(window)
    window.take(part(502.0, key=True), NOW + 101.2)
    rules.check(text(window))
    assert dates(window)[:2] == told, "what players have read stays"
    assert since(window.segments[-1]) == pytest.approx(101), "the next one is dated by when it came"


def minutes(window: Window, begin_s: float, arrives: Callable[[float], float], segments: int) -> list[float]:
    """Segments of two seconds from `begin_s` on, each part at `arrives` of its end; their dates, less where they are
    in the media."""
    found = []
    for segment in range(segments):
        for place in range(10):
            at = begin_s + segment * 2 + place * 0.2
            window.take(part(at, key=place == 0), arrives(at + 0.2))
        window.take(END, arrives(begin_s + segment * 2 + 2))
        found.append(since(window.segments[-1]) - (begin_s + segment * 2))
    return found


def test_dates_follow_a_source_whose_clock_goes_slower() -> None:
    """Of an hour of media at one part in a thousand it would be 3.6 s."""
    off = minutes(a_window(1), 2.0, lambda media: NOW + media * 1.001, 1800)
    assert max(abs(date - segment * 0.002) for segment, date in enumerate(off)) < 0.7
    steps = [b - a for a, b in pairwise(off)]
    assert 5 <= sum(step != pytest.approx(0) for step in steps) <= 8, "a change now and then, not each minute"


@pytest.mark.parametrize("by", [-3600.0, 86400.0])
def test_dates_follow_this_machines_clock_when_it_is_set(by: float) -> None:
    """As at a kit that starts without a battery for its clock, and learns the time from a satellite later."""
    off = minutes(a_window(1), 2.0, lambda media: NOW + media + (by if media > 20 else 0.0), 90)
    assert off[0] == pytest.approx(-0.2, abs=1e-3) and off[-1] == pytest.approx(by, abs=1e-3)


def test_a_link_that_was_late_for_a_while_does_not_change_dates() -> None:
    off = minutes(a_window(1), 2.0, lambda media: NOW + media + (4.0 if 30 < media % 60 < 55 else 0.0), 90)
    assert off == pytest.approx([-0.2] * 90, abs=1e-3)


def test_numbers_go_on_where_an_earlier_window_was() -> None:
    """Opened again a moment later: no number stands for other media than before, and none is 0."""
    earlier = Window(segments=8, most_bytes=20_000, first=first_of(NOW))
    assert not earlier.has(earlier.first, None), "a player waits for the first one"
    earlier.take(INIT, NOW)
    for number in range(4):  # the shortest segments that may be configured
        earlier.take(part(number * 0.5, 0.5, key=True), NOW)
        earlier.take(END, NOW)
    assert earlier.first == first_of(NOW) and "#EXT-X-DISCONTINUITY" not in text(earlier)
    later = Window(segments=8, most_bytes=20_000, first=first_of(NOW + 2))
    later.take(BREAK, NOW + 2)  # nothing was told yet that it could break with
    later.take(INIT, NOW + 2)
    later.take(part(0.0, key=True), NOW + 2)
    assert later.first >= earlier.next_part[0] and not set(later.inits) & set(earlier.inits)
    assert "#EXT-X-DISCONTINUITY" not in text(later) and later.part(later.first, 0)
    assert not later.has(later.first + 1, None) and later.has(earlier.first, None)
    assert first_of(0.0) == 1, "a clock that was never set"
    assert first_of(2_700_000_000.0) < 2**31


def test_memory_is_bounded() -> None:
    window = a_window(8, most_bytes=20_000, parts=10)
    assert window.size <= 20_000 and len(window.segments) >= 8
    window = Window(segments=8, most_bytes=20_000)
    window.take(INIT, NOW)
    with pytest.raises(GatewayError) as full:
        for place in range(100):
            window.take(part(place * 0.2, size=1000), NOW)
    assert full.value.code == "hls-no-key"
    fresh = Window(segments=8, most_bytes=1000)
    fresh.take(part(0.0), NOW)
    assert fresh.size == 0, "nothing before an init"


def another_form(window: Window, begin: float, now: float, *, whole: bool) -> None:
    """The source comes back with other tracks."""
    window.take(BREAK, now)
    window.take(Record(Kind.INIT, False, 0, 0, AVC + b"more"), now)
    for place in range(10):
        window.take(part(begin + place * 0.2, key=place == 0), now + place * 0.2)
    if whole:
        window.take(END, now + 2)


def test_who_begins_after_a_change_of_tracks_begins_there_and_who_plays_keeps_what_was() -> None:
    window = a_window(3)
    assert window.form == 0 and window.now_on(0.4)
    another_form(window, 20.0, NOW + 20, whole=False)
    assert window.form == 3 and not window.now_on(0.2), "not a whole segment of it yet"
    window.take(END, NOW + 22)
    assert window.now_on(0.2)
    assert multivariant(window, width=0, height=0).endswith("media.m3u8?begin=3\n")
    told = media(window, segment_s=2.0, part_s=0.2, begin=3)
    Rules("x").check(told)
    assert "#EXT-X-MEDIA-SEQUENCE:3\n" in told
    assert told.count("#EXT-X-MAP") == 1 and "seg-2.m4s" not in told
    whole = media(window, segment_s=2.0, part_s=0.2)
    assert whole.count("#EXT-X-MAP") == 2 and "seg-0.m4s" in whole


def test_what_was_before_the_source_went_is_nothing_to_begin_with() -> None:
    window = a_window(3)
    assert window.now_on(6.4) and not window.now_on(8.4), "nothing came for longer than a segment and 5 s"
    window.take(BREAK, NOW + 30)
    assert not window.now_on(0.0)
    window.take(part(30.0, key=True), NOW + 30)
    assert window.now_on(0.0), "as it was before: its tracks are the same"


def test_the_multivariant_playlist() -> None:
    told = multivariant(a_window(2), width=1280, height=720)
    assert (
        'CODECS="avc1.64001f,mp4a.40.2"' in told
        and "RESOLUTION=1280x720" in told
        and told.endswith("media.m3u8?begin=0\n")
    )
    hvcc = bytes([1, 0x01, 0x60, 0, 0, 0, 0xB0, 0, 0, 0, 0, 0, 93, 0])
    assert codecs_of(b"...." + b"hvcC" + hvcc) == "hvc1.1.6.L93.B0"
    for cut in range(len(AVC)):
        codecs_of(AVC[:cut])


def test_tickets() -> None:
    tickets = Tickets(b"k" * 32)
    made = tickets.make("wall", "kit1/ball-1/ch1", NOW + 60)
    assert tickets.read(made, NOW).stream == "kit1/ball-1/ch1"
    for forged in (made[:-1] + ("A" if made[-1] != "A" else "B"), "", ".", "...", made.replace(".", "", 1), "²" * 2000):
        with pytest.raises(Denied) as unknown:
            tickets.read(forged, NOW)
        assert unknown.value.code == "ticket-unknown"
    with pytest.raises(Denied) as ended:
        tickets.read(made, NOW + 61)
    assert ended.value.code == "ticket-ended"
    with pytest.raises(Denied):
        Tickets(b"x" * 32).read(made, NOW)
