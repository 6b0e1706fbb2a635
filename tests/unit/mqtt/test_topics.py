"""Topics, and who may touch which: one rule for every kind of broker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mqtt.protocol import acl
from adapters.mqtt.protocol.topics import (
    DEVICES,
    STATES,
    Kind,
    Topic,
    filter_of_devices,
    filters_of_center,
    filters_of_kit,
    may_be_gateway,
    parse,
)
from gateway.base.errors import RemoteProtocolError

SLUG = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
NAME = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)


@given(SLUG, st.sampled_from(list(Kind)), NAME)
def test_there_and_back(gateway: str, kind: Kind, name: str) -> None:
    alone = kind in (Kind.STATE, Kind.TELEMETRY, Kind.POSITION, Kind.CENTER)
    topic = Topic(gateway, kind, "" if alone else name)
    assert parse(str(topic)) == topic and "." not in str(topic) and len(str(topic).split("/")) <= 7


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fc/v1",
        "fc/v1/kit7",
        "fc/v2/kit7/state",
        "fc/v1/Kit7/state",
        "fc/v1/kit.7/state",
        "fc/v1/kit7/state/more",
        "fc/v1/kit7/evt",
        "fc/v1/kit7/evt/a/b",
        "fc/v1/kit7/evt/+",
        "fc/v1/+/state",
        "fc/v1/kit7/dev/ball-1/other",
        "fc/v1/kit7/cmd/" + "x" * 65,
        "fc/v1/kit7/cmd/a b",
        "fc/v1/kit7/cmd/\x00",
        "x" * 10_000,
    ],
)
def test_strangers_are_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse(text)


@given(st.text(max_size=80))
def test_any_text_is_a_topic_or_refused(text: str) -> None:
    for candidate in (text, f"fc/v1/{text}", f"fc/v1/kit7/{text}"):
        try:
            parse(candidate)
        except RemoteProtocolError:
            continue


def test_a_gateway_with_a_dot_is_no_level_of_every_broker() -> None:
    assert may_be_gateway("kit-7_a") and not may_be_gateway("kit.7") and not may_be_gateway("")


def test_a_kit_touches_what_is_its_own() -> None:
    for own in filters_of_kit("kit7"):
        assert acl.may_read("kit7", False, own)
    assert acl.may_read("kit7", False, filter_of_devices("kit7"))
    may = ["state", "dev/a/state", "tlm", "pos", "evt/major", "file/01F", "rsp/1"]
    for leaf in may:
        assert acl.may_publish("kit7", False, f"fc/v1/kit7/{leaf}")
        assert not acl.may_publish("kit7", False, f"fc/v1/kit8/{leaf}")
    for leaf in ("cmd/ptz~move", "ack/center1", "center", "other", "evt", "evt/a/b"):
        assert not acl.may_publish("kit7", False, f"fc/v1/kit7/{leaf}"), leaf
    for asked in (
        "#",
        "fc/#",
        "fc/v1/#",
        "fc/v1/+/state",
        "fc/v1/kit8/cmd/+",
        "fc/v1/+/#",
        "$SYS/#",
        "fc/+/kit7/state",
    ):
        assert not acl.may_read("kit7", False, asked), asked


def test_a_center_reads_all_and_writes_orders_and_its_own_acknowledgements() -> None:
    for one in (*filters_of_center(), STATES, DEVICES):
        assert acl.may_read("center1", True, one)
    assert acl.may_publish("center1", True, "fc/v1/kit7/cmd/ptz~move")
    assert acl.may_publish("center1", True, "fc/v1/kit7/ack/center1")
    assert acl.may_publish("center1", True, "fc/v1/center1/center")
    for leaf in ("kit7/state", "kit7/evt/major", "kit7/ack/center2", "center2/center", "kit7/cmd"):
        assert not acl.may_publish("center1", True, f"fc/v1/{leaf}"), leaf
    assert not acl.may_read("center1", True, "#")


@given(st.lists(st.sampled_from(["a", "b", "+"]), min_size=1, max_size=4), st.data())
def test_a_filter_covers_what_it_matches_and_no_more(levels: list[str], data: st.DataObject) -> None:
    topic = [data.draw(st.sampled_from(["a", "b"])) for _ in range(data.draw(st.integers(1, 5)))]
    matches = len(levels) == len(topic) and all(a in ("+", b) for a, b in zip(levels, topic, strict=False))
    assert acl.covers("/".join(levels), "/".join(topic)) == matches
    assert acl.covers("#", "/".join(levels)) and acl.covers("/".join(levels), "/".join(levels))


def test_mosquittos_file_says_the_same() -> None:
    text = acl.mosquitto_acl(["center1"])
    assert "pattern write fc/v1/%u/evt/+\n" in text and "pattern read fc/v1/%u/#\n" in text
    assert "user center1\ntopic read fc/v1/#\ntopic write fc/v1/+/cmd/+\n" in text
