"""IPv6 where messages may hold it, and where it is ambiguous (the cases of RFC 5118, written anew)."""

from __future__ import annotations

import pytest

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sdp import Sdp
from gateway.wire.sip import Hop, SipRequest, SipUri, Via, local_uri, new_request, parse_datagram
from gateway.wire.sip.core import SipCore
from gateway.wire.sip.inbound import with_source

HERE, THERE = ("2001:db8::10", 5060), ("2001:db8::9:255", 5060)


def register(uri: str, via: str) -> bytes:
    return (
        f"REGISTER {uri} SIP/2.0\r\nTo: sip:user@example.com\r\nFrom: sip:user@example.com;tag=81x2\r\n"
        f"Via: SIP/2.0/UDP {via}\r\nCall-ID: SSG9559905523997077@hlau_4100\r\nMax-Forwards: 70\r\n"
        "Contact: <sip:caller@[2001:db8::1]>\r\nCSeq: 98176 REGISTER\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def answers(data: bytes) -> list[bytes]:
    core = SipCore()
    core.receive_datagram(data, Hop("udp", HERE, THERE), 0.0)
    return [sent for _, sent in core.data_to_send(0.0)]


def test_a_reference_in_brackets() -> None:
    message = parse_datagram(register("sip:[2001:db8::10]", "[2001:db8::9:1];branch=z9hG4bKas3"))
    assert isinstance(message, SipRequest) and (message.target.host, message.target.port) == ("2001:db8::10", None)
    assert message.via.host == "2001:db8::9:1" and message.contact is not None
    assert message.contact.sip.host == "2001:db8::1"


def test_an_address_without_brackets_is_refused() -> None:
    for uri in ("sip:2001:db8::10", "sip:user@2001:db8::10:5060"):
        with pytest.raises(RemoteProtocolError):
            SipUri.parse(uri)
    (answer,) = answers(register("sip:2001:db8::10", "[2001:db8::9:1];branch=z9hG4bKas3"))
    assert answer.startswith(b"SIP/2.0 400 ")


def test_a_port_inside_and_outside_of_the_brackets() -> None:
    outside, inside = SipUri.parse("sip:[2001:db8::10]:5070"), SipUri.parse("sip:[2001:db8::10:5070]")
    assert (outside.host, outside.port) == ("2001:db8::10", 5070)
    assert (inside.host, inside.port) == ("2001:db8::10:5070", None)
    assert str(outside) == "sip:[2001:db8::10]:5070" and not outside.same_as(inside)


def test_received_with_and_without_brackets() -> None:
    for value in ("[2001:db8::9:255]", "2001:db8::9:255"):
        via = Via.parse(f"SIP/2.0/UDP [2001:db8::9:1];received={value};branch=z9hG4bKas3-111")
        assert (via.param("received") or "").strip("[]") == "2001:db8::9:255"
        assert via.branch == "z9hG4bKas3-111"


def test_our_own_received_is_written_as_the_grammar_has_it() -> None:
    request = new_request("OPTIONS", "sip:x@[2001:db8::10]", from_="sip:a@h")
    request = request.with_headers(request.headers.first("Via", "SIP/2.0/UDP [2001:db8::9:1];rport;branch=z9hG4bKx"))
    via = with_source(request, Hop("udp", HERE, THERE)).via
    assert (via.param("received"), via.param("rport")) == ("2001:db8::9:255", "5060")


def test_an_ipv4_mapped_address_and_sdp() -> None:
    assert SipUri.parse("sip:user@[::ffff:192.0.2.10]").host == "::ffff:192.0.2.10"
    sdp = Sdp.parse(b"v=0\r\no=- 1 1 IN IP6 2001:db8::9:1\r\ns=-\r\nc=IN IP6 2001:db8::9:1\r\n"
                    b"m=audio 6000 RTP/AVP 0\r\n"
                    b"m=video 6010 RTP/AVP 31\r\nc=IN IP6 ::ffff:192.0.2.1\r\n")  # fmt: skip
    assert [sdp.address_of(m) for m in sdp.media] == ["2001:db8::9:1", "::ffff:192.0.2.1"]
    assert b"c=IN IP6 ::ffff:192.0.2.1" in bytes(sdp)


@pytest.mark.parametrize(
    "host", ["[2001:db8::10", "2001:db8::10]", "[]", "[2001:db8::g]", "[::1]x", "[[::1]]", "[::1]:99999"]
)
def test_broken_references(host: str) -> None:
    with pytest.raises(RemoteProtocolError):
        SipUri.parse(f"sip:user@{host}")


def test_our_contact_and_via_have_brackets() -> None:
    hop = Hop("udp", HERE, THERE)
    assert str(local_uri("kit", hop)) == "sip:kit@[2001:db8::10]:5060"
    core = SipCore()
    core.request(
        new_request("OPTIONS", "sip:x@[2001:db8::9:255]", from_="sip:a@h", hop=hop, contact_user="kit"), hop, 0.0
    )
    ((_, sent),) = core.data_to_send(0.0)
    assert b"Via: SIP/2.0/UDP [2001:db8::10]:5060;rport;" in sent and b"<sip:kit@[2001:db8::10]:5060>" in sent
