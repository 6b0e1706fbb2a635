"""The words of calls, sans-IO: session timers, transfer, reliable 1xx, bodies, where a URI leads."""

from __future__ import annotations

import pytest

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sip import Headers, SipRequest, SipResponse, SipUri
from gateway.wire.sip.body import foreign, sdp_of
from gateway.wire.sip.locate import Naptr, Srv, asked_transport, by_naptr, in_order
from gateway.wire.sip.refer import Replaces, read_refer_to, read_sipfrag, refer_to, sipfrag
from gateway.wire.sip.reliable import parse_rack, rseq_of
from gateway.wire.sip.session_timer import SessionExpires, SessionTimer, min_se


def request(*headers: tuple[str, str], body: bytes = b"") -> SipRequest:
    return SipRequest("INVITE", "sip:x@y", Headers(headers), body)


def response(status: int, *headers: tuple[str, str]) -> SipResponse:
    return SipResponse(status, "", Headers(headers))


# — RFC 4028 —


@pytest.mark.parametrize(
    ("value", "seconds", "who"),
    [
        ("1800", 1800, ""),
        ("90;refresher=UAC", 90, "uac"),
        (" 90 ; refresher=uas;x=y", 90, "uas"),
        ("90;refresher=me", 90, ""),
    ],
)
def test_session_expires(value: str, seconds: int, who: str) -> None:
    assert SessionExpires.of(request(("Session-Expires", value))) == SessionExpires(seconds, who)


@pytest.mark.parametrize("value", ["", "x", "-1", "99999999999999", "90;;=", '90;refresher="'])
def test_malformed_session_expires_means_no_timer(value: str) -> None:
    found = SessionExpires.of(request(("Session-Expires", value)))
    assert found is None or found.refresher == ""
    assert min_se(request(("Min-SE", value))) == 90


def test_the_one_who_is_asked_settles_the_timer() -> None:
    asked = request(("Supported", "timer"), ("Session-Expires", "600;refresher=uas"))
    timer = SessionTimer(1800)
    assert timer.answer(asked) == [("Session-Expires", "600;refresher=uas")]
    assert (timer.interval_s, timer.we_refresh, timer.refresh_after_s, timer.over_after_s) == (600, True, 300, 568)
    timer = SessionTimer(300)
    assert timer.answer(request(("Supported", "timer"), ("Session-Expires", "600"))) == [
        ("Require", "timer"),
        ("Session-Expires", "300;refresher=uac"),
    ]
    assert not timer.we_refresh, "it may be lowered, and who asks refreshes unless said otherwise"
    timer = SessionTimer(300)
    assert timer.answer(request()) == [("Session-Expires", "300;refresher=uas")], "a peer that knows no timers"
    assert timer.we_refresh
    timer = SessionTimer(0)
    assert timer.answer(request()) == [] and timer.interval_s == 0


def test_too_small_is_refused_only_to_who_knows_timers() -> None:
    small = [("Session-Expires", "60")]
    assert SessionTimer().refused(request(("Supported", "timer"), *small)) == [("Min-SE", "90")]
    assert SessionTimer().refused(request(*small)) is None
    timer = SessionTimer()
    timer.answer(request(*small))
    assert timer.interval_s == 90, "raised to the least that there is"


def test_a_422_raises_the_wish_once() -> None:
    timer = SessionTimer(120)
    assert timer.asked() == [("Session-Expires", "120")]
    assert timer.too_small(response(422, ("Min-SE", "600")))
    assert timer.asked() == [("Session-Expires", "600"), ("Min-SE", "600")]
    assert not timer.too_small(response(422, ("Min-SE", "600"))), "asking for the same again is no use"


def test_the_one_who_asks_takes_the_answer_and_keeps_its_role() -> None:
    timer = SessionTimer(600)
    timer.answered(response(200, ("Session-Expires", "300;refresher=uas")))
    assert (timer.interval_s, timer.we_refresh) == (300, False)
    assert timer.asked() == [("Session-Expires", "300;refresher=uas")]
    timer.answered(response(200))
    assert (timer.interval_s, timer.we_refresh) == (600, True), "no timer at the peer: we refresh alone"


# — RFC 3515, 3891, 3420 —


def test_refer_to_with_and_without_replaces() -> None:
    replaces = Replaces("a84b@h;x", "to&1", "from=2", early_only=True)
    value = refer_to("sip:b@h;transport=tcp", replaces)
    address, found, method = read_refer_to(request(("Refer-To", value)))
    assert (address.uri, method) == ("sip:b@h;transport=tcp", "INVITE") and found is not None
    assert found.to_tag == "to&1" and found.early_only
    address, found, method = read_refer_to(request(("Refer-To", '"B" <sip:b@h;method=BYE?X-A=1>')))
    assert (address.uri, address.display, found, method) == ("sip:b@h", "B", None, "BYE")
    assert read_refer_to(request(("Refer-To", "<tel:110>")))[0].uri == "tel:110"


@pytest.mark.parametrize(
    "values",
    [
        (),
        ("<sip:a@h>", "<sip:b@h>"),
        ("<sip:a@h>, <sip:b@h>",),
        ("<sip:a@h",),
        ("<sip:a@h?Replaces=x>",),
        ("<nonsense>",),
    ],
)
def test_a_refer_to_that_can_not_be_read(values: tuple[str, ...]) -> None:
    with pytest.raises(RemoteProtocolError):
        read_refer_to(request(*(("Refer-To", value) for value in values)))


@pytest.mark.parametrize(
    "value", ["", "x", "x;to-tag=1", "x;from-tag=1", ";to-tag=1;from-tag=2", "x;to-tag=" + "t" * 300 + ";from-tag=1"]
)
def test_a_replaces_that_can_not_be_read(value: str) -> None:
    with pytest.raises(RemoteProtocolError):
        Replaces.parse(value)
    with pytest.raises(RemoteProtocolError):
        Replaces.of(request(("Replaces", "x;to-tag=1;from-tag=2"), ("Replaces", "y;to-tag=1;from-tag=2")))


def test_sipfrags() -> None:
    assert read_sipfrag(sipfrag(180)) == 180 and read_sipfrag(b"\r\nsip/2.0 603 Decline\r\nX: y") == 603
    assert sipfrag(486, "a\r\nVia: b") == b"SIP/2.0 486 a Via: b\r\n", "nothing can be smuggled in"
    for body in (b"", b"INVITE sip:a SIP/2.0", b"SIP/2.0 99 x", b"SIP/2.0 2000", b"\xff" * 600):
        assert read_sipfrag(body) == 0


# — RFC 3262 —


def test_rack_and_rseq() -> None:
    assert parse_rack(" 776656 1  INVITE ") == (776656, 1, "INVITE")
    for value in ("", "1 2", "0 1 INVITE", "x 1 INVITE", "1 -1 INVITE", "1 2 3 4", "99999999999 1 INVITE"):
        with pytest.raises(RemoteProtocolError):
            parse_rack(value)
    assert rseq_of(response(183, ("Require", "timer, 100REL"), ("RSeq", "9"))) == 9
    for status, headers in (
        (200, (("Require", "100rel"), ("RSeq", "9"))),
        (100, (("Require", "100rel"), ("RSeq", "9"))),
        (183, (("RSeq", "9"),)),
        (183, (("Require", "100rel"), ("RSeq", "0"))),
        (183, (("Require", "100rel"),)),
    ):
        assert rseq_of(response(status, *headers)) is None


# — bodies —


def test_sdp_alone_in_parts_and_unsaid() -> None:
    sdp = b"v=0\r\ns=-\r\n"
    assert sdp_of(request(("Content-Type", "Application/SDP; charset=x"), body=sdp)) == sdp
    assert sdp_of(request(body=sdp)) == sdp and sdp_of(request(("Content-Type", "text/plain"), body=sdp)) == b""
    parts = (
        b"--b1\r\nContent-Type: application/isup\r\n\r\n\x01\r\n--b1\r\nContent-Type: application/sdp\r\n\r\n"
        + sdp
        + b"\r\n--b1--"
    )
    mixed = request(("Content-Type", 'multipart/mixed;boundary="b1"'), body=parts)
    assert sdp_of(mixed).split() == sdp.split() and not foreign(mixed)
    for kind in ("multipart/mixed", "multipart/mixed;boundary=" + "b" * 99, 'multipart/mixed;boundary="'):
        assert sdp_of(request(("Content-Type", kind), body=parts)) == b""
    assert foreign(request(("Content-Type", "text/plain"), body=b"x"))
    assert not foreign(
        request(("Content-Type", "text/plain"), ("Content-Disposition", "x;handling=optional"), body=b"x")
    )


# — RFC 3263 —


@pytest.mark.parametrize(
    ("uri", "default", "transport"),
    [("sip:h", None, None), ("sip:h", "tcp", "tcp"), ("sip:h:5062", None, "udp"), ("sip:192.0.2.1", None, "udp"),
     ("sip:[2001:db8::1]", "tls", "tls"), ("sips:h", "udp", "tls"), ("sip:h;transport=TCP", "udp", "tcp"),
     ("sip:h;transport=tls", None, "tls"), ("sip:h;transport=sctp", None, None)],
)  # fmt: skip
def test_the_transport_that_a_uri_says(uri: str, default: str | None, transport: str | None) -> None:
    assert asked_transport(SipUri.parse(uri), default) == transport  # type: ignore[arg-type]


def test_records_in_their_order() -> None:
    records = [Naptr(20, 1, "SIP+D2U", "u.h."), Naptr(10, 9, "SIPS+D2T", "s.h."), Naptr(10, 2, "sip+d2t", "t.h."),
               Naptr(1, 1, "SIP+D2W", "w.h."), Naptr(1, 1, "SIP+D2U", ".")]  # fmt: skip
    assert by_naptr(records, ("udp", "tcp", "tls")) == [("tcp", "t.h"), ("tls", "s.h"), ("udp", "u.h")]
    assert by_naptr(records, ("udp",)) == [("udp", "u.h")]
    servers = [Srv(20, 0, "c.", 5060), Srv(10, 90, "b.", 5060), Srv(10, 10, "a.", 5060), Srv(5, 0, ".", 0)]
    assert [s.host for s in in_order(servers, lambda n: n - 1)] == ["b.", "a.", "c."]
    assert [s.host for s in in_order(servers, lambda n: 0)] == ["a.", "b.", "c."]
    assert len(in_order([Srv(1, 1, f"h{i}.", 1) for i in range(500)], lambda n: 0)) == 16
