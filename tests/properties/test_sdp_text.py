"""SDP: what is built parses to the same; nothing but RemoteProtocolError comes out of arbitrary bytes."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.sdp import Media, Sdp
from tests.properties import fuzz_text

WORD = st.text(string.ascii_letters + string.digits + "-_./+", min_size=1, max_size=12)
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=20)
ATTRIBUTES = st.lists(st.tuples(WORD, st.none() | TEXT), max_size=4).map(tuple)
ADDRESS = st.sampled_from(["192.0.2.1", "2001:db8::1", "host.example"])
LINES = st.lists(st.tuples(st.sampled_from("bkeipz"), TEXT), max_size=3).map(tuple)
MEDIA = st.builds(
    Media,
    st.sampled_from(["audio", "video", "application"]),
    st.integers(0, 65535),
    st.sampled_from(["RTP/AVP", "TCP/RTP/AVP", "UDP/TLS/RTP/SAVPF"]),
    st.lists(WORD, max_size=4).map(tuple),
    ATTRIBUTES,
    st.none() | ADDRESS,
    st.integers(1, 9),
    LINES,
)
SDP = st.builds(
    Sdp,
    WORD,
    WORD,
    WORD,
    ADDRESS,
    TEXT,
    st.none() | TEXT,
    st.none() | ADDRESS,
    st.tuples(st.integers(0, 2**40), st.integers(0, 2**40)),
    ATTRIBUTES,
    st.lists(MEDIA, max_size=3).map(tuple),
    st.none() | TEXT,
    st.none() | TEXT,
    LINES,
)


@given(SDP)
def test_round_trip(sdp: Sdp) -> None:
    assert Sdp.parse(bytes(sdp)) == sdp


@given(st.binary(max_size=400))
def test_arbitrary_bytes(data: bytes) -> None:
    assert fuzz_text.attempt("sdp", data) is None


def test_short_fuzz() -> None:
    tried, found = fuzz_text.run("sdp", seed=20261123, rounds=6000)
    assert tried == 6000 and found == []


def test_the_kept_corpus() -> None:
    assert [w for data in fuzz_text.corpus_of("sdp") if (w := fuzz_text.attempt("sdp", data))] == []
