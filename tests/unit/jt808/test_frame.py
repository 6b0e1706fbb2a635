"""Frames: the standard's own example, both headers, split messages, and what terminals get wrong."""

from __future__ import annotations

import pytest

from adapters.jt808.protocol.frame import (
    MAX_FRAME,
    FrameReader,
    Message,
    bcd,
    check_code,
    decode,
    encode,
    escape,
    unescape,
)
from gateway.base.errors import RemoteProtocolError

OLD = Message(0x0200, "13800138000", 7, bytes(range(100)) + b"\x7e\x7d")
NEW = Message(0x0102, "13912344323", 0xFFFF, b"code", 1)


def read(data: bytes, size: int = 10_000) -> tuple[list[Message], FrameReader]:
    reader = FrameReader()
    return [m for at in range(0, len(data), size) for m in reader.feed(data[at : at + size])], reader


def test_escapes_as_the_standard_shows_them() -> None:
    # JT/T 808-2019 §4.4.2
    plain, sent = bytes.fromhex("307e087d55"), bytes.fromhex("307d02087d0155")
    assert (escape(plain), unescape(sent)) == (sent, plain)
    for broken in (b"\x7d", b"\x7d\x03", b"a\x7d"):
        with pytest.raises(RemoteProtocolError):
            unescape(broken)


def test_a_heartbeat_of_a_terminal() -> None:
    # id 0002, no body, 013800138000, serial 0001
    frame = bytes.fromhex("7e 0002 0000 013800138000 0001 2a 7e".replace(" ", ""))
    frame = frame[:-2] + bytes([check_code(frame[1:-2])]) + b"\x7e"
    assert read(frame)[0] == [Message(2, "13800138000", 1, b"")]


@pytest.mark.parametrize("message", [OLD, NEW])
@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_round_trip_cut_anywhere_and_stuck_together(message: Message, size: int) -> None:
    got, reader = read(encode(message) * 3, size)
    assert (got, reader.bad) == ([message] * 3, 0)


def test_one_flag_between_two_frames() -> None:
    one = encode(OLD)
    assert read(one[:-1] + one)[0] == [OLD, OLD]


def test_every_broken_byte_is_noticed() -> None:
    frame = encode(OLD)
    for at in range(1, len(frame) - 1):
        broken = bytearray(frame)
        broken[at] ^= 0x01
        got, _ = read(bytes(broken) + encode(NEW))
        assert OLD not in got and got[-1:] == [NEW], at


def split(body: bytes, parts: int, serial: int = 10) -> list[bytes]:
    size = -(-len(body) // parts)
    out = []
    for number in range(parts):
        piece = body[number * size : (number + 1) * size]
        head = (0x0801).to_bytes(2) + (len(piece) | 1 << 13).to_bytes(2) + bcd("138", 6)
        head += (serial + number).to_bytes(2) + parts.to_bytes(2) + (number + 1).to_bytes(2)
        whole = head + piece
        out.append(b"\x7e" + escape(whole + bytes([check_code(whole)])) + b"\x7e")
    return out


def test_split_messages_in_any_order() -> None:
    body = bytes(range(256)) * 8
    frames = split(body, 5)
    for order in (frames, frames[::-1], [frames[2], frames[0], frames[2], *frames[1:]]):
        got, _ = read(b"".join(order))
        assert [m.body for m in got] == [body]


def test_parts_that_never_come_are_forgotten() -> None:
    frames = [split(b"x" * 100, 3, serial=20 * n)[0] for n in range(50)]
    got, reader = read(b"".join(frames))
    assert got == [] and reader.bad >= 40
    assert len(reader._split) <= 5


def test_noise_is_bounded() -> None:
    reader = FrameReader()
    assert not list(reader.feed(b"\x00" * (5 * MAX_FRAME)))
    assert reader.skipped >= 4 * MAX_FRAME and len(reader._held) <= MAX_FRAME
    for part in (b"", b"\x7d", b"\x00" * 12, bytes.fromhex("0200 0400 013800138000 0001 00".replace(" ", ""))):
        with pytest.raises(RemoteProtocolError):
            decode(part)


def test_an_encrypted_message_is_named() -> None:
    whole = bytes.fromhex("0200 0400 013800138000 0001".replace(" ", ""))
    with pytest.raises(RemoteProtocolError) as told:
        decode(whole + bytes([check_code(whole)]))
    assert told.value.code == "jt808-encrypted"
