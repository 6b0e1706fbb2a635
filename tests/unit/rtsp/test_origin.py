"""Whom a track's datagrams are taken from, by what URL and Transport say."""

from __future__ import annotations

import pytest

from adapters.rtsp.protocol.origin import origin_of
from gateway.base.errors import RemoteProtocolError
from gateway.base.url import parse_url
from gateway.wire.rtsp import parse_transports

PEER = "192.0.2.1"


@pytest.mark.parametrize(
    ("option", "said", "hosts", "ports"),
    [
        ("", "server_port=6970-6971", (PEER,), (6970, 6971)),
        ("", "client_port=5000-5001", (PEER,), (0, 0)),
        ("", "source=192.0.2.9;server_port=6970", (PEER, "192.0.2.9"), (6970, 6971)),
        ("", "source=[2001:db8::9]", (PEER, "2001:db8::9"), (0, 0)),
        ("", "source=camera.example;server_port=6970-6971", (PEER,), (6970, 6971)),
        ("", "source=0.0.0.0", (PEER,), (0, 0)),
        (
            "",
            "multicast;port=5000;server_port=6970;source=192.0.2.9",
            (PEER, "192.0.2.9"),
            (0, 0),
        ),
        ("#from=host", "server_port=6970-6971", (PEER,), (0, 0)),
        ("#from=any", "source=192.0.2.9;server_port=6970-6971", (), (0, 0)),
    ],
)
def test_the_server_its_source_and_its_ports(
    option: str, said: str, hosts: tuple[str, ...], ports: tuple[int, int]
) -> None:
    [answer] = parse_transports(f"RTP/AVP;{said if said.startswith('multicast') else f'unicast;{said}'}")
    assert origin_of(parse_url(f"rtsp://camera/x{option}"), PEER, answer) == (hosts, ports)


def test_an_option_that_says_nothing_known_is_refused() -> None:
    [answer] = parse_transports("RTP/AVP;unicast")
    with pytest.raises(RemoteProtocolError, match="from"):
        origin_of(parse_url("rtsp://camera/x#from=me"), PEER, answer)
