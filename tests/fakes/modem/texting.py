"""Short messages in PDU mode (3GPP TS 27.005): what lies in the modem, what is sent, what the network brings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.fakes.modem.pdus import Submitted, report, submitted
from tests.fakes.modem.port import Asked, AtError

if TYPE_CHECKING:
    from tests.fakes.modem.device import FakeModem


@dataclass
class FakeTexts:
    capacity: int = 50
    stored: dict[int, tuple[int, str]] = field(default_factory=dict)  # place → (status: 0 unread, 1 read; PDU)
    sent: list[Submitted] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)  # PDUs that found no room
    refuses: int = 0  # so many AT+CMGS are answered with +CMS ERROR
    silent: int = 0  # so many are taken by the network, and the answer is lost
    unanswered: int = 0  # so many are taken, and the modem says that the network did not answer (+CMS ERROR: 332)
    relay: Callable[[bytes], None] | None = None  # whoever carries on what was taken
    reference: int = 0
    reports: bool = True  # the network tells what became of them
    mode: int = 1  # +CNMI's second value
    memory: str = "ME"  # what is read: all lies in the modem, nothing on the card

    def settings(self) -> None:
        self.mode, self.memory = 1, "ME"

    def arrive(self, pdu: str) -> list[str]:
        """The unsolicited lines of a message that comes."""
        place = next((number for number in range(self.capacity) if number not in self.stored), None)
        if place is None:
            self.missed.append(pdu)  # a full modem says nothing
            return []
        self.stored[place] = (0, pdu)
        return [f'+CMTI: "ME",{place}'] if self.mode else []


def _length(pdu: str) -> int:
    return len(pdu) // 2 - 1 - int(pdu[:2], 16)


def form(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return ["+CMGF: (0,1)"]
    if asked.op == "?":
        return ["+CMGF: 0"]
    modem.need_sim()
    if asked.args.strip() != "0":
        raise AtError("CMS", 303)
    return []


def storage(modem: FakeModem, asked: Asked) -> list[str]:
    modem.need_sim()
    used, total = len(modem.texts.stored), modem.texts.capacity
    if asked.op == "=?":
        return ['+CPMS: ("ME","SM"),("ME","SM"),("ME","SM")']
    if asked.op == "?":
        return ["+CPMS: " + ",".join(f'"ME",{used},{total}' for _ in range(3))]
    modem.texts.memory = asked.values[0] if asked.values else "ME"
    return ["+CPMS: " + ",".join(f"{used},{total}" for _ in range(3))]


def indications(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return ["+CNMI: (0-2),(0-3),(0,2),(0-2),(0,1)"]
    if asked.op == "?":
        return [f"+CNMI: 2,{modem.texts.mode},0,1,0"]
    values = asked.values
    modem.texts.mode = int(values[1]) if len(values) > 1 else 0
    return []


def listing(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return ["+CMGL: (0-4)"]
    modem.need_sim()
    out: list[str] = []
    for place, (status, pdu) in sorted(modem.texts.stored.items()) if modem.texts.memory != "SM" else ():
        out.append(f"+CMGL: {place},{status},,{_length(pdu)}\n{pdu}")
        modem.texts.stored[place] = (1, pdu)
    return out


def read(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return []
    place = int(asked.values[0])
    if place not in modem.texts.stored:
        raise AtError("CMS", 321)
    status, pdu = modem.texts.stored[place]
    modem.texts.stored[place] = (1, pdu)
    return [f"+CMGR: {status},,{_length(pdu)}\n{pdu}"]


def delete(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return ["+CMGD: (0-49),(0-4)"]
    values = asked.values
    if values[1:2] == ["4"]:
        modem.texts.stored.clear()
    elif modem.texts.stored.pop(int(values[0]), None) is None:
        raise AtError("CMS", 321)
    return []


def send(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return []
    modem.need_sim()
    if modem.stat not in (1, 5):
        raise AtError("CMS", 331)
    length = int(asked.args)
    texts = modem.texts

    def taken(body: bytes) -> list[str]:
        if texts.refuses > 0:
            texts.refuses -= 1
            raise AtError("CMS", 500)
        pdu = bytes.fromhex(body.decode("ascii").strip())
        if len(pdu) - 1 - pdu[0] != length:
            raise AtError("CMS", 304)
        message = submitted(pdu)
        texts.sent.append(message)
        if texts.relay is not None:
            texts.relay(pdu)
        if texts.unanswered > 0:
            texts.unanswered -= 1
            raise AtError("CMS", 332)
        texts.reference = (texts.reference + 1) & 255
        if message.report and texts.reports:
            told = report(texts.reference, message.to)
            asyncio.get_running_loop().call_later(0.02, lambda: modem.urc(f"+CDS: {_length(told)}\r\n{told}"))
        if texts.silent > 0:
            texts.silent -= 1
            asked.port.hold_s = 1e6
        return [f"+CMGS: {texts.reference}"]

    asked.port.ask_text(taken)
    return []


def _none(modem: FakeModem, asked: Asked) -> list[str]:
    return []


HANDLERS = {
    "+CMGF": form,
    "+CPMS": storage,
    "+CNMI": indications,
    "+CMGL": listing,
    "+CMGR": read,
    "+CMGD": delete,
    "+CMGS": send,
    "+CSCA": lambda modem, asked: ['+CSCA: "+8613800210500",145'] if asked.op == "?" else [],
    "+CSMS": lambda modem, asked: ["+CSMS: 1,1,1"] if asked.op else [],
    "+CNMA": _none,
    "+CSMP": _none,
}
