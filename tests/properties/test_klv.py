"""KLV: what is written is read, arbitrary bytes, mutations."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.klv import read_klv, write_klv
from tests.properties import fuzz_text

ANGLE = st.integers(-(2**31) + 1, 2**31 - 1)
TAG = st.integers(2, 127).filter(lambda tag: tag not in (13, 14))


@given(ANGLE, ANGLE, st.dictionaries(TAG, st.binary(max_size=40), max_size=30))
def test_a_position_comes_back_whatever_else_is_there(north: int, east: int, others: dict[int, bytes]) -> None:
    tags = [(13, north.to_bytes(4, signed=True)), (14, east.to_bytes(4, signed=True)), *others.items()]
    report = read_klv(write_klv(tags))
    assert report is not None and report.sensor is not None
    assert abs(report.sensor.latitude - north * 90 / (2**31 - 1)) < 1e-9
    assert abs(report.sensor.longitude - east * 180 / (2**31 - 1)) < 1e-9


@given(st.binary(max_size=300))
def test_arbitrary_bytes(data: bytes) -> None:
    assert fuzz_text.attempt("klv", data) is None


def test_mutations() -> None:
    tried, found = fuzz_text.run("klv", seed=20261129, rounds=6000)
    assert (tried, found) == (6000, [])


def test_kept_inputs() -> None:
    assert [w for data in fuzz_text.corpus_of("klv") if (w := fuzz_text.attempt("klv", data))] == []
