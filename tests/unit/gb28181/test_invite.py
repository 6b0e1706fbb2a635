from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gb28181.protocol.invite import Ladder, LiveOffer, read_answer, routable, subject

OURS = LiveOffer("34020000002000000001", "192.168.1.10", 30000, "tcp-passive", "0200000007")
GOOD = b"v=0\r\no=34020000001320000001 0 0 IN IP4 192.168.1.64\r\ns=Play\r\nc=IN IP4 192.168.1.64\r\nt=0 0\r\n"


def test_the_offer_in_the_order_of_annex_g() -> None:
    lines = OURS.sdp().decode().splitlines()
    assert [line[0] for line in lines if line[0] != "a"] == list("vosctmyf")
    assert "m=video 30000 TCP/RTP/AVP 96" in lines and "a=setup:passive" in lines and "a=connection:new" in lines
    assert "y=0200000007" in lines and "a=rtpmap:96 PS/90000" in lines and "a=recvonly" in lines


def test_udp_says_nothing_of_connections() -> None:
    text = LiveOffer("34020000002000000001", "fe80::1", 30000, "udp", "0200000007").sdp().decode()
    assert "m=video 30000 RTP/AVP 96\r\n" in text and "setup" not in text and "c=IN IP6 fe80::1" in text


def test_the_technicians_line_stands_before_y() -> None:
    offer = LiveOffer("34020000002000000001", "10.0.0.1", 30000, "tcp-active", "0200000007", "a=streamnumber:1", True)
    text = offer.sdp().decode()
    assert text.index("a=streamnumber:1") < text.index("y=") and "a=rtpmap:99 H265/90000" in text
    assert "a=setup:active" in text


def test_a_good_answer() -> None:
    answer = read_answer(
        GOOD
        + b"m=video 15060 TCP/RTP/AVP 96\r\na=sendonly\r\na=setup:active\r\na=rtpmap:96 PS/90000\r\ny=0200000007\r\n",
        offered=OURS,
    )
    assert answer.ssrc == 200000007 and answer.port == 15060 and answer.setup == "active" and answer.oddities == ()
    assert answer.payloads[0].codec == "PS"


@pytest.mark.parametrize(
    ("y", "ssrc"),
    [(b"", 200000007), (b"y=0060205514\r\n", 60205514), (b"y=02000000070200000007\r\n", None), (b"y=\r\n", 200000007)],
)
def test_ssrc_rules(y: bytes, ssrc: int | None) -> None:
    assert read_answer(GOOD + b"m=video 15060 RTP/AVP 96\r\n" + y, offered=OURS).ssrc == ssrc


def test_oddities_of_the_field_are_said_not_raised() -> None:
    def odd(body: bytes) -> tuple[str, ...]:
        return read_answer(body, offered=OURS).oddities

    assert odd(GOOD + b"m=video 0 RTP/AVP 96") == ("port 0",)
    assert odd(GOOD + b"m=video 15060 RTP/AVP 96\r\na=recvonly") == ("a sender that says recvonly",)
    assert odd(b"c=IN IP4 192.0.2.2\nm=video 15060 RTP/AVP 96") == ("address 192.0.2.2",)
    assert odd(b"c=IN IP4 192.168.1.10\nm=video 30000 RTP/AVP 96") == ("our own port echoed",)
    assert odd(b"") == ("no m= line", "address missing")


def test_where_to_dial() -> None:
    good = read_answer(GOOD + b"m=video 15060 TCP/RTP/AVP 96\r\n", offered=OURS)
    assert good.dial("10.9.9.9") == [("192.168.1.64", 15060), ("10.9.9.9", 15060)]
    lost = read_answer(b"c=IN IP4 192.0.2.2\nm=video 15060 TCP/RTP/AVP 96", offered=OURS)
    assert lost.dial("10.9.9.9") == [("10.9.9.9", 15060)]
    assert read_answer(GOOD + b"m=video 0 TCP/RTP/AVP 96", offered=OURS).dial("10.9.9.9") == []


@given(st.binary(max_size=400))
def test_any_answer_is_read(body: bytes) -> None:
    read_answer(GOOD + body, offered=OURS)


def test_what_worked_comes_first() -> None:
    rungs = ("tcp-passive", "udp", "tcp-active")
    assert Ladder(rungs, "udp").rungs == ("udp", "tcp-passive", "tcp-active")
    assert Ladder(rungs, "carrier pigeon").rungs == rungs


def test_subject_and_addresses() -> None:
    assert subject("34020000001320000001", "0200000007", "34020000002000000001") == (
        "34020000001320000001:0200000007,34020000002000000001:0"
    )
    assert routable("10.0.0.1") and not any(map(routable, ("", "0.0.0.0", "224.0.0.1", "203.0.113.9", "cam")))
