"""Commands that every modem has: V.250, identity, errors, power, SIM."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.fakes.modem.port import Asked, AtError

if TYPE_CHECKING:
    from tests.fakes.modem.device import FakeModem


def nothing(modem: FakeModem, asked: Asked) -> list[str]:
    return []


def echo(modem: FakeModem, asked: Asked) -> list[str]:
    asked.port.echo = asked.args != "0"
    return []


def factory(modem: FakeModem, asked: Asked) -> list[str]:
    asked.port.echo, asked.port.cmee = True, 0
    return []


def said(attribute: str) -> object:
    def handler(modem: FakeModem, asked: Asked) -> list[str]:
        return [] if asked.op == "=?" else [str(getattr(modem.chip, attribute))]

    return handler


def information(modem: FakeModem, asked: Asked) -> list[str]:
    chip = modem.chip
    return [chip.manufacturer, chip.model, f"Revision: {chip.revision}"]


def capabilities(modem: FakeModem, asked: Asked) -> list[str]:
    return ["+GCAP: +CGSM,+FCLASS,+DS"]


def cmee(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "?":
        return [f"+CMEE: {asked.port.cmee}"]
    if asked.op == "=?":
        return ["+CMEE: (0-2)"]
    asked.port.cmee = int(asked.args or 0)
    return []


def cfun(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "?":
        return [f"+CFUN: {modem.fun}"]
    if asked.op == "=?":
        return ["+CFUN: (0,1,4),(0,1)"]
    values = asked.values
    if values[1:2] == ["1"]:
        asyncio.get_running_loop().call_later(0.05, modem.restart, "reset")
        return []
    if values[0] not in ("0", "1", "4"):
        raise AtError("CME", 3)
    modem.radio(int(values[0]))
    return []


def cpin(modem: FakeModem, asked: Asked) -> list[str]:
    word = modem.sim.word
    if asked.op == "=?":
        return []
    if asked.op == "?":
        if isinstance(word, int):
            raise AtError("CME", word)
        return [f"+CPIN: {word}"]
    if word != "SIM PIN":
        raise AtError("CME", 3)
    modem.history.append("pin")
    if asked.values[0] == modem.sim.pin:
        modem.sim.unlocked, modem.sim.tries = True, 3
        asyncio.get_running_loop().call_soon(modem.urc, "+CPIN: READY")
        return []
    modem.sim.tries -= 1
    raise AtError("CME", 16 if modem.sim.tries else 12)


def imsi(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return []
    modem.need_sim()
    return [modem.sim.imsi]


def ccid(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return []
    if not modem.sim.present:
        raise AtError("CME", 10)
    return [f"{asked.name}: {modem.sim.iccid}"]


def cnum(modem: FakeModem, asked: Asked) -> list[str]:
    modem.need_sim()
    return [f'+CNUM: ,"{modem.sim.number}",145'] if modem.sim.number else []


def clck(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return ['+CLCK: ("SC","FD","PN","PU","PP")']
    if asked.values[1:2] == ["2"]:
        return [f"+CLCK: {1 if asked.values[0] == 'SC' and modem.sim.pin else 0}"]
    raise AtError("CME", 3)


def charsets(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return ['+CSCS: ("GSM","IRA","UCS2")']
    return ['+CSCS: "IRA"'] if asked.op == "?" else []


def restricted_access(modem: FakeModem, asked: Asked) -> list[str]:
    """AT+CRSM: two of the elementary files that ModemManager reads; others are not there (SW 6A82)."""
    if asked.op == "=?":
        return []
    modem.need_sim()
    if asked.values[:2] == ["176", "12258"]:  # EF_ICCID, 3GPP TS 31.101 §13.2: digits swapped
        digits = modem.sim.iccid.ljust(20, "F")
        return [f'+CRSM: 144,0,"{"".join(digits[at + 1] + digits[at] for at in range(0, 20, 2))}"']
    if asked.values[:2] == ["176", "28589"]:  # EF_AD, 3GPP TS 31.102 §4.2.18: the MNC has two digits
        return ['+CRSM: 144,0,"00000002"']
    return ['+CRSM: 106,130,""']


def modes(modem: FakeModem, asked: Asked) -> list[str]:
    """3GPP TS 27.007 §5.9: GERAN, UTRAN, E-UTRAN; from here ModemManager knows that it can do LTE."""
    return ["+WS46: (12,22,25,28,29,30,31)"] if asked.op == "=?" else ["+WS46: 31"] if asked.op == "?" else []


HANDLERS = {
    **dict.fromkeys(("Z", "V", "X", "Q", "&C", "&D", "&K", "&W", "S", "+IPR", "+IFC", "+ICF", "+CMUX"), nothing),
    "E": echo,
    "&F": factory,
    "I": information,
    "+GCAP": capabilities,
    "+CGMI": said("manufacturer"),
    "+GMI": said("manufacturer"),
    "+CGMM": said("model"),
    "+GMM": said("model"),
    "+CGMR": said("revision"),
    "+GMR": said("revision"),
    "+CGSN": said("imei"),
    "+GSN": said("imei"),
    "+CMEE": cmee,
    "+CFUN": cfun,
    "+CPIN": cpin,
    "+CIMI": imsi,
    "+CCID": ccid,
    "+ICCID": ccid,
    "+CNUM": cnum,
    "+CLCK": clck,
    "+CSCS": charsets,
    "+CRSM": restricted_access,
    "+WS46": modes,
}
