"""Short messages, against PDUs of 3GPP's and other published examples, and against the fake network's own codec."""

from __future__ import annotations

import pytest

from gateway.base.errors import LocalProtocolError, RemoteProtocolError
from gateway.wire.sms import Alphabet, Body, Deliver, Part, StatusReport, Submit, read_pdu, split, write_submit
from gateway.wire.sms.address import write_number
from gateway.wire.sms.pdu import write_deliver
from tests.fakes.modem import pdus

LONG = "现场情况：桥面塌陷约二十米，东侧水位仍在上涨，已转移群众三百余人，请求增派冲锋舟两艘、发电机一台。" * 4


def test_a_deliver_of_the_seven_bit_alphabet() -> None:
    """The best-known example of all: "hellohello" in nine octets."""
    message = read_pdu("07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37")
    assert isinstance(message, Deliver)
    assert message.sender == "27838890001" and message.body.text == "hellohello"
    assert message.sent_at == 4078473419  # 2099-03-29 15:16:59, two hours east


def test_a_submit_is_written_as_the_example_has_it() -> None:
    pdu, length = write_submit(Submit("+46708251358", split("hellohello")[0], validity=0xAA))
    assert pdu.hex().upper() == "0011000B916407281553F80000AA0AE8329BFD4697D9EC37"
    assert length == 23


@pytest.mark.parametrize(
    "text", ["", "hello", "€{}[]~\\|^", "您好，桥断了", "🚒 fire", "@" * 160, "é" * 160, LONG, "a[" * 300]
)
@pytest.mark.parametrize("number", ["+8613800138000", "10086", "1740012345"])
def test_what_we_send_is_read_by_another_codec(text: str, number: str) -> None:
    bodies = split(text, reference=0x1A7)
    got = []
    for at, body in enumerate(bodies, 1):
        pdu, length = write_submit(Submit(number, body, report=True))
        told = pdus.submitted(pdu)
        assert length == len(pdu) - 1 and told.to == number and told.report
        assert told.part == (None if len(bodies) == 1 else (0x1A7, len(bodies), at))
        again = read_pdu(pdu.hex())
        assert again == Submit(number, body, True)
        got.append(told.text)
    assert "".join(got) == text


@pytest.mark.parametrize("text", ["", "x", "hello €", "您好", "🚒", "7" * 160, "字" * 70])
@pytest.mark.parametrize("part", [None, (7, 3, 2), (0x1234, 9, 1)])
def test_what_the_network_sends_is_read(text: str, part: tuple[int, int, int] | None) -> None:
    if part is not None:
        text = text[: 66 if ord(text[:1] or "a") > 255 else 150]
    wide = part is not None and part[0] > 255
    message = read_pdu(pdus.deliver("+8613900001111", text, part=part, wide=wide))
    assert isinstance(message, Deliver)
    assert (message.sender, message.body.text) == ("+8613900001111", text)
    assert message.body.part == (None if part is None else Part(part[0], part[1], part[2], wide))
    assert read_pdu(write_deliver(message, centre="+8613800210500").hex()) == message


def test_senders_with_a_name() -> None:
    message = read_pdu(pdus.deliver("CMCC", "hi"))
    assert isinstance(message, Deliver) and message.sender == "CMCC"


def test_reports() -> None:
    there = read_pdu(pdus.report(17, "+8613800001111"))
    tried = read_pdu(pdus.report(18, "10086", status=0x30))
    failed = read_pdu(pdus.report(19, "10086", status=0x46))
    assert isinstance(there, StatusReport) and there.reference == 17 and there.delivered and there.final
    assert isinstance(tried, StatusReport) and not tried.delivered and not tried.final
    assert isinstance(failed, StatusReport) and not failed.delivered and failed.final


def test_no_character_is_cut_in_two() -> None:
    for body in split("🚒" * 100):
        assert len(body.text.encode("utf-16-be")) <= 132 and body.text == "🚒" * len(body.text)
    for body in split("{" * 400):
        assert len(body.text) <= 76


def test_times() -> None:
    stamp = "62110361510323"  # 2026-11-30 16:15:30, 8 hours east
    one = read_pdu(write_deliver(Deliver("1", Body("x"), stamp)).hex())
    assert isinstance(one, Deliver) and one.stamp == stamp and one.sent_at == 1796026530.0
    for wrong in ("62310361510323", "ffffffffffffff", "00000000000000", "6211036151a323"):
        other = read_pdu(write_deliver(Deliver("1", Body("x"), wrong)).hex())
        assert isinstance(other, Deliver) and other.sent_at is None and other.stamp == wrong


def test_too_long_and_no_number() -> None:
    with pytest.raises(LocalProtocolError) as told:
        split("字" * 5000)
    assert told.value.code == "text-too-long"
    for number in ("", "+", "12 34", "x" * 5, "1" * 21):
        with pytest.raises(LocalProtocolError) as told:
            write_number(number)
        assert told.value.code == "text-address"
    with pytest.raises(LocalProtocolError):
        write_submit(Submit("1", Body("字" * 71, None, Alphabet.UCS2)))


def test_a_header_that_is_wrong_makes_it_a_message_of_its_own() -> None:
    good = bytes.fromhex(pdus.deliver("10086", "hello", part=(7, 3, 2)))
    for parts, part in ((3, 4), (3, 0), (0, 0)):
        message = read_pdu(good.replace(b"\x05\x00\x03\x07\x03\x02", bytes([5, 0, 3, 7, parts, part])).hex())
        assert isinstance(message, Deliver) and message.body.part is None and message.body.text == "hello"


@pytest.mark.parametrize("cut", range(2, 60, 2))
def test_a_pdu_that_ends_early(cut: int) -> None:
    line = pdus.deliver("+8613900001111", "hello there", part=(7, 3, 2))[:cut]
    try:
        read_pdu(line)
    except RemoteProtocolError:
        pass


@pytest.mark.parametrize(
    ("text", "told"), [("ok", 70), ("好" * 67, 70), ("好" * 68, 0), ("x" * 154, 70), ("x" * 155, 0)]
)
def test_one_that_is_sent_again_says_since_when(text: str, told: int) -> None:
    (body,) = split(text, again_s=69.6)
    pdu, _ = write_submit(Submit("10086", body))
    found = read_pdu(pdu.hex())
    assert isinstance(found, Submit) and (found.body.text, found.body.again_s, found.body.part) == (text, told, None)
    assert pdus.submitted(pdu).text == text  # others pass it over
    assert all(body.again_s == 0 for body in split("好" * 200, again_s=5.0))


def test_no_text_is_shown() -> None:
    message = read_pdu(pdus.deliver("+8613900001111", "a secret"))
    assert "secret" not in repr(message) and "139" not in repr(message)
