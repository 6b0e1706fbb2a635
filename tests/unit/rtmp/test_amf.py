"""AMF0: both ways, every marker, limits."""

from __future__ import annotations

import struct

import pytest

from adapters.rtmp.protocol import amf
from gateway.base.errors import RemoteProtocolError


def test_what_is_written_comes_back() -> None:
    values: list[amf.Value] = ["connect", 1.0, {"app": "live", "n": None, "deep": {"x": [1.0, True, "é"]}}, False, None]
    assert amf.decode(amf.encode(*values)) == values
    long = "x" * 70_000
    assert amf.decode(amf.encode(long)) == [long]


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x06", None),  # undefined
        (b"\x0d", None),  # unsupported
        (b"\x07\x00\x01", None),  # a reference
        (b"\x0b" + struct.pack(">dh", 1e12, 0), 1e12),  # a date
        (b"\x0f\x00\x00\x00\x03<a>", "<a>"),  # XML
        (b"\x10\x00\x01A\x00\x01x\x05\x00\x00\x09", {"x": None}),  # a typed object
        (b"\x08\x00\x00\xff\xff\x00\x01w\x00" + struct.pack(">d", 2.0) + b"\x00\x00\x09", {"w": 2.0}),  # a wrong count
        (b"\x03\x00\x01a\x01\x01\x00\x00", {"a": True}),  # the end is forgotten
        (b"\x02\x00\x02\xff\xfe", "��"),
    ],
)
def test_markers(data: bytes, value: amf.Value) -> None:
    assert amf.decode(data) == [value]


def test_a_switch_to_amf3_ends_what_is_read() -> None:
    assert amf.decode(amf.encode("connect", 1.0) + b"\x11\x0a\x0b\x01") == ["connect", 1.0]


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01",
        b"\x02\x00\x05ab",
        b"\x04",
        b"\x0a\xff\xff\xff\xff",
        b"\x03\x00\x01a" * 100,
        b"\x0a\x00\x00\x00\x01" * 100,
        b"\x05" * 5000,
    ],
)
def test_what_can_not_be_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        amf.decode(data)
    assert refused.value.code == "rtmp-amf"


def test_what_amf_can_not_say_is_a_bug_of_ours() -> None:
    with pytest.raises(ValueError, match="object"):
        amf.encode(object())  # type: ignore[arg-type]
