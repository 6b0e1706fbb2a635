"""gateway/wire/snmp.py: vectors both ways, round trips, and whatever else may come in one datagram."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.base.errors import RemoteProtocolError
from gateway.wire.snmp import MAX_BINDINGS, Bound, Kind, Message, Pdu, Version, decode, encode, oid_text, parse_oid

# A GET of sysUpTime.0 with the community "public", request 1, byte by byte of RFC 1157 and X.690.
GET = bytes.fromhex(
    "302602010104067075626c6963a01902010102010002010030 0e300c06082b060102010103000500".replace(" ", "")
)


def test_a_question_byte_by_byte() -> None:
    asked = Message(Version.V2C, b"public", Pdu.GET, 1, (Bound((1, 3, 6, 1, 2, 1, 1, 3, 0)),))
    assert encode(asked) == GET
    assert decode(GET) == asked


def test_oids_are_read_and_refused() -> None:
    assert parse_oid(".1.3.6.1.4.1.64000.1") == (1, 3, 6, 1, 4, 1, 64000, 1)
    assert oid_text((1, 3, 6)) == "1.3.6"
    for wrong in ("", "1", "1.3.x", "1..3", "3.1", "1.40", "1.3.99999999999", "1.3.4294967295", "1." * 200 + "1"):
        with pytest.raises(ValueError):
            parse_oid(wrong)


ARCS = st.lists(st.integers(0, 2**32 - 1), max_size=20)
OIDS = st.builds(lambda a, b, rest: (a, b, *rest), st.integers(0, 1), st.integers(0, 39), ARCS)
VALUES = st.one_of(
    st.tuples(st.just(Kind.INTEGER), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just(Kind.COUNTER64), st.integers(0, 2**64 - 1)),
    st.tuples(st.sampled_from([Kind.GAUGE, Kind.COUNTER, Kind.TICKS]), st.integers(0, 2**32 - 1)),
    st.tuples(st.just(Kind.OCTETS), st.binary(max_size=300)),
    st.tuples(st.just(Kind.OID), OIDS),
    st.tuples(st.just(Kind.OPAQUE), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    st.tuples(st.sampled_from([Kind.NULL, Kind.NO_OBJECT, Kind.NO_INSTANCE, Kind.END_OF_VIEW]), st.none()),
)
BOUNDS = st.builds(lambda oid, value: Bound(oid, *value), OIDS, VALUES)
MESSAGES = st.builds(
    Message,
    st.sampled_from(Version),
    st.binary(max_size=40),
    st.sampled_from(Pdu),
    st.integers(-(2**31), 2**31 - 1),
    st.lists(BOUNDS, max_size=6).map(tuple),
    st.integers(0, 18),
    st.integers(0, 200),
)


@given(MESSAGES)
def test_what_is_written_is_read(message: Message) -> None:
    assert decode(encode(message)) == message


@given(MESSAGES, st.data())
def test_cut_or_changed_it_is_refused_or_read_but_nothing_else(message: Message, data: st.DataObject) -> None:
    sent = bytearray(encode(message))
    with pytest.raises(RemoteProtocolError):
        decode(bytes(sent[: data.draw(st.integers(0, len(sent) - 1))]))
    sent[data.draw(st.integers(0, len(sent) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(sent))
    except RemoteProtocolError as exc:
        assert exc.code == "snmp-garbled"


@given(st.binary(max_size=200))
def test_garbage(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(data)


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x80\x00\x00",
        b"x" * 20_000,
        encode(Message(Version.V2C, b"", Pdu.RESPONSE, 1, (Bound((1, 3)),) * (MAX_BINDINGS + 1))),
        encode(Message(Version.V2C, b"", Pdu.RESPONSE, 1, (Bound((1, 3), Kind.OCTETS, bytes(5000)),))),
        encode(Message(Version.V2C, b"", Pdu.RESPONSE, 1, (Bound((1, 3, *range(200))),))),
    ],
)
def test_bounds(wrong: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(wrong)
