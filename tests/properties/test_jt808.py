"""JT/T 808 from strangers: round trips, arbitrary bytes, mutations."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.jt808.protocol.frame import MAX_BODY, FrameReader, Message, encode
from tests.properties import fuzz_text

MESSAGE = st.builds(
    Message,
    id=st.integers(0, 0xFFFF),
    phone=st.integers(1, 10**12 - 1).map(str),
    serial=st.integers(0, 0xFFFF),
    body=st.binary(max_size=MAX_BODY),
    version=st.integers(0, 3),
)


@given(st.lists(MESSAGE, max_size=4), st.integers(1, 400))
def test_round_trip_cut_anywhere(messages: list[Message], size: int) -> None:
    data = b"".join(map(encode, messages))
    reader = FrameReader()
    got = [m for at in range(0, len(data), size) for m in reader.feed(data[at : at + size])]
    assert got == messages


@given(st.binary(max_size=600))
def test_arbitrary_bytes(data: bytes) -> None:
    assert fuzz_text.attempt("jt808", data) is None


def test_mutations() -> None:
    tried, found = fuzz_text.run("jt808", seed=20261129, rounds=6000)
    assert (tried, found) == (6000, [])


def test_kept_inputs() -> None:
    assert [w for data in fuzz_text.corpus_of("jt808") if (w := fuzz_text.attempt("jt808", data))] == []
