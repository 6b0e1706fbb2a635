"""What clouds and phones say: playlists, the media plane's CMAF records, and what a phone announces."""

from __future__ import annotations

from adapters.hls.records import Records
from adapters.phone.protocol import read_draft, read_name
from adapters.pull.live import Live
from adapters.pull.m3u8 import Media, choose, read

NOW = 1_790_000_000.0


def try_m3u8(data: bytes) -> None:
    made = read(data)
    if not isinstance(made, Media):
        for height, bandwidth in ((0, 0), (480, 0), (0, 1)):
            if choose(made, height=height, bandwidth=bandwidth) not in made.variants:
                raise AssertionError("a choice that was not offered")
        return
    if not 0.5 <= made.target_s <= 60.0:
        raise AssertionError("a target duration out of bounds")
    numbers = [one.number for one in made.segments]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))) if numbers else False:
        raise AssertionError("segments without order")
    live = Live()
    first = live.step(made, 0.0)
    if live.step(made, 1.0).segments or not 0.25 <= first.reload_s <= 60.0:
        raise AssertionError("the same playlist gives a segment twice")


def try_phone(data: bytes) -> None:
    try:
        read_name(data)
    finally:
        draft = read_draft("01JABCDEFGHJKMNPQRSTVWXYZ0", data, NOW)
        draft.text.encode()
        if draft.size < 0 or "\0" in draft.text:
            raise AssertionError("a draft out of bounds")


def try_records(data: bytes) -> None:
    records = Records()
    half = len(data) // 2
    whole = [*records.feed(data[:half]), *records.feed(data[half:])]
    if whole != list(Records().feed(data)):
        raise AssertionError("a cut changes what is read")
