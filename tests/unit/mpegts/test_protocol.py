"""URLs of transport streams, lists of programmes, sockets."""

from __future__ import annotations

import json
import socket

import pytest

from adapters.mpegts.protocol import Place, Programme, parse_place, parse_programmes
from adapters.mpegts.sockets import interface_index, receiving, sending
from gateway.base.errors import LinkDown, RemoteProtocolError
from gateway.base.url import parse_url


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("udp://239.1.2.3:5004", Place("239.1.2.3", 5004, True)),
        ("udp://@239.1.2.3:5004?iface=lo", Place("239.1.2.3", 5004, True, "lo")),
        (
            "rtp://[ff15::1]:5004?localaddr=::1&sources=fd00::2#program=7",
            Place("ff15::1", 5004, True, "::1", "fd00::2", 7, True),
        ),
        ("udp://:5000", Place("", 5000, False)),
        (
            "udp://10.0.0.9:5000?pkt_size=1316&ttl=9&bitrate=4000000",
            Place("10.0.0.9", 5000, False, ttl=9, bitrate_bps=4_000_000),
        ),
        ("udp://encoder.local:5000#source=10.0.0.7", Place("encoder.local", 5000, False, "", "10.0.0.7")),
    ],
)
def test_urls(text: str, wanted: Place) -> None:
    assert parse_place(parse_url(text)) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "udp://239.1.2.3",
        "udp://239.1.2.3:5004?iface=../etc",
        "udp://239.1.2.3:5004?source=somebody",
        "udp://239.1.2.3:5004?ttl=256",
        "udp://239.1.2.3:5004#program=x",
        "udp://239.1.2.3:5004?bitrate=1000",
        "udp://239.1.2.3:5004?" + "a=1&" * 40,
    ],
)
def test_bad_urls_are_told(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_place(parse_url(text))
    assert caught.value.code == "bad-url"


def test_programmes_are_bounded_and_their_names_clean() -> None:
    told = [{"number": n, "name": f"{n}\x1b[2J" if n else "", "tracks": []} for n in range(100)]
    found = parse_programmes(json.dumps(told).encode())
    assert len(found) == 64
    assert found[:2] == [Programme(0, "programme 0"), Programme(1, "1[2J")]


def test_where_a_socket_listens_and_to_whom() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(LinkDown) as caught:
            receiving(Place("127.0.0.1", port, False), "")
        assert caught.value.code == "port-in-use"
    mine, only = receiving(Place("127.0.0.1", port, False), "")
    assert (mine.getsockname(), only) == (("127.0.0.1", port), "")
    mine.close()
    # Not an address of ours: the sender's.
    any_, only = receiving(Place("192.0.2.77", port, False), "")
    assert (any_.getsockname()[0], only) == ("0.0.0.0", "192.0.2.77")
    any_.close()


@pytest.mark.parametrize("interface", ["lo", "127.0.0.1", ""])
@pytest.mark.parametrize("source", ["", "127.0.0.1"])
def test_a_group_is_joined_once_more_for_each_who_asks(interface: str, source: str) -> None:
    if not interface:
        interface = "lo"
    place = Place("239.255.77.9", 0, True, "lo", source)
    one, _ = receiving(place, interface)
    place = Place("239.255.77.9", one.getsockname()[1], True, "lo", source)
    two, only = receiving(place, interface)
    out = sending(place, place.host, "lo", 0)
    out.bind(("127.0.0.1", 0))
    out.sendto(b"hello", (place.host, place.port))
    for each in (one, two):
        each.settimeout(5)
        assert each.recv(100) == b"hello"
        each.close()
    assert only == source
    out.close()


def test_an_interface_that_is_not_there() -> None:
    assert (interface_index(""), interface_index("127.0.0.1")) == (0, -1)
    for broken in (lambda: interface_index("nosuch0"), lambda: receiving(Place("239.1.1.1", 1, True), "192.0.2.99")):
        with pytest.raises(LinkDown) as caught:
            broken()
        assert caught.value.code in ("no-interface", "link-down")
