"""Bodies of INFO, and what ends are called."""

from __future__ import annotations

import pytest

from adapters.sip.ends import end_of, end_of_error, status_for
from adapters.sip.engine import LegEnd
from adapters.sip.info import DTMF_RELAY, MEDIA_CONTROL, PICTURE_FAST_UPDATE, digit_of, dtmf_relay, wants_picture
from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, NotFound, PeerError, Unsupported
from gateway.model.reason import REASONS


@pytest.mark.parametrize(
    ("kind", "body", "digit"),
    [
        (DTMF_RELAY, b"Signal=5\r\nDuration=160\r\n", "5"),
        (DTMF_RELAY, b"Signal= *\nDuration= 250", "*"),
        (DTMF_RELAY, b"signal=#\r\n", "#"),
        (DTMF_RELAY, b"Signal=11\r\nDuration=100", "#"),
        (DTMF_RELAY, b"Signal=16\r\n", "flash"),
        (DTMF_RELAY + "; charset=utf-8", b"Signal=d\r\n", "D"),
        ("application/dtmf", b"7", "7"),
        ("application/dtmf", b" b ", "B"),
        (DTMF_RELAY, b"Duration=160\r\n", ""),
        (DTMF_RELAY, b"Signal=99\r\n", ""),
        (DTMF_RELAY, b"Signal=5\r\n" + b"x" * 5000, ""),
        ("text/plain", b"Signal=5\r\n", ""),
        ("application/dtmf", "５".encode(), ""),
    ],
)
def test_digits_of_info(kind: str, body: bytes, digit: str) -> None:
    assert digit_of(kind, body) == digit


def test_our_own_info_bodies_are_read_by_ourselves() -> None:
    assert [digit_of(DTMF_RELAY, dtmf_relay(digit)) for digit in "0*#A"] == ["0", "*", "#", "A"]
    assert wants_picture(MEDIA_CONTROL, PICTURE_FAST_UPDATE)
    assert wants_picture(MEDIA_CONTROL.upper(), b"<media_control><picture_fast_update></media_control>")
    assert not wants_picture(MEDIA_CONTROL, b"<media_control/>")
    assert not wants_picture("text/plain", PICTURE_FAST_UPDATE)


@pytest.mark.parametrize(
    ("by", "detail", "status", "code"),
    [
        ("remote", "", 0, "peer-hung-up"),
        ("cancelled", "", 0, "call-cancelled"),
        ("refused", "486 Busy Here", 486, "peer-busy"),
        ("refused", "603 Decline", 0, "peer-declined"),
        ("refused", "404 Not Found", 404, "no-such-number"),
        ("refused", "488 Not Acceptable Here", 488, "no-common-codec"),
        ("refused", "502 Bad Gateway", 502, "peer-failed"),
        ("refused", "499 ?", 499, "call-rejected"),
        ("link", "our 200 was never acknowledged", 0, "no-ack"),
        ("link", "the session timer ran out", 0, "session-expired"),
        ("link", "the connection is gone", 0, "call-link-lost"),
        ("link", "no answer", 0, "no-answer"),
        ("local", "", 0, "hung-up"),
    ],
)
def test_every_end_has_a_reason_in_words(by: str, detail: str, status: int, code: str) -> None:
    end = end_of(by, detail, status, None)
    assert end.code == code and code in REASONS


def test_our_own_reason_stands_only_when_we_ended_it() -> None:
    ours = LegEnd("transferred")
    assert end_of("local", "", 0, ours) is ours
    assert end_of("remote", "", 0, ours).code == "peer-hung-up"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Denied("x", code="number-denied"), 403),
        (Denied("x"), 403),
        (NotFound("x"), 404),
        (Busy("x", code="ports-exhausted"), 503),
        (Busy("x"), 486),
        (Unsupported("x"), 488),
        (LinkDown("x"), 480),
        (PeerError("x", status=487), 487),
        (PeerError("x", status="vendor"), 500),
        (GatewayError("x"), 500),
    ],
)
def test_our_refusals_have_their_status(error: GatewayError, status: int) -> None:
    assert status_for(error) == status
    assert end_of_error(error).code
