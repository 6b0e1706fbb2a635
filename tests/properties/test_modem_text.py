"""AT lines and short messages from strangers: round trips, arbitrary bytes, mutations."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.at import PDU, Answered, AtEngine, Command, Unsolicited
from gateway.wire.sms import Submit, read_pdu, split, write_submit
from tests.properties import fuzz_text

URC = st.sampled_from(['+CMTI: "ME",3', "RING", "+CREG: 5", "^RSSI: 12", '+QIND: "csq",1'])


@given(st.lists(URC, max_size=4), st.lists(st.integers(0, 999), max_size=5), st.integers(1, 40), st.randoms())
def test_an_answer_cut_anywhere_with_lines_unasked_within(urcs, numbers, size, rng) -> None:  # type: ignore[no-untyped-def]
    rows = [f"+CMGL: {number},1,,20\r\n{number:08X}" for number in numbers]
    mixed: list[str] = [*rows, "OK"]
    for urc in urcs:
        mixed.insert(rng.randint(0, len(mixed)), urc)
    data = "".join(f"\r\n{line}\r\n" for line in mixed).encode()
    engine = AtEngine()
    engine.submit(Command("AT+CMGL=4", ("+CMGL",), body=PDU, empty_ok=True), 0.0)
    for at in range(0, len(data), size):
        engine.receive_data(data[at : at + size], 0.1)
    events = []
    while (event := engine.next_event()) is not None:
        events.append(event)
    (answer,) = [event.answer for event in events if isinstance(event, Answered)]
    assert list(answer.lines) == [line for row in rows for line in row.split("\r\n")]
    assert sorted(event.line for event in events if isinstance(event, Unsolicited)) == sorted(urcs)


@given(st.text(st.characters(codec="utf-16", exclude_characters="\x1b"), max_size=600), st.integers(0, 255))
def test_texts_in_parts(text: str, reference: int) -> None:
    bodies = split(text, reference=reference)
    read = [read_pdu(write_submit(Submit("+8613800138000", body))[0].hex()) for body in bodies]
    assert "".join(one.body.text for one in read if isinstance(one, Submit)) == text


@settings(max_examples=40)
@given(st.binary(max_size=300))
def test_arbitrary_bytes(data: bytes) -> None:
    assert fuzz_text.attempt("at", data) is None
    assert fuzz_text.attempt("sms", data) is None


@pytest.mark.parametrize(("target", "rounds"), [("at", 150), ("sms", 2000)])
def test_mutations(target: str, rounds: int) -> None:
    tried, found = fuzz_text.run(target, seed=20261130, rounds=rounds)
    assert (tried, found) == (rounds, [])


@pytest.mark.parametrize("target", ["at", "sms"])
def test_kept_inputs(target: str) -> None:
    assert [w for data in fuzz_text.corpus_of(target) if (w := fuzz_text.attempt(target, data))] == []
