"""SIP: what is serialised parses to the same; nothing but RemoteProtocolError comes out of arbitrary bytes."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sip import Headers, NameAddr, SipRequest, SipResponse, SipUri, Via, parse_datagram, parse_message
from gateway.wire.sip.stream import StreamFramer
from tests.properties import fuzz_text

TOKEN = st.text(string.ascii_letters + string.digits + "-.!%*_+`'~", min_size=1, max_size=20)
USER = st.text(string.ascii_letters + string.digits + "-_.!~*'()&=+$,;?/", max_size=20)
HOST = st.from_regex(r"[a-z][a-z0-9\-]{0,10}(\.[a-z]{2,5})?|[0-9]{1,3}(\.[0-9]{1,3}){3}", fullmatch=True)
PARAMS = st.lists(st.tuples(TOKEN, st.none() | TOKEN), max_size=3, unique_by=lambda p: p[0].lower()).map(tuple)
URI = st.builds(SipUri, HOST, USER, st.none() | st.integers(0, 65535), PARAMS, st.sampled_from(["sip", "sips"]))
NAME = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=15)
ADDRESS = st.builds(NameAddr, URI.map(str), NAME, PARAMS)
VALUE = (
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=40)
    .map(str.strip)
    .filter(lambda v: v == v.strip(" \t\0"))
)
HEADERS = st.lists(st.tuples(TOKEN.filter(lambda n: len(n) > 1 and n.lower() != "content-length"), VALUE), max_size=8)
BODY = st.binary(max_size=200)
REQUEST = st.builds(SipRequest, TOKEN, URI.map(str), HEADERS.map(Headers), BODY)
RESPONSE = st.builds(SipResponse, st.integers(100, 699), VALUE, HEADERS.map(Headers), BODY)


@given(URI)
def test_uri(uri: SipUri) -> None:
    assert SipUri.parse(str(uri)) == uri


@given(ADDRESS)
def test_name_addr(address: NameAddr) -> None:
    assert NameAddr.parse(str(address)) == address


@given(st.builds(Via, st.sampled_from(["UDP", "TCP", "TLS"]), HOST, st.none() | st.integers(0, 65535), PARAMS))
def test_via(via: Via) -> None:
    assert Via.parse(str(via)) == via


@given(REQUEST | RESPONSE)
def test_message(message: SipRequest | SipResponse) -> None:
    data = bytes(message)
    for parse in (parse_datagram, parse_message):
        again = parse(data)
        assert again.with_headers(again.headers.without("Content-Length")) == message


@given(st.lists(REQUEST | RESPONSE, min_size=1, max_size=4), st.data())
def test_stream_cut_anywhere(messages: list[SipRequest | SipResponse], data: st.DataObject) -> None:
    stream = b"".join(bytes(m) for m in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    framer, out = StreamFramer(), []
    for low, high in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        out += framer.feed(stream[low:high])
    assert out == [bytes(m) for m in messages]


@given(st.binary(max_size=400))
def test_arbitrary_bytes(data: bytes) -> None:
    for target in ("sip", "stream"):
        assert fuzz_text.attempt(target, data) is None


@settings(deadline=None)
@given(st.text(max_size=200))
def test_arbitrary_text_in_header_parsers(text: str) -> None:
    for parse in (NameAddr.parse, Via.parse, SipUri.parse):
        try:
            parse(text)
        except RemoteProtocolError:
            pass


@pytest.mark.parametrize("target", ["sip", "stream"])
def test_short_fuzz(target: str) -> None:
    tried, found = fuzz_text.run(target, seed=20261123, rounds=4000)
    assert tried == 4000 and found == []


@pytest.mark.parametrize("target", ["sip", "stream"])
def test_the_kept_corpus(target: str) -> None:
    assert [w for data in fuzz_text.corpus_of("sip") if (w := fuzz_text.attempt(target, data))] == []
