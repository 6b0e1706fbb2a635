"""Registration, operators, reception and data sessions (3GPP TS 27.007 §7, §8, §10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.modem.port import Asked, AtError

if TYPE_CHECKING:
    from tests.fakes.modem.device import FakeModem

_TESTS = {"+CREG": "(0-2)", "+CGREG": "(0-2)", "+CEREG": "(0-2)", "+C5GREG": "(0-2)"}


def registration(modem: FakeModem, asked: Asked) -> list[str]:
    name = asked.name
    if name == "+C5GREG" and not modem.chip.has_5g:
        raise AtError("CME", 100)
    if asked.op == "=?":
        return [f"{name}: {_TESTS[name]}"]
    if asked.op == "=":
        modem.reg_modes[name] = int(asked.values[0])
        return []
    mode, stat, net = modem.reg_modes.get(name, 0), modem.stat, modem.net
    fits = {"+CREG": True, "+CGREG": net.technology == "umts", "+CEREG": net.technology in ("lte", "nsa", "sa")}
    if not fits.get(name, net.technology == "sa"):
        stat = 0 if stat in (1, 5) else stat
    if mode == 2 and stat in (1, 5):
        return [f'{name}: {mode},{stat},"{net.tac:X}","{net.cell:X}",{net.act}']
    return [f"{name}: {mode},{stat}"]


def operator(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        asked.port.hold_s += 30
        net = modem.net
        return [
            f'+COPS: (2,"{net.operator}","CMCC","{net.plmn}",{net.act}),'
            '(1,"CHN-UNICOM","UNICOM","46001",7),,(0-4),(0-2)'
        ]
    if asked.op == "=":
        values = asked.values
        if values[0] == "3" and len(values) > 1:
            modem.cops_format = int(values[1])  # type: ignore[attr-defined]
        return []
    if modem.stat not in (1, 5):
        return ["+COPS: 0"]
    form = getattr(modem, "cops_format", 0)
    shown = modem.net.plmn if form == 2 else modem.net.operator
    return [f'+COPS: 0,{form},"{shown}",{modem.net.act}']


def csq(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return ["+CSQ: (0-31,99),(0-7,99)"]
    return [f"+CSQ: {max(0, min(31, (modem.net.rssi + 113) // 2)) if modem.stat in (1, 5) else 99},99"]


def cesq(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return ["+CESQ: (0-63,99),(0-7,99),(0-96,255),(0-49,255),(0-34,255),(0-97,255)"]
    net = modem.net
    if modem.stat not in (1, 5):
        return ["+CESQ: 99,99,255,255,255,255"]
    if net.technology == "sa":
        if not modem.chip.has_5g:
            raise AtError("CME", 100)
        return [f"+CESQ: 99,99,255,255,255,255,{net.rsrq * 2 + 86},{net.rsrp + 156},{net.sinr * 2 + 46}"]
    row = f"+CESQ: 99,99,255,255,{round((net.rsrq + 19.5) * 2)},{net.rsrp + 140}"
    return [row + ",255,255,255" if modem.chip.has_5g else row]


def contexts(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return [
            '+CGDCONT: (1-16),"IP",,,(0-2),(0-4)',
            '+CGDCONT: (1-16),"IPV4V6",,,(0-2),(0-4)',
            '+CGDCONT: (1-16),"IPV6",,,(0-2),(0-4)',
        ]
    if asked.op == "?":
        return [f'+CGDCONT: {cid},"{kind}","{apn}","0.0.0.0",0,0,0,0' for cid, (kind, apn) in modem.contexts.items()]
    values = asked.values
    if len(values) < 2:
        modem.contexts.pop(int(values[0]), None)
    else:
        modem.contexts[int(values[0])] = (values[1], values[2] if len(values) > 2 else "")
    return []


def activate(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return ["+CGACT: (0,1)"]
    if asked.op == "?":
        default = modem.net.default_bearer and modem.stat in (1, 5)
        return [f"+CGACT: {cid},{int(cid in modem.active or (default and cid == 1))}" for cid in modem.contexts]
    values = asked.values
    if values[0] == "1":
        session_wanted(modem)
        modem.active.update(int(cid) for cid in values[1:] or ["1"])
    else:
        modem.active.difference_update([int(cid) for cid in values[1:]] or list(modem.active))
    return []


def session_wanted(modem: FakeModem) -> None:
    """Raises as a network does that gives no session."""
    modem.need_sim()
    if modem.stat not in (1, 5):
        raise AtError("CME", 30)
    if modem.hung in ("reset", "radio"):
        raise AtError("CME", 31)
    if modem.net.refuses_data:
        raise AtError("CME", 133)


def attach(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return ["+CGATT: (0,1)"]
    return [f"+CGATT: {int(modem.stat in (1, 5))}"] if asked.op == "?" else []


def address(modem: FakeModem, asked: Asked) -> list[str]:
    cids = [int(cid) for cid in asked.values] if asked.op == "=" else sorted(modem.active)
    return [f'+CGPADDR: {cid},"{modem.net.address if cid in modem.active else "0.0.0.0"}"' for cid in cids]


def dynamic(modem: FakeModem, asked: Asked) -> list[str]:
    return [
        f'+CGCONTRDP: {cid},5,"{modem.contexts[cid][1]}","{modem.net.address}",,"223.5.5.5","119.29.29.29"'
        for cid in sorted(modem.active)
        if cid in modem.contexts
    ]


def auth(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=" and asked.values[1:2] not in ([], ["0"]):
        values = [*asked.values, "", "", ""]
        modem.auth = (values[1], values[2], values[3])
    return []


HANDLERS = {
    "+CREG": registration,
    "+CGREG": registration,
    "+CEREG": registration,
    "+C5GREG": registration,
    "+COPS": operator,
    "+CSQ": csq,
    "+CESQ": cesq,
    "+CGDCONT": contexts,
    "+CGACT": activate,
    "+CGATT": attach,
    "+CGPADDR": address,
    "+CGCONTRDP": dynamic,
    "+CGAUTH": auth,
    "+CGEREP": lambda modem, asked: ["+CGEREP: (0-2),(0,1)"] if asked.op == "=?" else [],
    "+CTZR": lambda modem, asked: ["+CTZR: (0-2)"] if asked.op == "=?" else [],
    # ModemManager 1.20.4 crashes on an OK without this line (its Quectel plug-in, while it looks what the modem has).
    "+CTZU": lambda modem, asked: ["+CTZU: (0,1)"] if asked.op == "=?" else [],
    "+CCLK": lambda modem, asked: ['+CCLK: "26/11/30,14:15:30+32"'] if asked.op == "?" else [],
}
