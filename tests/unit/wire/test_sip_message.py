"""Messages, headers and URIs: what devices write, what the RFC asks for, and both limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.base.errors import LocalProtocolError, RemoteProtocolError
from gateway.wire.sip import (
    Headers,
    Hop,
    NameAddr,
    SipRequest,
    SipResponse,
    SipUri,
    Via,
    local_uri,
    new_request,
    parse_datagram,
    parse_message,
    printable,
    respond,
    split_list,
)
from gateway.wire.sip.message import check
from gateway.wire.textmsg import MAX_HEADERS, MAX_LINE_BYTES

VECTORS = Path(__file__).parents[2] / "vectors" / "sip"


def read(name: str) -> SipRequest | SipResponse:
    return parse_datagram((VECTORS / name).read_bytes())


def text(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join([*lines, "", ""]).encode() + body


HEAD = (
    "MESSAGE sip:b@h SIP/2.0",
    "Via: SIP/2.0/UDP h;branch=z9hG4bK1",
    "From: <sip:a@h>;tag=1",
    "To: <sip:b@h>",
    "Call-ID: c",
    "CSeq: 1 MESSAGE",
)


def test_device_message_with_padded_length_and_nul() -> None:
    message = read("keepalive.sip")
    check(message)
    assert message.content_type == "application/manscdp+xml"
    assert message.body.rstrip().endswith(b"</Notify>") and b"\0" not in message.body


def test_compact_folded_lf_message() -> None:
    message = read("compact-folded.sip")
    check(message)
    assert [v.transport for v in message.vias] == ["TCP", "UDP"] and message.vias[1].port == 5070
    assert message.from_.display == 'A "quoted" name' and message.from_.sip.headers == "Subject=z"
    contact = message.contact
    assert (
        contact is not None
        and contact.sip.host == "2001:db8::1"
        and str(contact.sip).startswith("sip:a@[2001:db8::1]:5060")
    )
    assert [NameAddr.parse(r).sip.loose_router for r in message.values("Route")] == [True, False]
    assert message.body == b"v=0\r\n"


def test_gb18030_display_name_comes_back_as_it_came() -> None:
    raw = (VECTORS / "gb-display.sip").read_bytes()
    message = parse_datagram(raw)
    assert isinstance(message, SipRequest)
    answer = bytes(respond(message, 200, tag="x"))
    assert "球机".encode("gb18030") in answer
    printable(message.from_.display).encode()  # fit for a log


def test_body_shorter_and_longer_than_said() -> None:
    short = parse_datagram(text(*HEAD, "Content-Length: 100", body=b"abc"))
    assert short.body == b"abc"
    longer = parse_datagram(text(*HEAD, "Content-Length: 3", body=b"abcdef"))
    assert longer.body == b"abc"
    xml = "Content-Type: Application/MANSCDP+xml"
    counted_in_characters = parse_datagram(text(*HEAD, xml, "Content-Length: 9", body=b"<Notify>abc</Notify>\r\ntail"))
    assert counted_in_characters.body == b"<Notify>abc</Notify>"
    noise = parse_datagram(text(*HEAD, "Content-Length: abc", body=b"xyz"))
    assert noise.body == b"xyz"


def test_stream_message_must_have_the_length_it_says() -> None:
    assert parse_message(text(*HEAD, "Content-Length: 3", body=b"abc")).body == b"abc"
    with pytest.raises(RemoteProtocolError):
        parse_message(text(*HEAD, "Content-Length: 4", body=b"abc"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"MESSAGE sip:b@h SIP/3.0\r\n\r\n",
        b"SIP/2.0 99 Low\r\n\r\n",
        b"SIP/2.0 700 High\r\n\r\n",
        b"MESSAGE <sip:b@h> SIP/2.0\r\n\r\n",
        b"MESSAGE sip:@h SIP/2.0\r\nno colon here\r\n\r\n",
        b"MESSAGE sip:b@ SIP/2.0\r\n\r\n",
        b"MESSAGE sip:b@h:70000 SIP/2.0\r\n\r\n",
        b"MESSAGE sip:b%4@h SIP/2.0\r\n\r\n",
        b"MESSAGE sip:b@h SIP/2.0\r\nX: " + b"a" * (MAX_LINE_BYTES + 1) + b"\r\n\r\n",
        b"MESSAGE sip:b@h SIP/2.0\r\n" + b"X: 1\r\n" * (MAX_HEADERS + 1) + b"\r\n",
        b"MESSAGE sip:b@h SIP/2.0\r\n" + b"X: " + b"a" * 70_000,
    ],
)
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_datagram(data)


@pytest.mark.parametrize("missing", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_check_names_what_is_missing(missing: str) -> None:
    lines = [line for line in HEAD if not line.startswith(missing)]
    with pytest.raises(RemoteProtocolError, match=missing):
        check(parse_datagram(text(*lines)))


def test_line_ends_can_not_be_smuggled_in() -> None:
    with pytest.raises(LocalProtocolError):
        bytes(SipRequest("MESSAGE", "sip:b@h", Headers([("Subject", "a\r\nEvil: 1")])))
    with pytest.raises(LocalProtocolError):
        bytes(SipResponse(200, "OK\r\nEvil: 1"))


def test_headers_are_a_value() -> None:
    headers = Headers([("Via", "a"), ("X", "1"), ("via", "b")])
    assert headers.all("VIA") == ["a", "b"] and headers.get("x") == "1" and "X" in headers and "Y" not in headers
    assert list(headers.set("Via", "c")) == [("Via", "c"), ("X", "1")]
    assert list(headers.set_first("Via", "c")) == [("Via", "c"), ("X", "1"), ("via", "b")]
    assert list(headers.set("X", None)) == [("Via", "a"), ("via", "b")]
    assert list(headers.without("via")) == [("X", "1")]
    assert headers == Headers([("Via", "a"), ("X", "1"), ("via", "b")]) and hash(headers) == hash(Headers(headers))


def test_lists_are_cut_outside_quotes_and_brackets() -> None:
    assert split_list('"a, b" <sip:x,y@h>;p="1,2", <sip:z@h>,, *') == ['"a, b" <sip:x,y@h>;p="1,2"', "<sip:z@h>", "*"]
    with pytest.raises(RemoteProtocolError):
        split_list('"never closed')


@pytest.mark.parametrize(
    ("written", "user", "display", "tag"),
    [
        ("<sip:34020000001320000001@3402000000>;tag=1", "34020000001320000001", "", "1"),
        ("sip:a@h;tag=2", "a", "", "2"),
        ('"球机, \\"1\\"" <sip:a@h;lr>;tag=3', "a", '球机, "1"', "3"),
        ("Camera One <sips:a%20b@h>", "a b", "Camera One", None),
        ("<tel:+8610>;tag=4", "", "", "4"),
    ],
)
def test_name_addr(written: str, user: str, display: str, tag: str | None) -> None:
    parsed = NameAddr.parse(written)
    assert (parsed.user, parsed.display, parsed.tag) == (user, display, tag)
    assert NameAddr.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "bad", ["", "no uri", '"open <sip:a@h>', "<sip:a@h", "a, b <sip:c@h>", "<sip:a@h> tail", "sip:a@h?x=y"]
)
def test_name_addr_refused(bad: str) -> None:
    with pytest.raises(RemoteProtocolError):
        NameAddr.parse(bad)


@pytest.mark.parametrize(
    "uri",
    [
        "sip:h",
        "sip:user@h:5060",
        "sips:user:secret@h;transport=tcp;lr",
        "sip:user;par=1@h",
        "sip:[2001:db8::1]:5061;maddr=x",
        "sip:a%40b@h?Subject=x&To=y",
        "sip:34020000001320000001@3402000000",
    ],
)
def test_uri_round_trip(uri: str) -> None:
    assert str(SipUri.parse(uri)) == uri


def test_uri_equality_of_rfc3261_19_1_4() -> None:
    def same(a: str, b: str) -> bool:
        return SipUri.parse(a).same_as(SipUri.parse(b))

    assert same("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp")
    assert same("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5")
    assert same(
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=x", "sip:biloxi.com;method=REGISTER;transport=tcp?to=x"
    )
    assert not same("sip:ALICE@h", "sip:alice@h")
    assert not same("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060")
    assert not same("sip:carol@h;newparam=5", "sip:carol@h;newparam=6")
    assert not same("sip:carol@h", "sip:carol@h;method=INVITE")
    assert not same("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4")


def test_via_records_its_source() -> None:
    via = Via.parse("SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK1")
    assert str(via.with_source(("203.0.113.9", 4321))) == (
        "SIP/2.0/UDP 10.0.0.1:5060;rport=4321;branch=z9hG4bK1;received=203.0.113.9"
    )
    same = Via.parse("SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK1")
    assert same.with_source(("203.0.113.9", 4321)) == same, "no rport asked, same address: nothing to say"


def test_respond_copies_what_it_must() -> None:
    request = parse_datagram(
        text(*HEAD, "Via: SIP/2.0/UDP p;branch=z9hG4bK2", "Record-Route: <sip:p;lr>", "Subject: x")
    )
    assert isinstance(request, SipRequest)
    answer = respond(request, 200, headers=[("Expires", "60")], tag="t")
    assert answer.headers.all("Via") == request.headers.all("Via") and answer.to.tag == "t"
    assert answer.call_id == "c" and str(answer.cseq) == "1 MESSAGE" and answer.expires == 60
    assert answer.headers.get("Record-Route") == "<sip:p;lr>" and "Subject" not in answer.headers
    assert answer.reason == "OK" and "Record-Route" not in respond(request, 404).headers


def test_new_request_is_well_formed_and_says_where_we_are() -> None:
    hop = Hop("tcp", ("192.0.2.1", 5060), ("192.0.2.9", 40000), 3)
    request = new_request(
        "SUBSCRIBE", "sip:b@h", from_="sip:34020000002000000001@3402000000", hop=hop, contact_user="me"
    )
    check(request.with_headers(request.headers.first("Via", "SIP/2.0/TCP x")))
    assert request.contact is not None and request.contact.uri == "sip:me@192.0.2.1:5060;transport=tcp"
    assert request.from_.tag and request.call_id.endswith("@192.0.2.1")
    assert str(local_uri("u", Hop("udp", ("2001:db8::1", 5060), ("::1", 1)))) == "sip:u@[2001:db8::1]:5060"


def test_expires_by_header_or_contact() -> None:
    assert read("register.sip").expires == 3600
    assert parse_datagram(text(*HEAD, "Contact: <sip:a@h>;expires=60")).expires == 60
    assert parse_datagram(text(*HEAD, "Expires: soon")).expires is None
    assert parse_datagram(text(*HEAD)).expires is None


def test_tag_is_added_without_touching_the_rest() -> None:
    for to in ("sip:b@h;kept=1", "<sip:b@h>", '"B" <sip:b@h>;kept=1'):
        request = parse_datagram(text(*HEAD).replace(b"<sip:b@h>", to.encode()))
        assert isinstance(request, SipRequest)
        answer = respond(request, 200, tag="t")
        assert answer.headers.get("To") == f"{to};tag=t" and answer.to.tag == "t"
        assert respond(parse_datagram(bytes(request)), 200).to.tag is None  # type: ignore[arg-type]
