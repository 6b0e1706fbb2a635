from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gb28181.protocol.memory import MAX_BYTES, Dialog, Memory, loads

FULL = Memory(
    "10.0.0.9",
    5060,
    "tcp",
    "10.0.0.1",
    "utf-8",
    "3.0",
    "udp",
    "Acme",
    "B1",
    (("34020000001320000001", "前门"),),
    (Dialog("a@b", "<sip:1@x>;tag=1", "<sip:2@x>;tag=2", "sip:2@10.0.0.9:5060", 1),),
    "broadcast:output::ack:",
)


def test_there_and_back() -> None:
    assert loads(FULL.dumps()) == FULL
    assert loads(Memory().dumps()) == Memory()


def test_what_is_too_much_gives_way_in_order() -> None:
    channels = tuple((f"{n:020d}", "名" * 40) for n in range(32))
    kept = loads(Memory("h", 1, channels=channels, dialogs=FULL.dialogs).dumps())
    assert kept.dialogs == FULL.dialogs and kept.channels == () and kept.host == "h"
    assert len(Memory("h", 1, channels=channels, dialogs=FULL.dialogs).dumps().encode()) <= MAX_BYTES


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"port":"x","host":5,"media":"pigeon","charset":"koi8"}'])
def test_reading_forgives(text: str) -> None:
    assert loads(text) == Memory()


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_reading_never_raises(value: object) -> None:
    loads(json.dumps(value))
    loads(json.dumps({"channels": value, "dialogs": value, "port": value, "host": value}))
    loads(json.dumps({"channels": [value], "dialogs": [value, {"call_id": value}]}))
