"""RFC 4475: the torture messages, each with what the RFC says of it and what a core of ours does.

`parses` is whether the bytes read as a message, `core` the first status that a UAS of ours says by itself ("" none: it
is dropped, "up" it is handed to the user of the core).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sdp import Sdp
from gateway.wire.sip import Hop, NameAddr, SipRequest, SipResponse, parse_datagram
from gateway.wire.sip.core import SipCore
from gateway.wire.sip.events import RequestReceived
from gateway.wire.sip.message import check

FOLDER = Path(__file__).parents[2] / "vectors" / "rfc4475"
HOP = Hop("udp", ("10.0.0.1", 5060), ("203.0.113.9", 5062))

# name: (clause, well formed by our check, what the core does, why where it is not plain)
VERDICTS: dict[str, tuple[str, bool, str]] = {
    # 3.1.1 valid messages: "all elements should treat this as well formed"
    "wsinv": ("3.1.1.1", True, "481"),  # it has a To tag: a UAS that knows no such dialog says 481
    "intmeth": ("3.1.1.2", True, "up"),
    "esc01": ("3.1.1.3", True, "up"),
    "escnull": ("3.1.1.4", True, "up"),
    "esc02": ("3.1.1.5", True, "up"),
    "lwsdisp": ("3.1.1.6", True, "up"),
    "longreq": ("3.1.1.7", True, "up"),
    "dblreq": ("3.1.1.8", True, "up"),  # the second request in the datagram is ignored
    "semiuri": ("3.1.1.9", True, "up"),
    "transports": ("3.1.1.10", True, "up"),
    "mpart01": ("3.1.1.11", True, "up"),
    "unreason": ("3.1.1.12", True, ""),  # responses to nothing of ours
    "noreason": ("3.1.1.13", True, ""),
    # 3.1.2 invalid messages
    "badinv01": ("3.1.2.1", False, "400"),
    # The RFC would have 400 for a body shorter than Content-Length on UDP. Devices count characters instead of bytes,
    # or cut; the body is taken as it came (reference gb28181, "wrong or padded Content-Length").
    "clerr": ("3.1.2.2", True, "up"),
    "ncl": ("3.1.2.3", False, "400"),
    "scalar02": ("3.1.2.4", False, "400"),
    "scalarlg": ("3.1.2.5", False, ""),
    "quotbal": ("3.1.2.6", False, "400"),
    "ltgtruri": ("3.1.2.7", False, "400"),
    "lwsruri": ("3.1.2.8", False, "400"),
    "lwsstart": ("3.1.2.9", False, "400"),
    "trws": ("3.1.2.10", False, "400"),
    # "An element … would be liberal, or 400": headers in a Request-URI are ignored.
    "escruri": ("3.1.2.11", True, "up"),
    "baddate": ("3.1.2.12", True, "up"),  # "an element that does not use Date may treat the request as well formed"
    "regbadct": ("3.1.2.13", False, "400"),
    "badaspec": ("3.1.2.14", True, "up"),  # blanks inside <>: "may be liberal, ignoring the extra whitespace"
    "baddn": ("3.1.2.15", False, "400"),
    "badvers": ("3.1.2.16", False, "505"),
    "mismatch01": ("3.1.2.17", False, "400"),
    "mismatch02": ("3.1.2.18", False, "400"),  # 501 or 400
    "bigcode": ("3.1.2.19", False, ""),
    # 3.2 transaction layer
    "badbranch": ("3.2.1", True, "up"),  # only the cookie: treated as RFC 2543's
    # 3.3 application layer
    "insuf": ("3.3.1", False, "400"),
    "unkscm": ("3.3.2", True, "416"),
    "novelsc": ("3.3.3", True, "416"),
    "unksm2": ("3.3.4", True, "up"),
    "bext01": ("3.3.5", True, "420"),
    "invut": ("3.3.6", True, "up"),  # 415 is the call's to say
    "regaut01": ("3.3.7", True, "up"),
    "multi01": ("3.3.8", False, "400"),
    "mcl01": ("3.3.9", False, "400"),
    "bcast": ("3.3.10", True, ""),
    "zeromf": ("3.3.11", True, "up"),
    "cparam01": ("3.3.12", True, "up"),
    "cparam02": ("3.3.13", True, "up"),
    "regescrt": ("3.3.14", True, "up"),
    "sdp01": ("3.3.15", True, "up"),  # 406 is the call's to say
    # 3.4 backward compatibility
    "inv2543": ("3.4.1", True, "up"),
}


def read(name: str) -> bytes:
    return (FOLDER / f"{name}.dat").read_bytes()


def test_every_vector_has_a_verdict() -> None:
    assert {p.stem for p in FOLDER.glob("*.dat")} == set(VERDICTS)
    assert len(VERDICTS) == 49


@pytest.mark.parametrize("name", VERDICTS)
def test_well_formed_or_not(name: str) -> None:
    try:
        message = parse_datagram(read(name))
        check(message)
    except RemoteProtocolError:
        well_formed = False
    else:
        well_formed = True
        again = parse_datagram(bytes(message))
        assert (again.body, list(again.headers)) == (
            message.body,
            [*message.headers.without("Content-Length"), ("Content-Length", str(len(message.body)))],
        )
    assert well_formed is VERDICTS[name][1]


@pytest.mark.parametrize("name", VERDICTS)
def test_what_the_core_does(name: str) -> None:
    core = SipCore()
    core.receive_datagram(read(name), HOP, 0.0)
    said = [data.split(b" ")[1].decode() for hop, data in core.data_to_send(0.0) if hop == HOP]
    said = [status for status in said if status != "100"]
    up = isinstance(core.next_event(), RequestReceived)
    assert (said[0] if said else "up" if up else "") == VERDICTS[name][2]


def test_wsinv_in_detail() -> None:
    """3.1.1.1: folding, compact and long forms, LWS everywhere, an empty subject, quotes inside quotes."""
    message = parse_datagram(read("wsinv"))
    assert isinstance(message, SipRequest)
    assert message.from_.display == 'J Rosenberg \\"' and message.from_.tag == "98asjd8"
    assert message.to.tag == "1918181833n" and message.to.user == "vivekg"
    assert str(message.cseq) == "9 INVITE" and message.headers.get("max-forwards") == "0068"
    assert [(v.transport, v.host, v.branch) for v in message.vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert message.headers.get("Subject") == ""
    assert message.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.headers.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    assert message.values("Route") == ["<sip:services.example.com;lr;unknownwith=value;unknown-no-value>"]
    contact = message.contact
    assert contact is not None and contact.display == 'Quoted string ""' and contact.param("q") == "0.33"
    assert contact.param("newparam") == "newvalue" and contact.param("secondparam") == ""
    assert len(message.body) == 150 and Sdp.parse(message.body).media[0].port == 49217


def test_intmeth_in_detail() -> None:
    """3.1.1.2: every character that a token, a user part, a display name may hold."""
    message = parse_datagram(read("intmeth"))
    assert isinstance(message, SipRequest)
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert (
        message.target.host == "example.com" and message.target.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    )
    assert message.to.display == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert message.from_.tag == "_token~1'+`*%!-."
    assert message.headers.get("extensionHeader-!.%*+_`'~") is not None


def test_escapes_are_kept_and_undone() -> None:
    """3.1.1.3 to 3.1.1.5: %-escapes, an escaped NUL, and a % that is none."""
    esc01 = parse_datagram(read("esc01"))
    assert isinstance(esc01, SipRequest)
    assert (
        esc01.uri == "sip:sips%3Auser%40example.com@example.net" and esc01.target.user_text == "sips:user@example.com"
    )
    escnull = parse_datagram(read("escnull"))
    assert [c.user for c in escnull.contacts] == ["\x00", "\x00\x00"]
    esc02 = parse_datagram(read("esc02"))
    assert isinstance(esc02, SipRequest)
    assert esc02.method == "RE%47IST%45R", "an escaped method is another method"


def test_lwsdisp_has_no_space_before_the_address() -> None:
    assert parse_datagram(read("lwsdisp")).from_ == NameAddr("sip:caller@example.com", "caller", (("tag", "323"),))


def test_dblreq_second_message_is_no_body() -> None:
    message = parse_datagram(read("dblreq"))
    assert isinstance(message, SipRequest) and message.method == "REGISTER" and message.body == b""


def test_semiuri_parameters_stay_in_the_user_part() -> None:
    message = parse_datagram(read("semiuri"))
    assert isinstance(message, SipRequest)
    assert message.target.user == "user;par=u%40example.net" and message.target.params == ()


def test_mpart01_carries_bytes_untouched() -> None:
    message = parse_datagram(read("mpart01"))
    assert message.content_type == "multipart/mixed" and b"\x00" in message.body
    assert len(message.body) == int(message.headers.get("Content-Length") or 0)


def test_responses_without_or_with_strange_reason() -> None:
    noreason, unreason = parse_datagram(read("noreason")), parse_datagram(read("unreason"))
    assert isinstance(noreason, SipResponse) and (noreason.status, noreason.reason) == (100, "")
    assert isinstance(unreason, SipResponse) and unreason.status == 200
    assert unreason.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"


def test_contact_and_header_parameters_are_told_apart() -> None:
    """3.3.12, 3.3.13: ;unknownparam after > belongs to the header, inside <> to the URI."""
    first, second = parse_datagram(read("cparam01")).contacts[0], parse_datagram(read("cparam02")).contacts[0]
    assert first.param("unknownparam") == "" and first.sip.param("unknownparam") is None
    assert second.param("unknownparam") is None and second.sip.param("unknownparam") == ""
