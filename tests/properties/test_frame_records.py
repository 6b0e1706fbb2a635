"""The worker's side of the frame port: what is written is read back, and nothing else than BadRecord comes of bytes."""

from __future__ import annotations

import contextlib
import socket

from hypothesis import given
from hypothesis import strategies as st

from gateway.convert.pictures import split
from gateway.convert.records import CODECS, BadRecord, Reader, Track, Unit, Writer

PARTS = st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=8)
TIMES = st.integers(-(1 << 62), 1 << 62)
TRACKS = st.builds(
    Track,
    codec=st.sampled_from(CODECS),
    clock_hz=st.integers(1_000, 1_000_000),
    width=st.integers(0, 8192),
    height=st.integers(0, 8192),
    sample_rate_hz=st.integers(0, 96_000),
    profile_level_id=st.integers(0, 0xFFFFFF),
    channels=st.integers(0, 8),
    b_frames=st.booleans(),
    profile=st.text("abc@.0123", max_size=20),
    sets=st.lists(st.binary(max_size=100), max_size=4).map(tuple),
)


def records(*items: Track | Unit) -> list[bytes]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        writer = Writer(ours)
        for item in items:
            writer.track(item) if isinstance(item, Track) else writer.unit(item)
        ours.shutdown(socket.SHUT_WR)
        return list(iter(lambda: theirs.recv(1 << 17), b""))


@given(TRACKS, PARTS, TIMES, TIMES, st.booleans(), st.booleans(), st.integers(0, 150_000))
def test_round_trip(track: Track, parts: list[bytes], pts: int, dts: int, key: bool, lost: bool, more: int) -> None:
    unit = Unit(track.codec, (*parts, bytes(more)), pts, dts, key, lost)
    reader = Reader()
    found = [item for record in records(track, unit) if (item := reader.push(record)) is not None]
    assert [type(item) for item in found] == [Track, Unit]
    told, came = found
    assert isinstance(told, Track) and told.generation == 1
    assert (told.codec, told.sets, told.profile) == (track.codec, track.sets, track.profile)
    assert came == unit


@given(st.lists(st.binary(max_size=300), max_size=20), TRACKS, st.data())
def test_bytes_of_any_kind(garbage: list[bytes], track: Track, data: st.DataObject) -> None:
    reader = Reader()
    for record in garbage:
        with contextlib.suppress(BadRecord):
            reader.push(b"\xf6\x01" + record)
    for record in records(track, Unit(track.codec, (b"\x65abc",), 0, 0, True)):
        spoilt = bytearray(record)
        for _ in range(data.draw(st.integers(0, 4))):
            spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(BadRecord):
            reader.push(bytes(spoilt[: data.draw(st.integers(0, len(spoilt)))]))
    # And it still reads what is right.
    good = records(track, Unit(track.codec, (b"\x65abc",), 0, 0, True))
    assert all(reader.push(record) is not None for record in good)


@given(st.binary(max_size=500))
def test_a_byte_stream_is_cut_into_units_without_start_codes(data: bytes) -> None:
    for part in split(data):
        assert part and b"\0\0\1" not in part and part[-1] != 0
