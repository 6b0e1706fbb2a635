"""adapters/mesh/protocol/meshtastic.py: messages in the form that the firmware publishes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mesh.protocol.meshtastic import EDGE_S, MOST_TEXTS, NODE_S, Meshtastic, channel_of
from adapters.mesh.protocol.report import MOST_NODES
from gateway.base.errors import RemoteProtocolError

A, B, GATE = 0x0A0B0C01, 0x0A0B0C02, "!0a0b0cff"


def message(type_: str, payload: Any, sender: int = A, **more: Any) -> bytes:
    base = {"channel": 0, "from": sender, "sender": GATE, "to": 0xFFFFFFFF, "timestamp": 1_790_000_000, "hops_away": 0}
    return json.dumps({**base, "type": type_, "payload": payload, "rssi": -71, "snr": 6.25, **more}).encode()


def test_what_nodes_tell_is_put_together() -> None:
    mesh = Meshtastic()
    mesh.receive(
        message("nodeinfo", {"id": "!0a0b0c01", "longname": "Ridge", "shortname": "R", "hardware": 9}, id=1), 1, 0
    )
    battery = {"battery_level": 87, "voltage": 3.98, "channel_utilization": 4.1, "air_util_tx": 1.2}
    mesh.receive(message("telemetry", battery, id=2), 2, 0)
    where = {
        "latitude_i": 399000000,
        "longitude_i": 1164000000,
        "altitude": 52,
        "time": 1_790_000_000,
        "precision_bits": 32,
    }
    placed = mesh.receive(message("position", where, id=3), 3, 0)
    assert placed is not None and (placed.name, placed.longitude, placed.latitude) == ("Ridge", 116.4, 39.9)
    assert placed.taken_at == 1_790_000_000 and placed.accuracy_m == 3.0
    near = {"node_id": A, "neighbors": [{"node_id": B, "snr": -3.5}, {"node_id": "x"}], "neighbors_count": 2}
    mesh.receive(message("neighborinfo", near, id=4), 4, 0)
    mesh.receive(message("text", {"text": "东侧山脊通畅\u202e"}, id=5), 5, 100, "LongFast")
    report = mesh.report(10)
    ridge = next(node for node in report.nodes if node.ids == ("!0a0b0c01",))
    assert (ridge.name, ridge.battery_percent, ridge.read, ridge.heard_s) == ("Ridge", 87, True, 5)
    assert {r.key: r.value for r in ridge.readings} == {"voltage": 3.98, "channel-use": 4.1, "air-time": 1.2}
    assert {(link.a, link.b, link.snr_db) for link in report.links} == {
        (GATE, "!0a0b0c01", 6.25),
        ("!0a0b0c01", "!0a0b0c02", -3.5),
    }
    assert [(node.ids[0], node.read) for node in report.nodes][-1] == ("!0a0b0c02", False)
    (text,) = mesh.texts
    assert (text.text, text.sender, text.to, text.channel, text.at) == (
        "东侧山脊通畅",
        "!0a0b0c01",
        "",
        "LongFast",
        100,
    )


def test_relayed_packets_and_the_same_by_another_gateway_make_nothing_up() -> None:
    mesh = Meshtastic()
    mesh.receive(message("text", {"text": "one"}, hops_away=2, id=7), 1, 0)
    mesh.receive(message("text", {"text": "zero"}, sender=B, hops_away=None, id=8), 1, 0)
    assert mesh.report(1).links == ()
    again = json.loads(message("text", {"text": "one"}, id=7)) | {"sender": "!0a0b0cfe"}
    mesh.receive(json.dumps(again).encode(), 2, 0)
    assert len(mesh.texts) == 2
    assert [link.a for link in mesh.report(2).links] == ["!0a0b0cfe"], "but it was heard there too"


def test_a_receiver_without_a_fix_and_a_blurred_position() -> None:
    mesh = Meshtastic()
    assert mesh.receive(message("position", {"latitude_i": 0, "longitude_i": 0}), 1, 0) is None
    where = {"latitude_i": 399000000, "longitude_i": 1164000000, "precision_bits": 13, "time": 0}
    placed = mesh.receive(message("position", where), 1, 0)
    assert placed is not None and placed.taken_at is None and 2000 < (placed.accuracy_m or 0) < 3000


def test_everything_is_bounded_and_grows_old() -> None:
    mesh = Meshtastic()
    for n in range(1, MOST_NODES + 100):
        mesh.receive(message("text", {"text": f"t{n}"}, sender=n, id=n), n, 0)
    assert len(mesh.texts) == MOST_TEXTS
    assert len([n for n in mesh.report(700).nodes if n.heard_s is not None]) <= MOST_NODES
    assert mesh.report(700 + EDGE_S).links == ()
    assert mesh.report(700 + NODE_S).nodes == ()
    for wrong in (b"\xff", b"[]", b"{}", b'{"from": "x"}', b"{" * 20_000):
        with pytest.raises(RemoteProtocolError):
            mesh.receive(wrong, 1, 0)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9), st.lists, max_leaves=5
)


@given(
    st.sampled_from(["text", "position", "telemetry", "nodeinfo", "neighborinfo", "", 7]),
    st.dictionaries(
        st.sampled_from(["text", "latitude_i", "longitude_i", "time", "neighbors", "battery_level", "longname", "snr"]),
        JSON,
    )
    | JSON,
    st.dictionaries(st.sampled_from(["from", "sender", "id", "rssi", "snr", "hops_away", "to"]), JSON),
)
def test_whatever_is_published(type_: Any, payload: Any, more: dict[str, Any]) -> None:
    mesh = Meshtastic()
    told = json.loads(message("text", payload)) | {"type": type_} | more
    try:
        mesh.receive(json.dumps(told).encode(), 1, 0)
    except RemoteProtocolError as exc:
        assert exc.code == "mesh-garbled"
    mesh.report(2)


def test_the_channel_stands_in_the_topic() -> None:
    assert channel_of("msh/CN/2/json/LongFast/!0a0b0cff") == "LongFast"
    assert channel_of("msh/x") == ""


def test_made_up_nodes_put_out_each_other_and_nobody_from_before() -> None:
    mesh = Meshtastic()
    for at in (0, 900):
        mesh.receive(message("nodeinfo", {"longname": "Ridge"}, id=at + 1), at, 0)
    for n in range(3 * MOST_NODES):
        mesh.receive(message("nodeinfo", {"longname": "x"}, sender=0x0C000000 + n, id=1), 1000, 0)
        near = {"neighbors": [{"node_id": 0x0D000000 + n, "snr": 1}, {"node_id": 0x0E000000 + n, "snr": 1}]}
        mesh.receive(message("neighborinfo", near, sender=0x0C000000 + n, id=2), 1000, 0)
    assert (GATE, "!0a0b0c01") in {(link.a, link.b) for link in mesh.report(1000).links}
    nodes = mesh.report(1000).nodes
    assert len([node for node in nodes if node.heard_s is not None]) <= MOST_NODES
    assert {"!0a0b0c01"} <= {node.ids[0] for node in nodes if node.name == "Ridge"}
