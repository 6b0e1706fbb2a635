"""The dialogue of a kit and a center, between two ends in memory; and what strangers may send."""

from __future__ import annotations

import random
import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.uplink.protocol import (
    MOST_BYTES,
    MOST_UNANSWERED,
    MOST_WAITING,
    Answer,
    Event,
    Notice,
    Request,
    Rpc,
)
from gateway.base.errors import Busy, GatewayError, RemoteProtocolError


def events(rpc: Rpc) -> list[Event]:
    out = []
    while (event := rpc.next_event()) is not None:
        out.append(event)
    return out


def carry(sender: Rpc, to: Rpc) -> list[Event]:
    to.receive_data(sender.data_to_send())
    return events(to)


def packed(message: Any) -> bytes:
    body = msgpack.packb(message)
    return struct.pack(">I", len(body)) + body


def test_a_question_and_its_answer() -> None:
    kit, center = Rpc(), Rpc()
    number = kit.ask("hello", {"version": 1, "name": "县城七"})
    assert carry(kit, center) == [Request(number, "hello", {"version": 1, "name": "县城七"})]
    center.answer(number, {"gateway": "county"})
    assert carry(center, kit) == [Answer(number, {"gateway": "county"})]
    again = kit.ask("open")
    carry(kit, center)
    center.refuse(again, "denied", "not yours")
    assert carry(center, kit) == [Answer(again, None, "denied", "not yours")]


def test_both_ask_and_numbers_do_not_meet() -> None:
    kit, center = Rpc(), Rpc()
    first, second = kit.ask("a"), center.ask("b")
    assert first == second
    assert carry(kit, center) == [Request(first, "a", {})] and carry(center, kit) == [Request(second, "b", {})]
    kit.answer(second, 1)
    center.answer(first, 2)
    assert carry(kit, center) == [Answer(second, 1)] and carry(center, kit) == [Answer(first, 2)]


def test_nobody_answers_a_notice_and_nothing_is_answered_twice() -> None:
    kit, center = Rpc(), Rpc()
    kit.notice("alarm", {"id": "01J"})
    assert carry(kit, center) == [Notice("alarm", {"id": "01J"})]
    number = kit.ask("a")
    carry(kit, center)
    center.answer(number)
    center.answer(number, 2)
    center.refuse(number, "late")
    center.answer(99)
    assert carry(center, kit) == [Answer(number)]


def test_who_has_given_up_hears_no_answer() -> None:
    kit, center = Rpc(), Rpc()
    number = kit.ask("a")
    carry(kit, center)
    kit.forget(number)
    center.answer(number, 1)
    assert carry(center, kit) == []


@given(st.integers(0, 2**32), st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_cut_anywhere_it_is_the_same(seed: int, cuts: list[int]) -> None:
    kit, center = Rpc(), Rpc()
    rng = random.Random(seed)
    for number in range(rng.randrange(1, 8)):
        kit.notice(f"n{number}", {"x": rng.randrange(1 << 40), "blob": rng.randbytes(rng.randrange(200))})
    data, at, got = kit.data_to_send(), 0, []
    for cut in [*cuts, len(data)]:
        center.receive_data(data[at : at + cut])
        at += cut
        got += events(center)
    center.receive_data(data[at:])
    got += events(center)
    twin = Rpc()
    twin.receive_data(data)
    assert got == events(twin)


def test_a_picture_goes_as_bytes() -> None:
    kit, center = Rpc(), Rpc()
    number = center.ask("snapshot")
    carry(center, kit)
    kit.answer(number, {"jpeg": bytes(200_000), "age_s": 0.5})
    (answer,) = carry(kit, center)
    assert isinstance(answer, Answer) and len(answer.value["jpeg"]) == 200_000


@pytest.mark.parametrize(
    "message",
    [
        None,
        7,
        [],
        {},
        {"t": "q"},
        {"t": "q", "id": 0, "m": "x", "a": {}},
        {"t": "q", "id": 1 << 32, "m": "x", "a": {}},
        {"t": "q", "id": True, "m": "x", "a": []},
        {"t": "q", "id": 1, "m": "", "a": {}},
        {"t": "q", "id": 1, "m": "x" * 65, "a": {}},
        {"t": "q", "id": 1, "m": "x", "a": {1: 2}},
        {"t": "n", "m": "x", "a": {"text": "y" * 5000}},
        {"t": "n", "m": "x", "a": {"deep": [[[[[[[[[[1]]]]]]]]]]}},
        {"t": "n", "m": "x", "a": {"blob": {"within": bytes(5000)}}},
        {"t": "r", "id": 1},
        {"t": "r", "id": 1, "err": {"code": 5, "detail": ""}},
        {"t": "z", "id": 1},
    ],
)
def test_what_is_none_ends_the_line(message: Any) -> None:
    with pytest.raises(RemoteProtocolError) as damaged:
        Rpc().receive_data(packed(message))
    assert damaged.value.code == "rpc-damaged"


@given(st.binary(max_size=300))
def test_bytes_of_strangers_raise_nothing_else(data: bytes) -> None:
    rpc = Rpc()
    for wrapped in (data, struct.pack(">I", len(data)) + data):
        try:
            rpc.receive_data(wrapped)
        except RemoteProtocolError as exc:
            assert exc.code == "rpc-damaged"
            rpc = Rpc()
        events(rpc)


def test_a_length_that_is_too_long_is_not_waited_for() -> None:
    with pytest.raises(RemoteProtocolError):
        Rpc().receive_data(struct.pack(">I", MOST_BYTES + 1))


def test_full_is_said() -> None:
    kit, center = Rpc(), Rpc()
    for _ in range(MOST_UNANSWERED + 1):
        kit.ask("a")
    assert len(carry(kit, center)) == MOST_UNANSWERED
    (refused,) = carry(center, kit)
    assert isinstance(refused, Answer) and refused.code == "busy"
    with pytest.raises(RemoteProtocolError):
        center.receive_data(packed({"t": "q", "id": 1, "m": "again", "a": {}}))
    with pytest.raises(Busy) as full:
        for _ in range(20):
            kit.notice("n", {"blob": bytes(MOST_WAITING // 10)})
    assert full.value.code == "rpc-full" and kit.waiting <= MOST_WAITING
    with pytest.raises(GatewayError) as large:
        kit.notice("n", {"blob": bytes(MOST_BYTES)})
    assert large.value.code == "too-large"
