"""Stream ids and URLs: nothing but RemoteProtocolError comes out, and nobody becomes somebody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.srt.protocol import Mode, parse_stream_id, selected_user
from tests.properties import fuzz_text

NAME = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}(/[a-z0-9._-]{1,10})?", fullmatch=True)
WORD = st.from_regex(r"[A-Za-z0-9._!-]{1,20}", fullmatch=True)


@given(NAME, WORD, WORD, st.sampled_from(list(Mode)))
def test_both_forms_say_the_same(name: str, user: str, secret: str, mode: Mode) -> None:
    standard = f"#!::m={mode},u={user},r={name},s={secret}"
    verb = "publish" if mode is Mode.PUBLISH else "read"
    assert parse_stream_id(standard) == parse_stream_id(f"{verb}:{name}:{user}:{secret}")
    assert selected_user(standard) == user and selected_user(f"{verb}:{name}:{user}:{secret}") == ""


@pytest.mark.parametrize("target", ["srt", "tsurl"])
@given(st.text(max_size=300))
def test_arbitrary_text(target: str, text: str) -> None:
    assert fuzz_text.attempt(target, text.encode("utf-8", "replace")) is None


@pytest.mark.parametrize("target", ["srt", "tsurl"])
def test_mutations(target: str) -> None:
    tried, found = fuzz_text.run(target, seed=20261129, rounds=8000)
    assert (tried, found) == (8000, [])


@pytest.mark.parametrize("target", ["srt", "tsurl"])
def test_kept_inputs(target: str) -> None:
    assert [w for data in fuzz_text.corpus_of(target) if (w := fuzz_text.attempt(target, data))] == []
