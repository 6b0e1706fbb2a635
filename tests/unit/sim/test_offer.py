"""The offer as the device reads it, and its answer."""

from __future__ import annotations

import pytest

from gateway.sim.offer import Carrier, read_offer, write_answer

OFFER = (
    "v=0\r\no=34020000002000000001 0 0 IN IP4 10.0.0.1\r\ns=Play\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
    "m=video 30000 {protocol} 96 98 97\r\na=recvonly\r\na=rtpmap:96 PS/90000\r\n{extra}y=0100000001\r\n"
)


@pytest.mark.parametrize(
    ("protocol", "extra", "carrier"),
    [
        ("RTP/AVP", "", Carrier.UDP),
        ("TCP/RTP/AVP", "a=setup:passive\r\na=connection:new\r\n", Carrier.DIAL),
        ("TCP/RTP/AVP", "a=setup:active\r\n", Carrier.LISTEN),
        ("TCP/RTP/AVP", "", Carrier.DIAL),  # the default: the device is the client
    ],
)
def test_setup_speaks_of_the_other_side(protocol: str, extra: str, carrier: Carrier) -> None:
    offer = read_offer(OFFER.format(protocol=protocol, extra=extra))
    assert offer is not None
    assert (offer.host, offer.port, offer.carrier) == ("10.0.0.1", 30000, carrier)
    assert (offer.ssrc, offer.ssrc_text, offer.kind) == (100000001, "0100000001", "Play")


@pytest.mark.parametrize(
    "text", ["", "m=video 0 RTP/AVP 96\r\nc=IN IP4 1.2.3.4", "m=audio 9 RTP/AVP 8\r\nc=IN IP4 1.1.1.1"]
)
def test_what_can_not_be_served(text: str) -> None:
    assert read_offer(text) is None


def test_answer() -> None:
    text = write_answer("34", "10.0.0.9", 9, Carrier.DIAL, ssrc_text="0100000001", video="2", audio=True)
    lines = text.split("\r\n")
    assert "m=video 9 TCP/RTP/AVP 96" in lines and "a=setup:active" in lines and "y=0100000001" in lines
    assert "f=v/2////a/1/8/1" in lines


def test_answers_with_faults() -> None:
    text = write_answer("34", "10.0.0.9", 9000, Carrier.UDP, ssrc_text="", video="2", audio=False, port_zero=True,
                        unroutable=True)  # fmt: skip
    assert "y=" not in text and "m=video 0 RTP/AVP 96" in text and "c=IN IP4 192.0.2.2" in text
