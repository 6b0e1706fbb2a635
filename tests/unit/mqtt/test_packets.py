"""Where packets end and what a CONNECT says, whatever a stranger sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mqtt.protocol.packets import Framer, Type, read_answer, read_connect, subscribe, unsubscribe
from gateway.base.errors import RemoteProtocolError


def text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def connect(client: str = "kit7", *, level: int = 4, flags: int = 0x2E, rest: bytes | None = None) -> bytes:
    body = text("MQTT") + bytes([level, flags, 0, 20])
    body += rest if rest is not None else text(client) + text("fc/v1/kit7/state") + text("{}")
    return bytes([0x10, len(body)]) + body


def test_a_connect_is_read() -> None:
    (packet,) = Framer(1000).receive(connect())
    told = read_connect(packet)
    assert (told.level, told.clean, told.keep_alive_s, told.client) == (4, True, 20, "kit7")
    assert (told.will_topic, told.will_retained, told.user) == ("fc/v1/kit7/state", True, None)
    (packet,) = Framer(1000).receive(connect(flags=0x82, rest=text("kit7") + text("user")))
    assert read_connect(packet).user == "user" and read_connect(packet).will_topic is None
    (packet,) = Framer(1000).receive(connect(level=5, rest=b"\x00"))
    assert read_connect(packet).level == 5


@given(st.lists(st.binary(max_size=300), max_size=5), st.lists(st.integers(1, 50), max_size=30))
def test_packets_are_found_however_they_are_cut(bodies: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(
        bytes([0x30]) + (bytes([len(b)]) if len(b) < 128 else bytes([len(b) & 0x7F | 0x80, len(b) >> 7])) + b
        for b in bodies
    )
    framer, found = Framer(300), []
    for cut in [*cuts, len(whole)]:
        found += framer.receive(whole[:cut])
        whole = whole[cut:]
    assert [packet.body for packet in found] == bodies
    assert all(packet.type is Type.PUBLISH and packet.raw.endswith(packet.body) for packet in found)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00",
        b"\xf0\x00",
        b"\x3e\x00",  # QoS 3
        b"\x80\x00",  # SUBSCRIBE without its flags
        b"\x30\xff\xff\xff\xff\x01",
        b"\x30\xe9\x07",  # 1001 bytes, and not one of them is here
        b"GET / HTTP/1.1\r\n",
    ],
)
def test_what_is_no_packet_or_too_large_is_refused_before_it_is_there(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Framer(1000).receive(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\xc0\x00",
        connect(flags=0x03),
        connect(rest=b"\x00\x05kit"),
        connect(rest=text("kit7") + text("topic")),
        connect(rest=text("\xff")[:2] + b"\xff\xfe"),
        connect("kit\x007"),
        bytes([0x10, 12]) + text("HTTP") + bytes([4, 2, 0, 20]) + b"\x00\x00",
    ],
)
def test_a_connect_that_is_none(data: bytes) -> None:
    (packet,) = Framer(1000).receive(data)
    with pytest.raises(RemoteProtocolError):
        read_connect(packet)


@given(st.binary(max_size=200))
def test_noise(data: bytes) -> None:
    framer = Framer(100)
    for noise in (data, connect()[:-1] + data):
        try:
            for packet in framer.receive(noise):
                read_connect(packet)
        except RemoteProtocolError:
            framer = Framer(100)


@pytest.mark.parametrize("five", [False, True])
def test_what_is_listened_to_is_asked_and_answered(five: bool) -> None:
    """MQTT §3.8 to §3.11, by the examples there."""
    end = b"\0" if five else b""
    (asked,) = Framer(1000).receive(subscribe(0x8001, ["a/b", "c/+"], 1, five=five))
    assert asked.type is Type.SUBSCRIBE and asked.flags == 2
    assert asked.body == b"\x80\x01" + end + text("a/b") + b"\1" + text("c/+") + b"\1"
    (asked,) = Framer(10_000).receive(unsubscribe(7, ["fc/v1/+/dev/+/state"] * 64, five=five))
    assert asked.type is Type.UNSUBSCRIBE and asked.body == b"\0\7" + end + text("fc/v1/+/dev/+/state") * 64
    (packet,) = Framer(1000).receive(b"\x90" + bytes([4 + len(end)]) + b"\x80\x01" + end + b"\0\x80")
    assert read_answer(packet, five=five) == (0x8001, b"\0\x80")
    for cut in range(2 + len(end)):
        (packet,) = Framer(1000).receive(b"\xb0" + bytes([cut]) + (b"\x80\x01" + end)[:cut])
        with pytest.raises((ValueError, IndexError)):
            read_answer(packet, five=five)
