"""Reading offers and fragments, good ones and hostile ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.webrtc.offer import make_plan
from adapters.webrtc.sdp import MAX_CANDIDATES, MAX_SECTIONS, parse_candidate, parse_fragment, parse_offer
from gateway.base.errors import GatewayError, RemoteProtocolError
from tests.unit.webrtc.client import CHROMIUM_OFFER


def test_reads_what_chromium_offers() -> None:
    offer = parse_offer(CHROMIUM_OFFER.encode())
    video, audio = offer.sections
    assert offer.bundle == ("0", "1")
    assert (video.kind, video.mid, video.direction, video.ufrag, video.setup) == (
        "video",
        "0",
        "recvonly",
        "Qx7h",
        "actpass",
    )
    assert [form.name for form in audio.formats] == ["opus", "red", "g722", "pcmu", "pcma", "cn", "telephone-event"]
    assert video.formats[3].apt == 102
    assert video.formats[2].parameters["packetization-mode"] == "1"
    assert video.extensions["urn:ietf:params:rtp-hdrext:sdes:mid"] == 9


def test_leaves_out_candidates_it_can_not_use() -> None:
    video = parse_offer(CHROMIUM_OFFER.encode()).sections[0]
    assert [(one.host, one.port, one.type) for one in video.candidates] == [("198.51.100.7", 51235, "srflx")]


@pytest.mark.parametrize(
    "value",
    [
        "1 1 udp 1 abc.local 5000 typ host",
        "1 1 udp 1 224.0.0.1 5000 typ host",
        "1 1 udp 1 0.0.0.0 5000 typ host",
        "1 1 udp 1 192.0.2.1 0 typ host",
        "1 1 udp 1 192.0.2.1 70000 typ host",
        "1 2 udp 1 192.0.2.1 5000 typ host",
        "1 1 tcp 1 192.0.2.1 5000 typ host",
        "1 1 udp 1 192.0.2.1 5000 typ strange",
        "1 1 udp 99999999999999999999999 192.0.2.1 5000 typ host",
        "1 1 udp 1 fe80::1%eth0 5000 typ host",
        "1 1 udp",
        "",
    ],
)
def test_refuses_candidate(value: str) -> None:
    assert parse_candidate(value) is None


def test_session_level_attributes_are_inherited() -> None:
    text = (
        "v=0\na=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuvwx\na=setup:active\na=fingerprint:SHA-256 ab:cd\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 8\na=recvonly\na=rtcp-mux\n"
    )
    section = parse_offer(text.encode()).sections[0]
    assert (section.ufrag, section.setup, section.fingerprints) == ("abcd", "active", (("sha-256", "AB:CD"),))
    assert [(form.pt, form.name, form.clock_hz) for form in section.formats] == [(8, "pcma", 8000)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"\xff\xfe\x00",
        b"v=0\r\ns=-\r\n",
        b"v=0\nm=video nine UDP/TLS/RTP/SAVPF 96\n",
        b"v=0\nm=video 9 UDP/TLS/RTP/SAVPF 300\n",
        b"v=0\nm=video 9 UDP/TLS/RTP/SAVPF " + b"96 " * 200 + b"\n",
        b"v=0\n" + b"m=video 9 UDP/TLS/RTP/SAVPF 96\n" * (MAX_SECTIONS + 1),
        b"v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 H264\n",
        b"v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:a b\n",
        b"v=0\n" + b"a=x\n" * 5000,
    ],
)
def test_bad_offer_is_bad_sdp(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_offer(body)
    assert caught.value.code == "bad-sdp"


def test_candidates_are_bounded() -> None:
    lines = "".join(f"a=candidate:{n} 1 udp 1 192.0.2.1 {n + 1} typ host\n" for n in range(200))
    assert len(parse_fragment(lines.encode()).candidates) == MAX_CANDIDATES


def test_reads_a_fragment() -> None:
    fragment = parse_fragment(
        b"a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
        b"a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n"
        b"a=end-of-candidates\r\n"
    )
    assert (fragment.ufrag, len(fragment.candidates), fragment.candidates[0].port) == ("EsAw", 1, 61764)


def test_fragment_with_bad_credentials_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        parse_fragment(b"a=ice-ufrag:!!\r\n")


_LINES = CHROMIUM_OFFER.splitlines()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(_LINES), st.text(max_size=60), st.sampled_from(_LINES).map(lambda x: x[:-3]))),
    st.sampled_from(["send", "receive"]),
)
def test_nothing_but_gateway_errors_comes_of_any_text(lines: list[str], way: str) -> None:
    body = ("v=0\n" + "\n".join(lines)).encode("utf-8", "surrogatepass")
    try:
        make_plan(parse_offer(body), ["h264", "h265", "opus", "pcma"], way)  # type: ignore[arg-type]
    except GatewayError as error:
        assert error.code in ("bad-sdp", "codec-unsupported")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_nothing_but_bad_sdp_comes_of_any_bytes(body: bytes) -> None:
    for parse in (parse_offer, parse_fragment):
        try:
            parse(body)
        except RemoteProtocolError as error:
            assert error.code == "bad-sdp"
