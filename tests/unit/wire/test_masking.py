"""Secrets out of what is captured: whole, wherever chunks and segments cut them, and nothing else."""

# ruff: noqa: E501 - messages as they are sent
from __future__ import annotations

import random
import struct

import pytest

from gateway.wire.masking import StreamMask, masked

AMF = b"\x02\x00\x07publish\x00" + struct.pack(">d", 5.0) + b"\x05\x02\x00\x0clive-key-777\x02\x00\x04live"


@pytest.mark.parametrize(
    ("text", "secret", "kept"),
    [
        (b"GET / HTTP/1.1\r\nAuthorization: Basic YWRtaW46cGFzcw==\r\n\r\n", b"YWRtaW46cGFzcw==", b"Authorization: Basic"),
        (b"X\r\nProxy-Authorization: Bearer abc.def-ghi\r\n", b"abc.def-ghi", b"Bearer"),
        (
            b'REGISTER sip:x SIP/2.0\r\nAuthorization: Digest username="8101", realm="kit", nonce="n0", '
            b'response="0123456789abcdef0123456789abcdef"\r\n',
            b"0123456789abcdef0123456789abcdef",
            b'username="8101", realm="kit"',
        ),
        (b"DESCRIBE rtsp://admin:S3cret%21@10.0.0.1/1 RTSP/1.0\r\n", b"S3cret%21", b"@10.0.0.1/1"),
        (b"GET /live?room=7&token=tok-123&x=1 HTTP/1.1\r\n", b"tok-123", b"room=7"),
        (b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n", b"d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj", b"AES_CM_128"),
        (b"a=ice-ufrag:x\r\na=ice-pwd:p4ssp4ssp4ss\r\n", b"p4ssp4ssp4ss", b"ufrag:x"),
        (b"<wsse:Password Type='PasswordDigest'>tuOSpGlFlIXsozq4HFNe==</wsse:Password>", b"tuOSpGlFlIXsozq4HFNe", b"PasswordDigest"),
        (b"Cookie: __Host-fieldgate=sess-9\r\n", b"sess-9", b"Cookie:"),
        (AMF, b"live-key-777", b"publish"),
        (b"DESCRIBE rtsp://10.0.0.1/user=admin_password=tlJwpbo6_channel=1.sdp RTSP/1.0\r\n", b"tlJwpbo6", b"_channel=1.sdp"),
    ],
)  # fmt: skip
def test_secrets_are_taken_out_and_the_rest_stays(text: bytes, secret: bytes, kept: bytes) -> None:
    told = masked(text)
    assert secret not in told and kept in told and len(told) == len(text)
    # Cut anywhere between two TCP segments, nothing of it gets through in one piece.
    for cut in range(1, len(text)):
        stream = StreamMask()
        whole = stream.masked("a", text[:cut]) + stream.masked("a", text[cut:])
        assert len(whole) == len(text)
        assert secret not in whole, (cut, whole)


def chunked(message: bytes, size: int = 128, header: bytes = b"\xc3") -> bytes:
    """An RTMP message as it is sent: behind its head, a header of type 3 before each further chunk."""
    head = b"\x03\0\0\0" + len(message).to_bytes(3) + b"\x14\0\0\0\0"
    return head + header.join(message[n : n + size] for n in range(0, len(message), size))


def publish(key: bytes) -> bytes:
    return (
        b"\x02\x00\x07publish\x00"
        + struct.pack(">d", 5.0)
        + b"\x05\x02"
        + struct.pack(">H", len(key))
        + key
        + b"\x02\x00\x04live"
    )


@pytest.mark.parametrize("header", [b"\xc3", b"\xff", b"\xc0\x05", b"\xc1\x05\x01"])
@pytest.mark.parametrize("size", [12, 106, 140, 400, 3000])
def test_a_stream_key_is_masked_across_chunks_and_segments(size: int, header: bytes) -> None:
    key = bytes(random.Random(size).choices(b"abcdefghijklmnopqrstuvwxyz0123456789", k=size))
    sent = chunked(publish(key), header=header)
    hidden = chunked(publish(b"*" * size), header=header)
    assert masked(sent) == hidden, "headers and lengths stay"
    for cut in [*range(1, len(sent), 1 if size < 500 else 97), 536, 1460]:
        stream = StreamMask()
        parts = (
            [stream.masked("a", sent[n : n + cut]) for n in range(0, len(sent), cut)]
            if cut > 40
            else [stream.masked("a", sent[:cut]), stream.masked("a", sent[cut:])]
        )
        told = b"".join(parts)
        if len(header) == 1:
            assert told == hidden, cut
        else:  # a header that is cut itself may be masked with the key
            assert len(told) == len(hidden) and bytes(b for b in told if b > 32 and b < 127 and b != 42) == bytes(
                b for b in hidden if b > 32 and b < 127 and b != 42
            ), cut


def test_a_token_of_the_application_across_a_chunk_and_a_name_in_letters_of_other_scripts() -> None:
    fields = b"\x03\x00\x03app\x02\x00\x04live\x00\x08flashVer\x02\x00\x05FMLE3\x00\x05tcUrl\x02\x00\x72rtmp://gateway.example/live"
    for pad in range(60, 90):
        told = (
            b"\x02\x00\x07connect\x00"
            + struct.pack(">d", 1.0)
            + fields
            + b"?"
            + b"x" * pad
            + b"&token=tok-123456789&a=1\x00\x00\x09"
        )
        clean = masked(chunked(told))
        assert b"tok-" not in clean.replace(b"\xc3", b"") and b"6789" not in clean and len(clean) == len(chunked(told))
    key = "无人机".encode() * 30
    assert masked(chunked(publish(key))).count(b"*") >= len(key) and key[:30] not in masked(chunked(publish(key)))


def test_a_long_token_is_followed_over_segments_to_its_end() -> None:
    token = bytes(random.Random(5).choices(b"abcdefghijklmnopqrstuvwxyz0123456789", k=3000))
    sent = b"GET /live?token=" + token + b"&room=7 HTTP/1.1\r\nHost: x\r\n\r\n"
    stream = StreamMask()
    told = b"".join(stream.masked("a", sent[n : n + 700]) for n in range(0, len(sent), 700))
    assert told == sent.replace(token, b"*" * 3000)


def test_srt_stream_ids() -> None:
    def handshake(text: bytes) -> bytes:
        text += b"\0" * (-len(text) % 4)
        words = b"".join(text[n : n + 4][::-1] for n in range(0, len(text), 4))
        return b"\x80\0\0\0" + bytes(60) + struct.pack(">HH", 5, len(words) // 4) + words

    def text_of(data: bytes) -> bytes:
        return b"".join(data[n : n + 4][::-1] for n in range(68, len(data), 4)).rstrip(b"\0")

    assert (
        text_of(masked(handshake(b"#!::r=drone,m=publish,s=hunter2,u=li"))) == b"#!::r=drone,m=publish,s=*******,u=li"
    )
    assert text_of(masked(handshake(b"publish:drone:li:hunter2"))) == b"publish:drone:**********"
    assert text_of(masked(handshake(b"read:gate"))) == b"read:gate"
