"""RTMP's commands: AMF0 round trips, arbitrary bytes, mutations of dialogues."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.rtmp.protocol import amf
from tests.properties import fuzz_text

NAME = st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)
VALUE = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | NAME,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAME, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(VALUE, max_size=5))
def test_round_trip(values: list[amf.Value]) -> None:
    written = amf.encode(*values)
    if _depth(values) <= amf.MAX_DEPTH:
        assert amf.decode(written) == values


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((_depth(v) for v in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((_depth(v) for v in value), default=0)
    return 0


@given(st.binary(max_size=400))
def test_arbitrary_bytes(data: bytes) -> None:
    assert fuzz_text.attempt("rtmp", data) is None


def test_mutations_of_dialogues() -> None:
    tried, found = fuzz_text.run("rtmp", seed=20261129, rounds=6000)
    assert found == []
    assert tried == 6000


def test_kept_inputs() -> None:
    assert [w for data in fuzz_text.corpus_of("rtmp") if (w := fuzz_text.attempt("rtmp", data))] == []
