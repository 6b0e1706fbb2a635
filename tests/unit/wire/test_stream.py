"""The TCP framer: cut anywhere, lied to about lengths, fed garbage; and its bounds."""

from __future__ import annotations

import random

import pytest

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sip.message import MAX_TCP_BYTES, parse_message
from gateway.wire.sip.stream import Ping, Pong, Skipped, StreamFramer
from gateway.wire.textmsg import MAX_HEAD_BYTES

XML = "Content-Type: Application/MANSCDP+xml"


def message(n: int, body: bytes = b"", length: str | None = None, *more: str) -> bytes:
    lines = [f"MESSAGE sip:{n}@h SIP/2.0", "Via: SIP/2.0/TCP h;branch=z9hG4bK1", "From: <sip:a@h>;tag=1"]
    lines += ["To: <sip:b@h>", f"Call-ID: {n}", f"CSeq: {n} MESSAGE", *more]
    lines += [f"Content-Length: {len(body) if length is None else length}", "", ""]
    return "\r\n".join(lines).encode() + body


def feed(data: bytes, *cuts: int) -> list[bytes | Ping | Pong | Skipped]:
    framer, out, at = StreamFramer(), [], 0
    for cut in (*cuts, len(data)):
        out += framer.feed(data[at:cut])
        at = cut
    return out


def ids(items: list[bytes | Ping | Pong | Skipped]) -> list[str]:
    return [parse_message(item).call_id for item in items if isinstance(item, bytes)]


def test_coalesced_messages() -> None:
    assert ids(feed(message(1, b"abc") + message(2) + b"\r\n\r\n" + message(3, b"x" * 5000))) == ["1", "2", "3"]


@pytest.mark.parametrize("seed", range(20))
def test_cut_anywhere(seed: int) -> None:
    rng = random.Random(seed)
    data = message(1, b"abc\r\n\r\n") + message(2, b"", "  0 ") + b"\r\n" + message(3, bytes(range(256)))
    cuts = sorted(rng.randrange(len(data)) for _ in range(rng.randrange(30)))
    assert ids(feed(data, *cuts)) == ["1", "2", "3"]


def test_one_byte_at_a_time() -> None:
    data = message(1, b"abc") + message(2)
    assert ids(feed(data, *range(1, len(data)))) == ["1", "2"]


def test_keepalives() -> None:
    assert feed(b"\r\n\r\n" + message(1) + b"\r\n")[0] == Ping()
    assert feed(message(1) + b"\r\n")[-1] == Pong()


def test_length_too_short_finds_the_next_message() -> None:
    items = feed(message(1, b"<Notify>abcdef</Notify>\r\n", "10", XML) + message(2))
    assert ids(items) == ["1", "2"] and any(isinstance(item, Skipped) for item in items)


def test_length_too_long_does_not_swallow_the_next_message() -> None:
    items = feed(message(1, b"<Notify>abc</Notify>\r\n", "60", XML) + message(2) + message(3))
    assert ids(items) == ["1", "2", "3"]


def test_garbage_before_between_and_after() -> None:
    noise = b"\x00\xff<garbage> nonsense\r\nmore\r\n\r\n"
    items = feed(noise + message(1) + noise + message(2) + noise)
    assert ids(items) == ["1", "2"]
    assert sum(item.count for item in items if isinstance(item, Skipped)) >= len(noise)


def test_response_and_strange_methods_begin_messages_too() -> None:
    response = b"SIP/2.0 200 OK\r\nCall-ID: r\r\nContent-Length: 0\r\n\r\n"
    strange = message(7).replace(b"MESSAGE sip", b"!odd-Method_* sip", 1)
    assert ids(feed(b"<x>" + response + strange)) == ["r", "7"]


def test_unreadable_length_hands_the_head_up_and_goes_on() -> None:
    items = feed(message(1, b"body", "many") + message(2))
    assert isinstance(items[0], bytes) and items[0].endswith(b"\r\n\r\n")
    assert ids(items[-1:]) == ["2"]


def test_bounds() -> None:
    with pytest.raises(RemoteProtocolError):
        feed(message(1, b"", str(MAX_TCP_BYTES)))
    with pytest.raises(RemoteProtocolError):
        feed(b"MESSAGE sip:a@h SIP/2.0\r\nX: " + b"a" * MAX_HEAD_BYTES)


def test_endless_garbage_is_not_kept() -> None:
    framer = StreamFramer()
    for _ in range(200):
        framer.feed(b"<" + b"A " * 5000)
    assert len(framer._buffer) < 20_000


def test_hostile_near_matches_are_cheap() -> None:
    """A megabyte of almost-start-lines must not take quadratic time: it is counted in steps here, not in seconds."""
    framer = StreamFramer()
    items = framer.feed(b"<" + b" SIP/ SIP/2 SIP/2. SIP/2.0" * 40_000)
    assert all(isinstance(item, Skipped) for item in items)
