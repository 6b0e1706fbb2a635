"""The parsers of what radios tell: batctl, ubus, Silvus, JSON by a map.

batctl's rows have the names, kinds and units that batctl 2023.0 writes; no kernel here has batman-adv to give any."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mesh.protocol import fields
from adapters.mesh.protocol.batman import read_batman
from adapters.mesh.protocol.fields import Map, read_field, read_fields, read_list
from adapters.mesh.protocol.report import from_json, ident, number, place
from adapters.mesh.protocol.silvus import Silvus, read_stream
from adapters.mesh.protocol.ubus import SessionOver, answers, login, question, read_radios, session_of
from gateway.base.errors import RemoteProtocolError

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)

NEIGHBOURS = """[{"hard_ifindex":3,"hard_ifname":"mesh0","last_seen_msecs":280,"neigh_address":"02:00:00:00:00:02"},
{"hard_ifindex":3,"hard_ifname":"mesh0","last_seen_msecs":1540,"neigh_address":"02:00:00:00:00:03","throughput":54000}]"""
ORIGINATORS = """[{"best":true,"hard_ifname":"mesh0","last_seen_msecs":280,"neigh_address":"02:00:00:00:00:02",
"orig_address":"02:00:00:00:00:02","tq":204},{"best":true,"hard_ifname":"mesh0","last_seen_msecs":900,
"neigh_address":"02:00:00:00:00:02","orig_address":"02:00:00:00:00:09","tq":120}]"""


def test_batctl_gives_links_of_this_node_and_everybody_else_as_unknown() -> None:
    report = read_batman(NEIGHBOURS, ORIGINATORS, "kit")
    assert [(node.ids[0], node.read) for node in report.nodes] == [
        ("kit", True),
        ("02:00:00:00:00:02", False),
        ("02:00:00:00:00:03", False),
        ("02:00:00:00:00:09", False),
    ]
    assert [(link.b, link.quality, link.rate_bps, link.heard_s) for link in report.links] == [
        ("02:00:00:00:00:02", 0.8, None, 0.28),
        ("02:00:00:00:00:03", 1.0, 54e6, 1.54),
    ]
    assert read_batman("", "", "kit").links == ()
    for wrong in ("{}", "[1]", "nonsense", "[" * 100_000):
        with pytest.raises(RemoteProtocolError):
            read_batman(wrong, "[]", "kit")


def test_batctl_knows_its_own_addresses_and_the_quality_of_links_not_of_ways() -> None:
    own = """[{"hard_ifindex":3,"hard_ifname":"mesh0","hard_address":"02:00:00:00:00:01","active":true},
    {"hard_ifindex":4,"hard_ifname":"mesh1","hard_address":"02:00:00:00:01:01"}]"""
    # The best way to :02 goes by :03; what we hear of :02 itself is worth 51.
    far = """[{"orig_address":"02:00:00:00:00:02","best":true,"neigh_address":"02:00:00:00:00:03","tq":230},
    {"orig_address":"02:00:00:00:00:02","neigh_address":"02:00:00:00:00:02","tq":51}]"""
    report = read_batman(NEIGHBOURS, far, "kit", own)
    assert report.nodes[0].ids == ("02:00:00:00:00:01", "02:00:00:00:01:01", "kit")
    assert [(link.a, link.quality) for link in report.links] == [("02:00:00:00:00:01", 0.2), ("02:00:00:00:00:01", 1.0)]


@given(JSON, JSON)
def test_batctl_whatever_it_prints(near: Any, far: Any) -> None:
    try:
        read_batman(json.dumps(near), json.dumps(far), "kit")
    except RemoteProtocolError as exc:
        assert exc.code == "mesh-garbled"


INFO = {"mode": "Mesh Point", "bssid": "C4:93:00:00:00:01", "noise": -95, "ssid": "simpleconfig"}
STATIONS = {
    "results": [
        {"mac": "C4:93:00:00:00:02", "signal": -61, "noise": -95, "inactive": 30, "tx": {"rate": 52000}, "rx": {}},
        {"mac": "C4:93:00:00:00:03", "signal": -88, "inactive": 12000},
        {"mac": None},
    ]
}


def test_a_radio_by_iwinfo() -> None:
    report = read_radios("radio-1", [(INFO, STATIONS)], "mast")
    assert report.nodes[0].ids == ("c4:93:00:00:00:01", "mast") and report.nodes[0].read
    near, far = report.links
    assert (near.snr_db, near.rssi_dbm, near.rate_bps, near.heard_s, near.quality) == (34, -61, 52e6, 0.03, 1.0)
    assert far.snr_db == 7 and far.quality is not None and far.quality < 0.1
    # The BSSID of an ad-hoc cell is everybody's: two radios would be taken for one.
    assert read_radios("", [({**INFO, "mode": "Ad-Hoc"}, STATIONS)], "mast").nodes[0].ids == ("mast",)


def test_a_map_looks_at_so_many_rows_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    def link(row: Any, parent: Any, how: Map) -> None:
        nonlocal looked
        looked += 1

    monkeypatch.setattr(fields, "_link", link)
    how = Map("m", read_list("n"), {"id": read_field("id")}, read_list("n.*.near"), {"b": read_field("to")})
    read_fields({"n": [{"id": str(n), "near": [0] * 2000} for n in range(60)]}, how)
    assert looked <= fields.MOST_ROWS < 60 * 2000


def test_a_session_is_made_and_ends() -> None:
    asked = json.loads(question([login("root", "secret")], "0" * 32))
    assert asked[0]["params"][1:3] == ["session", "login"]
    given_ = {"ubus_rpc_session": "a" * 32, "expires": 299}
    assert session_of(json.dumps([{"id": 0, "result": [0, given_]}]).encode()) == ("a" * 32, 299)
    with pytest.raises(SessionOver):
        session_of(b'[{"id": 0, "result": [6]}]')
    with pytest.raises(SessionOver) as told:
        answers(b'[{"id":0,"error":{"code":-32002,"message":"Access denied"}}]', 1)
    assert told.value.code == "mesh-denied"
    assert answers(b'[{"id":1,"result":[4]},{"id":0,"result":[0,{"a":1}]}]', 2) == [(0, {"a": 1}), (4, {})]
    for wrong in (
        b"[]",
        b'[{"id":0,"result":[]}]',
        b'[{"id":5,"result":[0]}]',
        b'{"id":0,"error":{"code":1}}',
        b"<html>",
    ):
        with pytest.raises(RemoteProtocolError):
            answers(wrong, 1)


@given(JSON, JSON)
def test_ubus_whatever_it_answers(one: Any, two: Any) -> None:
    try:
        answers(json.dumps(one).encode(), 1)
    except (RemoteProtocolError, SessionOver):
        pass
    rows = (one if isinstance(one, dict) else {}, two if isinstance(two, dict) else {"results": two})
    read_radios("", [rows], "mast")


def tlv(*fields: tuple[int, str]) -> bytes:
    return b"".join(k.to_bytes(2, "big") + (len(v) + 1).to_bytes(2, "big") + v.encode() + b"\0" for k, v in fields)


# The example of the manual's table 23.
SIGNAL = tlv(
    (5009, ""), (5010, "1.0"), (5008, "2333"), (5000, " -43"), (5001, " -31"), (5002, " -28"), (5003, " -66"),
    (5004, "-190"), (5005, "  8604568"), (5006, "  8861322"), (5007, "1025"), (1, ""),
)  # fmt: skip


def test_the_streaming_report_of_the_manual() -> None:
    radio = Silvus("mast", peer="1026")
    radio.receive(SIGNAL + tlv((8, ""), (9, "1.0"), (2, "51"), (3, "60"), (1, "")))
    report = radio.report()
    assert report.nodes[0].ids == ("1025", "mast")
    assert {r.key: r.value for r in report.nodes[0].readings} == {
        "signal": -14.0, "snr": 81.0, "antenna-1": -21.5, "antenna-2": -15.5, "antenna-3": -14.0, "antenna-4": -33.0,
        "temperature": 51.0,
    }  # fmt: skip
    assert [(link.a, link.b, link.rssi_dbm) for link in report.links] == [("1025", "1026", -14.0)]
    assert Silvus("mast").report().links == ()
    assert read_stream(tlv((5009, ""), (5000, "-43"))) == [], "a report without its end is none"


@given(st.binary(max_size=200))
def test_silvus_garbage(data: bytes) -> None:
    try:
        Silvus("mast").receive(data)
    except RemoteProtocolError as exc:
        assert exc.code == "mesh-garbled"


@given(st.integers(0, len(SIGNAL) - 1), st.integers(0, 255))
def test_silvus_cut_and_changed(at: int, byte: int) -> None:
    for data in (SIGNAL[:at], SIGNAL[:at] + bytes([byte]) + SIGNAL[at + 1 :]):
        try:
            Silvus("mast", "2").receive(data)
        except RemoteProtocolError as exc:
            assert exc.code == "mesh-garbled"


NODE = {
    "id": "mac",
    "name": "name",
    "longitude": "gps.lon",
    "latitude": "gps.lat",
    "battery_percent": "bat",
    "hot": "t*0.1",
}
LINK = {"a": "^mac", "b": "peer", "snr_db": "snr*0.1", "rate_bps": "kbit*1000"}
MAP = Map(
    "mast",
    read_list("data.nodes"),
    {k: read_field(v) for k, v in NODE.items()},
    read_list("data.nodes.*.near"),
    {k: read_field(v) for k, v in LINK.items()},
)
TOLD = {
    "data": {
        "nodes": [
            {
                "mac": "02-00-00-00-00-0A", "name": "A\u202e\n", "bat": 77, "t": 412,
                "gps": {"lon": 116.4, "lat": "39.9"},
                "near": [{"peer": "02:00:00:00:00:0b", "snr": 212, "kbit": 6000}, {"peer": 3.5}, "x"],
            },
            {"name": "no id"},
        ]
    }
}  # fmt: skip


def test_json_by_a_map() -> None:
    report = read_fields(TOLD, MAP)
    a, b = report.nodes
    assert (a.ids, a.read, a.longitude, a.latitude, a.battery_percent) == (
        ("02:00:00:00:00:0a",),
        True,
        116.4,
        39.9,
        77,
    )
    assert a.name == "A" and [(r.key, round(r.value, 1)) for r in a.readings] == [("hot", 41.2)]
    assert (b.ids, b.read) == (("02:00:00:00:00:0b",), False)
    (link,) = report.links
    assert (link.a, link.b, round(link.snr_db or 0, 1), link.rate_bps) == (a.ids[0], b.ids[0], 21.2, 6e6)
    own = Map("mast", (), {}, read_list("near"), {"b": read_field("0"), "rssi_dbm": read_field("1")})
    report = read_fields({"near": [["n2", -70], ["mast", -3]]}, own)
    assert [(node.ids[0], node.read) for node in report.nodes] == [("mast", True), ("n2", False)]
    assert [(link.a, link.b) for link in report.links] == [("mast", "n2")]


@given(JSON)
def test_a_map_takes_whatever_there_is(told: Any) -> None:
    read_fields(told, MAP)
    read_fields({"data": {"nodes": told}}, MAP)


def test_paths_and_values_are_checked() -> None:
    for wrong in ("", "a b", "a..b", "*", "a*", "a*x", "^"):
        with pytest.raises(ValueError):
            read_field(wrong)
    for wrong in ("a b", ".a", "a.^b"):
        with pytest.raises(ValueError):
            read_list(wrong)
    assert number("1e400") is None and number(10**400) is None and number(True) is None and number("nan") is None
    assert place(0, 0) is None and place(181, 1) is None and place("116", 39.5) == (116.0, 39.5)
    assert ident("AA-BB-CC-00-11-22") == "aa:bb:cc:00:11:22" and ident(None) == "" and ident(True) == ""
    with pytest.raises(RemoteProtocolError):
        from_json(b" " * (600 * 1024))
