"""adapters/mesh/protocol/babel.py: as babeld 1.12.1 said it, cut anywhere; what it says of a link that is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mesh.protocol.babel import MOST_LINE, Babel
from gateway.base.errors import RemoteProtocolError

# Recorded of babeld 1.12.1 with two neighbours, addresses kept.
HELLO = b"BABEL 1.0\nversion babeld-1.12.1\nhost vm\nmy-id 00:83:13:6e:8f:1e:4d:56\nok\n"
TABLE = b"""add interface mab up true ipv6 fe80::c462:38ff:fe48:9430
add interface mac up true ipv6 fe80::44f1:efff:fea3:d0d
add neighbour 5566ce9bec30 address fe80::acec:b1ff:fe33:651f if mac reach fe00 ureach 0000 rxcost 96 txcost 96 cost 96
add neighbour 5566ce9bd510 address fe80::847:8dff:fe2f:d7fe if mab reach fe00 ureach 0000 rxcost 96 txcost 192 cost 192
add xroute 10.77.0.1/32-0.0.0.0/0 prefix 10.77.0.1/32 from 0.0.0.0/0 metric 0
add route 5566ce9bfdf0 prefix 10.77.0.2/32 from 0.0.0.0/0 installed yes id b0:d6:5a:90:7b:2b:4b:b9 metric 192 \
refmetric 0 via fe80::847:8dff:fe2f:d7fe if mab
add route 5566ce9bff40 prefix 10.77.0.9/32 from 0.0.0.0/0 installed yes id d0:88:68:f5:00:08:03:d1 metric 288 \
refmetric 96 via fe80::847:8dff:fe2f:d7fe if mab
ok
"""
ME, B, FAR, C = (
    "00:83:13:6e:8f:1e:4d:56",
    "b0:d6:5a:90:7b:2b:4b:b9",
    "d0:88:68:f5:00:08:03:d1",
    "fe80::acec:b1ff:fe33:651f",
)


def told(*pieces: bytes) -> Babel:
    babel = Babel()
    for piece in pieces:
        babel.receive(piece)
    return babel


def test_the_table_is_read() -> None:
    babel = told(HELLO, TABLE)
    assert babel.ready and babel.changed() and not babel.changed()
    report = babel.report()
    assert [(node.ids[0], node.read) for node in report.nodes] == [(ME, True), (C, False), (B, False), (FAR, False)]
    assert "fe80::44f1:efff:fea3:d0d" in report.nodes[0].ids and "fe80::847:8dff:fe2f:d7fe" in report.nodes[2].ids
    assert {(link.a, link.b, link.cost, link.quality) for link in report.links} == {(ME, C, 96, 1.0), (ME, B, 192, 0.5)}


def test_an_interface_that_goes_down_takes_its_neighbours_though_babeld_does_not_say_so() -> None:
    babel = told(HELLO, TABLE)
    babel.changed()
    babel.receive(b"change interface mab up false\n")
    assert babel.changed()
    assert [link.b for link in babel.report().links] == [C]
    babel.receive(b"change interface mab up true\n")
    babel.receive(b"change neighbour 5566ce9bd510 address fe80::847:8dff:fe2f:d7fe if mab reach 8000 ureach 0000 ")
    babel.receive(b"rxcost 65535 txcost 65535 cost 65535\n")
    assert len(babel.report().links) == 1, "heard of, but not heard"
    babel.receive(b"flush neighbour 5566ce9bec30 address fe80::acec:b1ff:fe33:651f if mac\n")
    assert babel.report().links == ()


def test_hellos_alone_are_no_news() -> None:
    babel = told(HELLO, TABLE)
    babel.changed()
    line = b"change neighbour 5566ce9bec30 address fe80::acec:b1ff:fe33:651f if mac reach ff00 ureach 0000 rxcost 96 "
    babel.receive(line + b"txcost 96 cost 96\n")
    assert not babel.changed()
    babel.receive(line + b"txcost 120 cost 120\n")
    assert babel.changed()


def test_one_address_on_two_links_is_two_radios() -> None:
    twice = b"fe80::1"
    table = TABLE.replace(b"fe80::847:8dff:fe2f:d7fe", twice).replace(b"fe80::acec:b1ff:fe33:651f", twice)
    report = told(HELLO, table).report()
    assert {(link.b, link.quality) for link in report.links} == {("fe80::1%mac", 1.0), (B, 0.5)}
    assert [node.ids for node in report.nodes[1:3]] == [("fe80::1%mac",), (B,)]


def test_one_that_does_not_say_who_it_is_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        told(b"BABEL 1.0\nhost vm\nok\n", TABLE)


@given(st.lists(st.integers(0, len(HELLO + TABLE)), max_size=12))
def test_cut_anywhere(cuts: list[int]) -> None:
    whole, places = HELLO + TABLE, [0, *sorted(cuts), len(HELLO + TABLE)]
    pieces = [whole[a:b] for a, b in pairwise(places)]
    assert told(*pieces).report() == told(whole).report()


@given(st.binary(max_size=300))
def test_garbage_is_refused_or_says_nothing(data: bytes) -> None:
    try:
        babel = told(data)
    except RemoteProtocolError as exc:
        assert exc.code == "mesh-garbled"
    else:
        assert not babel.report().links


@pytest.mark.parametrize(
    "wrong", [b"HTTP/1.1 400 Bad Request\n", b"BABEL 2.0\n", b"x" * (MOST_LINE + 1), HELLO + b"bad\n"]
)
def test_others_are_refused(wrong: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        told(wrong)
