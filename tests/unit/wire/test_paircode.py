"""Pairing codes: what is written reads back, an answer is believed by its seal alone, and nonsense is told as such."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.base.errors import RemoteProtocolError
from gateway.wire.paircode import (
    MOST,
    CenterCode,
    KitCode,
    answer_id,
    read_center,
    read_kit,
    write_center,
    write_kit,
)

SECRET = bytes(range(16))
KIT = KitCode("kit7", "七号站", b"k" * 32, SECRET)
CENTER = CenterCode(
    "county", "County 县中心", b"c" * 32, ("203.0.113.5", "2001:db8::5", "c.example"), 8444, 8443, "ab" * 32
)


def packed(body: Any, prefix: str = "fgp1:") -> str:
    data = msgpack.packb(body)
    return prefix + base64.urlsafe_b64encode(hashlib.sha256(data).digest()[:4] + data).rstrip(b"=").decode()


def unpacked(code: str) -> Any:
    signs = code.partition(":")[2]
    return msgpack.unpackb(base64.urlsafe_b64decode(signs + "=" * (-len(signs) % 4))[4:])


def test_what_is_written_reads_back() -> None:
    assert read_kit(write_kit(KIT)) == KIT
    assert read_center(write_center(CENTER, SECRET), SECRET) == CENTER


def test_line_breaks_of_a_message_do_no_harm() -> None:
    text = write_kit(KIT)
    assert read_kit(f"  {text[:30]}\r\n {text[30:60]}\n{text[60:]} ") == KIT


def test_an_answer_to_another_code_is_none() -> None:
    assert read_center(write_center(CENTER, SECRET), bytes(16)) is None


def test_a_seal_covers_every_field() -> None:
    forged = write_center(replace(CENTER, key=b"e" * 32), bytes(16))
    assert read_center(forged, SECRET) is None
    sealed, seal = unpacked(write_center(CENTER, SECRET))
    fields = msgpack.unpackb(sealed)
    others = ["city", "City", b"e" * 32, ["192.0.2.6"], 8445, 8446, "cd" * 32]
    for place, other in zip(range(len(fields)), others, strict=True):
        bent = msgpack.packb([*fields[:place], other, *fields[place + 1 :]])
        assert read_center(packed([bent, seal], "fga1:"), SECRET) is None, f"field {place} is another one"
    assert read_center(packed([msgpack.packb(fields), seal], "fga1:"), SECRET) == CENTER, "as it was"


def test_secrets_are_not_shown() -> None:
    assert SECRET.hex() not in repr(KIT) and "secret" not in repr(KIT)
    assert answer_id(SECRET) != answer_id(bytes(16)) and SECRET.hex() not in answer_id(SECRET)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "fgp2:abcd",
        "fgp1:",
        "fgp1:äöü",
        write_kit(KIT)[:-5],
        write_kit(KIT).replace("A", "B", 1) + "x",
        write_center(CENTER, SECRET),
        "fgp1:" + "A" * MOST,
        packed(["Kit 7", "", b"k" * 32, SECRET]),
        packed(["kit7", "x" * 65, b"k" * 32, SECRET]),
        packed(["kit7", "", b"k" * 31, SECRET]),
        packed(["kit7", "", b"k" * 32, b""]),
        packed(["kit7", "", b"k" * 32]),
        packed(["kit7", "", "text", SECRET]),
        packed({"a": 1}),
        packed(7),
    ],
)
def test_what_is_no_kits_code_is_told(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as told:
        read_kit(text)
    assert told.value.code == "pair-code"


@pytest.mark.parametrize(
    "wrong",
    [
        replace(CENTER, hosts=()),
        replace(CENTER, hosts=("a b",)),
        replace(CENTER, hosts=("h",) * 9),
        replace(CENTER, udp_port=0),
        replace(CENTER, tcp_port=70000),
        replace(CENTER, key=b"short"),
        replace(CENTER, gateway="County"),
        replace(CENTER, fingerprint="f" * 65),
    ],
)
def test_a_sealed_answer_is_still_read_with_care(wrong: CenterCode) -> None:
    with pytest.raises(RemoteProtocolError):
        read_center(write_center(wrong, SECRET), SECRET)


@given(st.text(max_size=400), st.sampled_from(["", "fgp1:", "fga1:"]))
def test_arbitrary_text(text: str, prefix: str) -> None:
    for read in (read_kit, lambda found: read_center(found, SECRET)):
        try:
            read(prefix + text)
        except RemoteProtocolError:
            pass


@given(st.binary(max_size=300), st.sampled_from(["fgp1:", "fga1:"]))
def test_arbitrary_packed_bytes(data: bytes, prefix: str) -> None:
    text = prefix + base64.urlsafe_b64encode(hashlib.sha256(data).digest()[:4] + data).rstrip(b"=").decode()
    for read in (read_kit, lambda found: read_center(found, SECRET)):
        try:
            read(text)
        except RemoteProtocolError:
            pass
