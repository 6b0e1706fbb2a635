"""Calls (3GPP TS 27.007 §6) and satellites (Quectel's +QGPS, SIMCom's +CGPS)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.fakes.modem.network import session_wanted
from tests.fakes.modem.port import Asked, AtError, Final
from tests.fakes.modem.state import FakeCall

if TYPE_CHECKING:
    from tests.fakes.modem.device import FakeModem


def dial(modem: FakeModem, asked: Asked) -> list[str]:
    number = asked.args.rstrip(";").strip()
    if number.startswith("*99"):
        session_wanted(modem)
        modem.active.add(int(number.strip("#").rpartition("*")[2] or 1) if number.count("*") > 1 else 1)
        raise Final("CONNECT 150000000")  # PPP begins here; nobody speaks it
    if not asked.args.endswith(";"):
        raise Final("NO CARRIER")
    modem.need_sim()
    if modem.stat not in (1, 5):
        raise Final("NO CARRIER")
    if any(call.stat in (2, 3) for call in modem.calls):
        raise Final("BUSY")
    call = FakeCall(modem._call_id(), False, number, 2)
    modem.calls.append(call)

    def rings() -> None:
        if call in modem.calls and call.stat == 2:
            call.stat = 3

    asyncio.get_running_loop().call_later(0.5, rings)
    return []


def answer(modem: FakeModem, asked: Asked) -> list[str]:
    ringing = [call for call in modem.calls if call.stat == 4]
    if not ringing:
        raise Final("NO CARRIER")
    ringing[0].stat = 0
    return []


def hang_up(modem: FakeModem, asked: Asked) -> list[str]:
    modem.calls.clear()
    return []


def calls(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "=?":
        return []
    return [
        f'+CLCC: {c.id},{int(c.incoming)},{c.stat},0,0,"{c.number}",{145 if c.number.startswith("+") else 129}'
        for c in modem.calls
    ]


def nothing(modem: FakeModem, asked: Asked) -> list[str]:
    return []


def gps(modem: FakeModem, asked: Asked) -> list[str]:
    if asked.op == "?":
        return [f"{asked.name}: {int(modem.gnss.on)}"]
    if asked.op == "=?":
        return [f"{asked.name}: (0,1)"]
    wanted = asked.args.startswith("1")
    if asked.name == "+QGPS" and wanted and modem.gnss.on:
        raise AtError("CME", 504)  # "session is ongoing"
    modem.gnss.on = wanted
    return []


def gps_end(modem: FakeModem, asked: Asked) -> list[str]:
    modem.gnss.on = False
    return []


def gps_location(modem: FakeModem, asked: Asked) -> list[str]:
    gnss = modem.gnss
    if not gnss.on:
        raise AtError("CME", 505)
    if not gnss.fix:
        raise AtError("CME", 516)
    return [
        f"+QGPSLOC: {gnss.utc},{gnss.latitude:.5f},{gnss.longitude:.5f},1.2,{gnss.altitude_m:.1f},3,"
        f"{gnss.course:.2f},{gnss.speed_kmh:.1f},{gnss.speed_kmh / 1.852:.1f},{gnss.date},{gnss.satellites:02d}"
    ]


def _dm(value: float, width: int) -> str:
    degrees = int(abs(value))
    return f"{degrees:0{width}d}{(abs(value) - degrees) * 60:09.6f}"


def gps_info(modem: FakeModem, asked: Asked) -> list[str]:
    """SIMCom: degrees and minutes, knots."""
    gnss = modem.gnss
    if not gnss.on or not gnss.fix:
        return ["+CGPSINFO: ,,,,,,,,"]
    return [
        f"+CGPSINFO: {_dm(gnss.latitude, 2)},{'N' if gnss.latitude >= 0 else 'S'},{_dm(gnss.longitude, 3)},"
        f"{'E' if gnss.longitude >= 0 else 'W'},{gnss.date},{gnss.utc[:8]},{gnss.altitude_m:.1f},"
        f"{gnss.speed_kmh / 1.852:.1f},{gnss.course:.1f}"
    ]


HANDLERS = {
    "D": dial,
    "A": answer,
    "H": hang_up,
    "+CHUP": hang_up,
    "+CLCC": calls,
    **dict.fromkeys(("+CLIP", "+CRC", "+CCWA", "+COLP", "+CSSN", "+CUSD", "+VTS", "+CMOD", "+CVHU"), nothing),
    "+QGPS": gps,
    "+QGPSEND": gps_end,
    "+QGPSLOC": gps_location,
    "+CGPS": gps,
    "+CGPSINFO": gps_info,
}
