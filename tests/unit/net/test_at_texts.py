"""Short messages on an AT line: none is deleted that was not read as it lies there, none told is forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.base.errors import LinkDown
from gateway.model.texts import Arrived, Report, TextOut
from gateway.net.at_texts import AtTexts
from gateway.wire.at import Answer, Command, Outcome, Unsolicited
from tests.fakes.modem.pdus import deliver, report, submitted


def head(place: int, pdu: str) -> str:
    return f"+CMGL: {place},0,,{len(pdu) // 2 - 1 - int(pdu[:2], 16)}"


class ALine:
    """A port: what lies in the modem, and how its lines are damaged on their way."""

    address = "tcp://modem"

    def __init__(self) -> None:
        self.lying: dict[int, str] = {}
        self.damage: list[str] = []  # of the next listings: "short", "gone", "digit"
        self.asked: list[str] = []
        self.sent: list[bytes] = []
        self.says: list[Answer | LinkDown] = []
        self.pdu_mode = True

    async def lines(self, command: Command) -> tuple[str, ...]:
        damage, told = self.damage.pop(0) if self.damage else "", list[str]()
        for place, pdu in self.lying.items():
            whole = head(place, pdu)
            if damage == "short":
                pdu = pdu[:20] + pdu[22:]
            told += [whole] if damage == "gone" else [whole, pdu]
        return tuple(told)

    async def ask(self, command: Command) -> Answer:
        self.asked.append(command.text)
        name, _, value = command.text.partition("=")
        if name == "AT+CMGR":
            pdu = self.lying[int(value)]
            return Answer(command, Outcome.OK, (head(0, pdu).replace("+CMGL: 0,", "+CMGR: "), pdu), "OK")
        if name == "AT+CMGD":
            self.lying.pop(int(value))
        if name == "AT+CMGF" and not self.pdu_mode:
            return Answer(command, Outcome.ERROR, (), "ERROR")
        if name == "AT+CMGS":
            self.sent.append(bytes.fromhex((command.payload or b"").decode()))
            said = self.says.pop(0) if self.says else Answer(command, Outcome.OK, ("+CMGS: 7",), "OK")
            if isinstance(said, LinkDown):
                raise said
            return said
        return Answer(command, Outcome.OK, (), "OK")


def on(line: ALine) -> AtTexts:
    port: Any = line
    return AtTexts(port)


async def none(done: int, parts: int) -> None:
    pass


@pytest.mark.parametrize("damage", ["short", "gone"])
async def test_one_that_was_damaged_on_its_way_is_read_again(damage: str) -> None:
    line = ALine()
    line.lying = {3: deliver("+8613800000000", "need water"), 5: deliver("10086", "余额")}
    line.damage = [damage]
    texts = on(line)
    found = await texts.stored()
    bodies = [one.what.body for one in found if isinstance(one.what, Arrived)]
    assert bodies == ["need water", "余额"] and [one.place for one in found] == ["3", "5"]
    assert len(line.lying) == 2  # reading deletes nothing


async def test_what_lies_there_damaged_is_told_so_that_it_goes() -> None:
    line = ALine()
    line.lying = {1: "0791" + "00" * 3, 2: deliver("1", "well")}
    found = await on(line).stored()
    assert [(one.place, one.what is None) for one in found] == [("1", True), ("2", False)]


async def test_what_is_told_without_being_stored_waits_until_it_is_kept() -> None:
    line = ALine()
    texts = on(line)
    assert texts.heard(Unsolicited('+CMTI: "ME",1')) and not texts.heard(Unsolicited("+CREG: 1"))
    assert texts.heard(Unsolicited("+CDS: 25", report(9, "10086")))
    assert texts.heard(Unsolicited("+CMT: ,24", deliver("10086", "now")))
    # The disk took none the first time.
    assert await texts.stored() == await texts.stored()
    first, second = await texts.stored()
    assert isinstance(first.what, Report) and first.what.reference == "9" and isinstance(second.what, Arrived)
    for one in (first, second):
        await texts.delete(one.place)
    assert await texts.stored() == [] and line.asked == []
    for number in range(70):
        texts.heard(Unsolicited("+CMT: ,24", deliver("10086", str(number))))
    for reference in range(70):
        texts.heard(Unsolicited("+CDS: 25", report(reference, "10086")))
    found = await texts.stored()
    assert len(found) == 64 and sum(isinstance(one.what, Arrived) for one in found) == 63  # reports go before messages


async def test_nothing_is_sent_in_text_mode() -> None:
    line = ALine()
    line.pdu_mode = False
    with pytest.raises(LinkDown) as refused:
        await on(line).send(TextOut("1", "10086", "x"), none)
    assert refused.value.code == "modem-refused" and not line.sent


async def test_one_that_may_have_gone_says_so_when_it_is_sent_again() -> None:
    line = ALine()
    texts = on(line)
    lost = Answer(Command("AT+CMGS=1"), Outcome.CMS, (), "+CMS ERROR: 332", 332)
    for said in (LinkDown("silent", code="modem-silent"), lost):
        line.says = [said]
        with pytest.raises(LinkDown) as unsure:
            await texts.send(TextOut("a", "+8613800000000", "收到", unsure=len(line.sent)), none)
        assert unsure.value.code == "text-unsure"
    assert await texts.send(TextOut("a", "+8613800000000", "收到", unsure=2), none) == (1, ("7",))
    first, second, third = line.sent
    assert submitted(first).text == submitted(second).text == submitted(third).text == "收到"
    assert not first[1] & 0x40 and second[1] & 0x40 and third[1] & 0x40 and submitted(third).part is None
    # Of one that was under way when the gateway ended nobody knows how long ago it was.
    await texts.send(TextOut("b", "10086", "x" * 160, unsure=1), none)
    assert not line.sent[-1][1] & 0x40  # no room: it goes as it is
