"""Playlists, CMAF records and phones' announcements: nothing but RemoteProtocolError comes out of arbitrary bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties import fuzz_text

TARGETS = ("m3u8", "phone", "cmaf")
LINE = st.sampled_from(
    ["#EXTM3U", "#EXTINF:2,", "a.ts", '#EXT-X-KEY:METHOD=AES-128,URI="k"', "#EXT-X-BYTERANGE:5", "#EXT-X-ENDLIST"]
) | st.text(max_size=20)


@given(st.binary(max_size=300))
def test_arbitrary_bytes(data: bytes) -> None:
    for target in TARGETS:
        assert fuzz_text.attempt(target, data) is None


@given(st.lists(LINE, max_size=12))
def test_lines_of_a_playlist_in_any_order(lines: list[str]) -> None:
    assert fuzz_text.attempt("m3u8", "\n".join(["#EXTM3U", *lines]).encode("utf-8", "replace")) is None


@pytest.mark.parametrize("target", TARGETS)
def test_short_fuzz(target: str) -> None:
    tried, found = fuzz_text.run(target, seed=20261129, rounds=3000)
    assert tried == 3000 and found == []


@pytest.mark.parametrize("target", TARGETS)
def test_the_kept_corpus(target: str) -> None:
    folder = fuzz_text.TARGETS[target][0]
    assert [w for data in fuzz_text.corpus_of(folder) if (w := fuzz_text.attempt(target, data))] == []
