"""Cameras' answers and announcements: nothing but RemoteProtocolError comes out, and what people read is clean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.plain import plain
from tests.properties import fuzz_text

TARGETS = ("onvif", "wsd", "mdns", "ssdp", "wire")


@pytest.mark.parametrize("target", TARGETS)
def test_short_fuzz(target: str) -> None:
    tried, found = fuzz_text.run(target, seed=20261129, rounds=3000)
    assert tried == 3000 and found == []


@pytest.mark.parametrize("target", TARGETS)
def test_the_kept_corpus(target: str) -> None:
    assert [w for data in fuzz_text.corpus_of(target) if (w := fuzz_text.attempt(target, data))] == []


@given(st.text(max_size=300), st.integers(1, 100))
def test_plain_text_is_one_clean_line(text: str, most: int) -> None:
    told = plain(text, most)
    assert len(told) <= most and told == plain(told, most)
    assert not any(c in told for c in "\x1b\r\n\t\u202e\u2066\u200b\x9b\x7f\x00")
    told.encode()
