"""Chipsets: what each says of itself and the commands that are its maker's own.

The rows follow the makers' published command manuals as remembered; none was compared with a module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.fakes.modem.network import session_wanted
from tests.fakes.modem.port import Asked, AtError

if TYPE_CHECKING:
    from tests.fakes.modem.device import FakeModem

    Handler = Callable[[FakeModem, Asked], list[str]]


@dataclass(frozen=True)
class Chip:
    manufacturer: str
    model: str
    revision: str
    imei: str = "867530900000123"
    technology: str = "lte"
    raw_sinr: bool = False  # QENG's SINR is 0 … 250, a fifth of a decibel each from -20 on
    handlers: Mapping[str, Handler] = field(default_factory=dict)

    @property
    def has_5g(self) -> bool:
        return self.technology in ("nsa", "sa")


def row(head: str, *values: object) -> str:
    return head + ",".join(map(str, values))


def qeng(modem: FakeModem, asked: Asked) -> list[str]:
    net = modem.net
    if asked.values[:1] != ["servingcell"]:
        return []
    if modem.stat not in (1, 5):
        return ['+QENG: "servingcell","SEARCH"']
    mcc, mnc, cell, tac = net.plmn[:3], net.plmn[3:], f"{net.cell:X}", f"{net.tac:X}"
    sinr = (net.sinr + 20) * 5 if modem.chip.raw_sinr else net.sinr
    lte = row(
        '"LTE","FDD",', mcc, mnc, cell, net.pci, net.arfcn, net.band, 5, 5, tac, net.rsrp, net.rsrq, net.rssi, sinr
    )
    lte += ",9,-,27"
    if net.technology == "sa":
        head = '+QENG: "servingcell","NOCONN","NR5G-SA","TDD",'
        radio = (net.rsrp, net.rsrq, net.sinr, 1, 40)
        return [row(head, mcc, mnc, cell, net.pci, tac, net.arfcn, net.band, 12, *radio)]
    if net.technology == "nsa":
        # SINR stands before RSRQ here.
        radio = (net.rsrp, net.sinr, net.rsrq)
        nr = row('+QENG: "NR5G-NSA",', mcc, mnc, net.pci, *radio, net.arfcn, 78, 12, 1)
        return ['+QENG: "servingcell","NOCONN"', f"+QENG: {lte}", nr]
    return [f'+QENG: "servingcell","NOCONN",{lte}']


def qnwinfo(modem: FakeModem, asked: Asked) -> list[str]:
    net = modem.net
    if modem.stat not in (1, 5):
        return ["+QNWINFO: No Service"]
    kind, band = ("TDD NR5G", "NR5G BAND") if net.technology == "sa" else ("FDD LTE", "LTE BAND")
    return [f'+QNWINFO: "{kind}",{net.plmn},"{band} {net.band}",{net.arfcn}']


def qnetdevctl(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "?":
        return [f"+QNETDEVCTL: 1,{int(modem.netdev)},1,{int(modem.netdev)}"]
    if asked.op == "=?":
        return ["+QNETDEVCTL: (0-3),(1-15),(0,1)"]
    if asked.values[0] == "0":
        modem.netdev = False
        return []
    session_wanted(modem)
    modem.netdev = True
    modem.active.add(1)
    return []


def qpinc(modem: FakeModem, asked: Asked) -> list[str]:
    return [f'+QPINC: "SC",{modem.sim.tries},10']


def cpinr(modem: FakeModem, asked: Asked) -> list[str]:
    return ["+CPINR: SIM PUK,10,10", f"+CPINR: SIM PIN,{modem.sim.tries},3"]


def gtccinfo(modem: FakeModem, asked: Asked) -> list[str]:
    """Fibocom: RSRP and RSRQ as indices of 3GPP TS 36.133, SINR in halves of a decibel."""
    net = modem.net
    if modem.stat not in (1, 5):
        return ["+GTCCINFO:"]
    where = (net.plmn[:3], net.plmn[3:], f"{net.tac:X}", f"{net.cell:X}", f"{net.arfcn:X}", f"{net.pci:X}")
    if net.technology == "sa":
        radio = (f"50{net.band}", 100, net.sinr * 2 + 46, net.rsrp + 156, net.rsrp + 156, net.rsrq * 2 + 86)
        return ["+GTCCINFO:", "NR service cell:", row("1,9,", *where, *radio)]
    radio = (f"1{net.band:02d}", 100, net.sinr * 2, net.rsrp + 140, net.rsrp + 140, round((net.rsrq + 19.5) * 2))
    return ["+GTCCINFO:", "LTE service cell:", row("1,4,", *where, *radio)]


def gtrndis(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "?":
        return [f'+GTRNDIS: 1,1,"{modem.net.address}","223.5.5.5","119.29.29.29"' if modem.netdev else "+GTRNDIS: 0,1"]
    if asked.values[0] == "0":
        modem.netdev = False
        return []
    session_wanted(modem)
    modem.netdev = True
    modem.active.add(1)
    return []


def cpsi(modem: FakeModem, asked: Asked) -> list[str]:
    """SIMCom: RSRQ, RSRP and RSSI in tenths on LTE."""
    net = modem.net
    if modem.stat not in (1, 5):
        return ["+CPSI: NO SERVICE,Online"]
    where = (f"{net.plmn[:3]}-{net.plmn[3:]}", f"0x{net.tac:X}", net.cell, net.pci)
    if net.technology == "sa":
        radio = (net.rsrp * 10, net.rsrq * 10, net.sinr * 10)
        return [row("+CPSI: NR5G_SA,Online,", *where, f"NR5G_BAND{net.band}", net.arfcn, *radio)]
    radio = (net.rsrq * 10, net.rsrp * 10, net.rssi * 10, net.sinr)
    return [row("+CPSI: LTE,Online,", *where, f"EUTRAN-BAND{net.band}", net.arfcn, 5, 5, *radio)]


def hcsq(modem: FakeModem, asked: Asked) -> list[str]:
    """Huawei: rssi from -120, rsrp from -140, sinr in fifths from -20, rsrq in halves from -19.5."""
    net = modem.net
    if modem.stat not in (1, 5):
        return ['^HCSQ: "NOSERVICE"']
    return [f'^HCSQ: "LTE",{net.rssi + 121},{net.rsrp + 141},{(net.sinr + 20) * 5},{round((net.rsrq + 19.5) * 2) + 1}']


def monsc(modem: FakeModem, asked: Asked) -> list[str]:
    net = modem.net
    where = (net.plmn[:3], net.plmn[3:], net.arfcn, f"{net.cell:X}", net.pci, f"{net.tac:X}")
    return [row("^MONSC: LTE,", *where, net.rsrp, net.rsrq, net.rssi)]


def ndisdup(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.values[1:2] == ["0"]:
        modem.netdev = False
        return []
    session_wanted(modem)
    modem.netdev = True
    modem.active.add(1)
    return []


def ndisstat(modem: FakeModem, asked: Asked) -> list[str]:
    return [f'^NDISSTATQRY: {int(modem.netdev)},,,"IPV4"']


def qpcmv(modem: FakeModem, asked: Asked) -> list[str]:
    """Quectel: 0 the NMEA port, 1 the debug UART, 2 the USB sound card."""
    if asked.op == "=?":
        return ["+QPCMV: (0,1),(0-2)"]
    values = asked.values
    modem.sounds.append(asked.args)
    if values[0] == "0":
        modem.sound = ""
        return []
    where = {"0": "nmea", "1": "uart", "2": "uac"}.get((values[1:] or ["0"])[0])
    if where is None:
        raise AtError("CME", 3)
    modem.sound = where
    return []


def cpcmreg(modem: FakeModem, asked: Asked) -> list[str]:
    """SIMCom: only while a call is up."""
    modem.sounds.append(asked.args)
    if asked.values[0] == "1" and not modem.speaks:
        raise AtError("CME", 3)
    modem.sound = "pcm" if asked.values[0] == "1" else ""
    return []


def nothing(modem: FakeModem, asked: Asked) -> list[str]:
    return []


def qccid(modem: FakeModem, asked: Asked) -> list[str]:
    if not modem.sim.present:
        raise AtError("CME", 10)
    return [f"+QCCID: {modem.sim.iccid}"]


_QUECTEL: dict[str, Handler] = {
    "+QENG": qeng,
    "+QPCMV": qpcmv,
    "+QNWINFO": qnwinfo,
    "+QNETDEVCTL": qnetdevctl,
    "+QPINC": qpinc,
    "+QCCID": qccid,
    "+QLTS": lambda modem, asked: [f'+QLTS: "{modem.net.time}+32,0"' if modem.net.time else '+QLTS: ""'],
    "+QCFG": lambda modem, asked: [f"+QCFG: {asked.args},0"],
    "+QICSGP": nothing,
    "+QINDCFG": nothing,
    "+QURCCFG": nothing,
    "+QCSQ": lambda modem, asked: [
        f'+QCSQ: "LTE",{modem.net.rssi},{modem.net.rsrp},{(modem.net.sinr + 20) * 5},{modem.net.rsrq}'
    ],
    "+QTEMP": lambda modem, asked: ["+QTEMP: 41,39,38"],
    "+QPOWD": nothing,
    "+QUSIM": lambda modem, asked: ["+QUSIM: 1"],
    "+QSIMSTAT": lambda modem, asked: ["+QSIMSTAT: 0,1"],
}
_FIBOCOM: dict[str, Handler] = {
    "+GTCCINFO": gtccinfo,
    "+GTRNDIS": gtrndis,
    "+MTSM": lambda modem, asked: ["+MTSM: 41"],
    "+CPINR": cpinr,
}
_SIMCOM: dict[str, Handler] = {
    "+CPSI": cpsi,
    "+CPCMREG": cpcmreg,
    "+CPCMFRM": nothing,
    "+CNMP": nothing,
    "$QCRMCALL": qnetdevctl,
    "+SPIC": lambda modem, asked: [f"+SPIC: {modem.sim.tries},10,0,10"],
}
_HUAWEI: dict[str, Handler] = {
    "^HCSQ": hcsq,
    "^MONSC": monsc,
    "^NDISDUP": ndisdup,
    "^NDISSTATQRY": ndisstat,
    "^CURC": nothing,
    "^SYSINFOEX": lambda modem, asked: ['^SYSINFOEX: 2,3,0,1,,6,"LTE",101,"LTE"'],
    "^ICCID": lambda modem, asked: [f"^ICCID: {modem.sim.iccid}"],
}

EC25 = Chip("Quectel", "EC25", "EC25EFAR06A06M4G", raw_sinr=True, handlers=_QUECTEL)
EG25 = Chip("Quectel", "EG25", "EG25GGBR07A08M2G", raw_sinr=True, handlers=_QUECTEL)
RM500Q = Chip("Quectel", "RM500Q-GL", "RM500QGLABR11A06M4G", technology="nsa", handlers=_QUECTEL)
RM500U = Chip("Quectel", "RM500U-CN", "RM500UCNAAR03A11M2G", technology="sa", handlers=_QUECTEL)
FM150 = Chip("Fibocom Wireless Inc.", "FM150-AE", "89602.1000.00.04.07.20", technology="sa", handlers=_FIBOCOM)
SIM7600 = Chip("SIMCOM INCORPORATED", "SIMCOM_SIM7600CE", "LE11B07SIM7600C", handlers=_SIMCOM)
SIM8200 = Chip("SIMCOM INCORPORATED", "SIMCOM_SIM8200EA-M2", "LE12B01SIM8200", technology="sa", handlers=_SIMCOM)
ME909 = Chip("Huawei Technologies Co., Ltd.", "ME909s-821", "11.617.15.00.00", handlers=_HUAWEI)

CHIPS = {chip.model: chip for chip in (EC25, EG25, RM500Q, RM500U, FM150, SIM7600, SIM8200, ME909)}
