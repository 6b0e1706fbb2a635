"""How a connection begins and ends, by aiomqtt: as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mqtt.protocol.packets import Framer, Packet, read_connect
from adapters.mqtt.protocol.reasons import words
from adapters.mqtt.seam import Greeter, Hello

WILL = ("fc/v1/kit7/state", b'{"online":false}')
HELLO = Hello("kit7", WILL, 20, "user", "secret")


def one(data: bytes) -> Packet:
    (packet,) = Framer(100_000).receive(data)
    return packet


def greeted(*, five: bool) -> Greeter:
    greeter = Greeter(HELLO, five=five)
    assert greeter.hello()
    return greeter


async def test_a_connect_of_3_1_1_says_who_comes_with_which_will() -> None:
    told = read_connect(one(Greeter(HELLO, five=False).hello()))
    assert (told.level, told.clean, told.keep_alive_s, told.client) == (4, True, 20, "kit7")
    assert (told.will_topic, told.will_retained, told.user) == (WILL[0], True, "user")


async def test_a_connect_byte_by_byte() -> None:
    """MQTT 3.1.1 §3.1 and MQTT 5 §3.1, by hand."""
    hello = Hello("k", ("t", b"w"), 20, "u", "p")
    tail = b"\x00\x01t\x00\x01w\x00\x01u\x00\x01p"
    assert Greeter(hello, five=False).hello() == b"\x10\x19\x00\x04MQTT\x04\xee\x00\x14\x00\x01k" + tail
    # A session that ends with the connection; a will without properties.
    five = b"\x10\x20\x00\x04MQTT\x05\xee\x00\x14\x05\x11\0\0\0\0\x00\x01k\0" + tail
    assert Greeter(hello, five=True).hello() == five
    assert Greeter(Hello("k", ("t", b"w"), 20), five=False).hello()[9] == 0x2E, "nobody with a password"
    long = Hello("k", ("t", b"w" * 300), 20)
    assert one(Greeter(long, five=True).hello()).body.endswith(b"w" * 300)


@pytest.mark.parametrize(
    ("body", "five", "told"),
    [
        (b"\0\0", False, (0, 20)),
        (b"\0\1", False, (0x84, 20)),
        (b"\0\5", False, (0x87, 20)),
        (b"\0\3", False, (0x88, 20)),
        (b"\1\0\0", True, (0, 20)),
        (b"\0\1", True, (0x84, 20)),  # of a broker that has 3.1.1 only
        (b"\0\x87\0", True, (0x87, 20)),
        (b"\0\0\3\x13\0\x3c", True, (0, 60)),
        (b"\0\0\x14\x21\0\xc8\x12\0\2ab\x26\0\1a\0\1b\x2a\1\x13\0\0", True, (0, 0)),
    ],
)
async def test_a_connack_is_read(body: bytes, five: bool, told: tuple[int, int]) -> None:
    greeter = greeted(five=five)
    assert (greeter.answered(one(bytes([0x20, len(body)]) + body)), greeter.keep_alive_s) == told


@pytest.mark.parametrize(
    "data",
    [
        b"\x20\x00",
        b"\x20\x01\x00",
        b"\xd0\x00",
        b"\xe0\x02\x8e\x00",  # a goodbye before a welcome
        b"\x20\x03\0\0\1",  # properties of one byte, which is not there
        b"\x20\x04\0\0\1\x77",  # a property that is none
        b"\x20\x05\0\0\2\x13\0",  # one that is cut off
        b"\x20\x06\0\0\3\x12\0\xff",
    ],
)
async def test_what_is_no_connack(data: bytes) -> None:
    with pytest.raises(ValueError):
        greeted(five=True).answered(one(data))


@given(st.binary(min_size=0, max_size=40), st.booleans(), st.sampled_from([0x20, 0xE0]))
async def test_whatever_comes_is_read_or_refused(body: bytes, five: bool, kind: int) -> None:
    greeter, packet = greeted(five=five), one(bytes([kind, len(body)]) + body)
    try:
        assert 0 <= greeter.answered(packet) <= 255 and 0 <= greeter.keep_alive_s <= 0xFFFF
    except ValueError:
        return


async def test_a_goodbye_has_a_reason_or_none() -> None:
    for data, why in ((b"\xe0\x00", 0), (b"\xe0\x02\x8e\x00", 0x8E), (b"\xe0\x01\x8b", 0x8B)):
        greeter = greeted(five=True)
        assert greeter.answered(one(b"\x20\x03\0\0\0")) == 0
        assert greeter.ended(one(data)) == why
    assert "0x8e" in words(0x8E) and "0xfe" in words(0xFE)


@pytest.mark.parametrize("five", [True, False])
async def test_a_goodbye_of_ours(five: bool) -> None:
    greeter = greeted(five=five)
    assert greeter.answered(one(b"\x20\x03\0\0\0" if five else b"\x20\x02\0\0")) == 0
    assert greeter.goodbye() == b"\xe0\x00"
