"""RTSP's text: what is built reads back, a cut changes nothing, nothing but RemoteProtocolError comes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.rtsp import RtspReader, RtspRequest, RtspResponse, Transport, parse_message, parse_transports
from gateway.wire.textmsg import Headers
from tests.properties import fuzz_text

TOKEN = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True)
VALUE = st.from_regex(r"[!-~]([ -~]{0,60}[!-~])?", fullmatch=True)
HEADERS = st.lists(st.tuples(TOKEN.filter(lambda name: name.lower() != "content-length"), VALUE), max_size=8).map(
    lambda items: Headers(items)
)
URI = st.from_regex(r"rtsp://[a-z/=0-9]{1,30}", fullmatch=True)
BODY = st.binary(max_size=300)
MESSAGE = st.one_of(
    st.builds(
        RtspRequest, TOKEN.map(str.upper), st.from_regex(r"rtsp://[a-z/=0-9]{1,30}", fullmatch=True), HEADERS, BODY
    ),
    st.builds(RtspResponse, st.integers(100, 599), HEADERS, BODY, st.from_regex(r"[A-Za-z]{1,20}", fullmatch=True)),
)
PORTS = st.integers(1, 32767).map(lambda n: (2 * n, 2 * n + 1))


@given(MESSAGE)
def test_what_is_built_reads_back(message: RtspRequest | RtspResponse) -> None:
    again = parse_message(bytes(message))
    assert again.body == message.body and bytes(again) == bytes(message)


@given(st.lists(MESSAGE, min_size=1, max_size=4), st.data())
def test_messages_and_frames_cut_anywhere(messages: list[RtspRequest | RtspResponse], data: st.DataObject) -> None:
    stream = b"".join(b"$\x00\x00\x05hello" + bytes(message) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader, got = RtspReader(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        reader.feed(stream[start:end])
        while (message := reader.next()) is not None:
            got.append(bytes(message))
    assert got == [bytes(message) for message in messages]
    assert reader.passed_over == len(messages) and reader.rest == b""


@given(
    st.builds(
        Transport,
        tcp=st.just(False),
        client_port=PORTS,
        server_port=PORTS,
        ssrc=st.integers(0, 2**32 - 1),
        record=st.booleans(),
    )
)
def test_transports_read_back(transport: Transport) -> None:
    assert parse_transports(str(transport)) == [transport]


@given(st.binary(max_size=400))
def test_arbitrary_bytes(data: bytes) -> None:
    assert fuzz_text.attempt("rtsp", data) is None


@pytest.mark.parametrize("seed", range(4))
def test_mutated_messages(seed: int) -> None:
    tried, found = fuzz_text.run("rtsp", seed, rounds=300)
    assert tried == 300 and not found
