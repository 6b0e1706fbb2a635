"""Answers of modems as values: registration, reception, SIM, calls, places. Sans-IO; what is odd is left unknown."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Sequence

from adapters.modem.face import CallPhase, Fix, Registration, RegState, VoiceCall
from gateway.model.link import Signal
from gateway.wire.at import fields, hexadecimal, number, real, text

# 3GPP TS 27.007 §7.2 (+CREG <stat>) and §7.3 (<AcT>).
_STATS = {
    0: RegState.IDLE,
    1: RegState.HOME,
    2: RegState.SEARCHING,
    3: RegState.DENIED,
    5: RegState.ROAMING,
    6: RegState.HOME,
    7: RegState.ROAMING,
    9: RegState.HOME,
    10: RegState.ROAMING,
}
_ACTS = {
    **dict.fromkeys((0, 1, 3), "gsm"),
    **dict.fromkeys((2, 4, 5, 6), "umts"),
    7: "lte",
    10: "lte",
    11: "nr-sa",
    12: "nr-sa",
    13: "nr-nsa",
}
_RANK = (RegState.HOME, RegState.ROAMING, RegState.DENIED, RegState.SEARCHING, RegState.IDLE, RegState.UNKNOWN)

REGISTRATION = re.compile(r"\+C(?:5G|E|G)?REG: ?[0-5],\d{1,2}(?:,.*)?")
"""Of the answer to `AT+CREG?`; what comes unasked has no first number."""


def registration(lines: Sequence[str], operator: str, plmn: str, act: int | None) -> Registration:
    """Of the answers to +C5GREG?, +CEREG?, +CGREG? and +CREG? together, and of +COPS?."""
    best, technology = RegState.UNKNOWN, ""
    for line in lines:
        values = fields(line)
        state = _STATS.get(number(values, 1) or 0, RegState.UNKNOWN)
        if _RANK.index(state) < _RANK.index(best):
            best, technology = state, _ACTS.get(-1 if (told := number(values, 4)) is None else told, "")
    return Registration(best, technology or _ACTS.get(-1 if act is None else act, ""), operator, plmn)


def operator(lines: Sequence[str]) -> tuple[str, int | None]:
    """The network's number, as +COPS: 0,2,"46000",7 has it, and its technology."""
    for line in lines:
        values = fields(line)
        if number(values, 1) == 2 and re.fullmatch(r"\d{5,6}", text(values, 2)):
            return text(values, 2), number(values, 3)
    return "", None


def _within(value: float | None, low: float, high: float) -> float | None:
    return value if value is not None and low <= value <= high else None


def make_signal(
    technology: str,
    *,
    rsrp: float | None = None,
    rsrq: float | None = None,
    sinr: float | None = None,
    rssi: float | None = None,
    band: str = "",
    cell: str = "",
) -> Signal:
    rsrp = _within(rsrp, -156, -30)
    rssi = _within(rssi, -130, -20)
    level = rsrp if rsrp is not None else None if rssi is None else rssi - 25
    bars = None if level is None else sum(level >= edge for edge in (-120, -112, -104, -96, -88))
    return Signal(
        technology=technology,
        rssi_dbm=rssi,
        rsrp_dbm=rsrp,
        rsrq_db=_within(rsrq, -45, 22),
        sinr_db=_within(sinr, -30, 45),
        bars=bars,
        band=band,
        cell=cell,
    )


def _cell(values: list[str], at: int) -> str:
    found = hexadecimal(values, at)
    return "" if found is None else f"{found:X}"


def _band(values: list[str], at: int, letter: str) -> str:
    found = number(values, at)
    return "" if found is None else f"{letter}{found}"


def csq(lines: Sequence[str]) -> Signal | None:
    for line in lines:
        value = number(fields(line), 0)
        if value is not None and 0 <= value <= 31:
            return make_signal("", rssi=-113 + 2 * value)
    return None


def cesq(lines: Sequence[str]) -> Signal | None:
    """3GPP TS 27.007 §8.69: indices, 255 unknown; the last three since Rel-15."""
    for line in lines:
        values = fields(line)
        rsrq, rsrp = number(values, 4), number(values, 5)
        if rsrp is not None and 0 <= rsrp <= 97:
            return make_signal("lte", rsrp=rsrp - 140, rsrq=None if rsrq in (None, 255) else rsrq / 2 - 19.5)
        nr_rsrq, nr_rsrp, nr_sinr = number(values, 6), number(values, 7), number(values, 8)
        if nr_rsrp is not None and 0 <= nr_rsrp <= 126:
            return make_signal(
                "nr-sa",
                rsrp=nr_rsrp - 156,
                rsrq=None if nr_rsrq in (None, 255) else nr_rsrq / 2 - 43,
                sinr=None if nr_sinr in (None, 255) else nr_sinr / 2 - 23,
            )
    return None


def qeng(lines: Sequence[str], *, raw_sinr: bool = False) -> Signal | None:
    """Quectel's serving cell. With EN-DC there are three lines, and SINR stands before RSRQ in the last."""
    nsa = lte = sa = None
    for line in lines:
        values = fields(line)
        if "NR5G-NSA" in values:
            at = values.index("NR5G-NSA")
            nsa = (real(values, at + 4), real(values, at + 5), real(values, at + 6), _band(values, at + 8, "n"))
        elif "NR5G-SA" in values:
            at = values.index("NR5G-SA")
            sa = make_signal(
                "nr-sa",
                rsrp=real(values, at + 10),
                rsrq=real(values, at + 11),
                sinr=real(values, at + 12),
                band=_band(values, at + 8, "n"),
                cell=_cell(values, at + 4),
            )
        elif "LTE" in values:
            at = values.index("LTE")
            sinr = real(values, at + 14)
            lte = make_signal(
                "lte",
                rsrp=real(values, at + 11),
                rsrq=real(values, at + 12),
                rssi=real(values, at + 13),
                sinr=sinr / 5 - 20 if raw_sinr and sinr is not None else sinr,
                band=_band(values, at + 7, "B"),
                cell=_cell(values, at + 4),
            )
    if sa is not None:
        return sa
    if nsa is not None:
        rsrp, sinr, rsrq, band = nsa
        cell = lte.cell if lte is not None else ""
        return make_signal("nr-nsa", rsrp=rsrp, rsrq=rsrq, sinr=sinr, band=band, cell=cell)
    return lte


def gtccinfo(lines: Sequence[str], *, raw_sinr: bool = False) -> Signal | None:
    """Fibocom's serving cell: rows of numbers, the second is the technology (4 LTE, 9 NR)."""
    for line in lines:
        values = fields(":" + line)
        if number(values, 0) != 1:
            continue
        band, sinr, rsrp, rsrq = text(values, 8), number(values, 10), number(values, 12), number(values, 13)
        if sinr is None or rsrp is None or rsrq is None:
            return None
        if number(values, 1) == 9:
            return make_signal(
                "nr-sa",
                rsrp=rsrp - 156,
                rsrq=rsrq / 2 - 43,
                sinr=sinr / 2 - 23,
                band=f"n{band[2:]}" if band.startswith("50") else "",
                cell=_cell(values, 5),
            )
        return make_signal(
            "lte",
            rsrp=rsrp - 140,
            rsrq=rsrq / 2 - 19.5,
            sinr=sinr / 2,
            band=f"B{int(band[1:])}" if re.fullmatch(r"1\d{2}", band) else "",
            cell=_cell(values, 5),
        )
    return None


def cpsi(lines: Sequence[str], *, raw_sinr: bool = False) -> Signal | None:
    """SIMCom: tenths, and another order for NR."""
    for line in lines:
        values = fields(line)
        cell = number(values, 4)
        shown = "" if cell is None else f"{cell:X}"
        band = re.search(r"BAND(\d+)", text(values, 6))
        tenth = [None if (value := real(values, at)) is None else value / 10 for at in range(14)]
        if text(values, 0) == "LTE":
            name = f"B{band.group(1)}" if band else ""
            return make_signal(
                "lte", rsrq=tenth[10], rsrp=tenth[11], rssi=tenth[12], sinr=real(values, 13), band=name, cell=shown
            )
        if text(values, 0).startswith("NR5G"):
            name = f"n{band.group(1)}" if band else ""
            return make_signal("nr-sa", rsrp=tenth[8], rsrq=tenth[9], sinr=tenth[10], band=name, cell=shown)
    return None


def hcsq(lines: Sequence[str], *, raw_sinr: bool = False) -> Signal | None:
    """Huawei's indices: rssi from -121, rsrp from -141, sinr in fifths from -20, rsrq in halves from -20."""
    for line in lines:
        values = fields(line)
        rssi, rsrp, sinr, rsrq = (number(values, at) for at in range(1, 5))
        if text(values, 0) == "LTE" and rsrp is not None and rsrp != 255:
            return make_signal(
                "lte",
                rssi=None if rssi in (None, 255) else rssi - 121,
                rsrp=rsrp - 141,
                sinr=None if sinr in (None, 255) else sinr / 5 - 20,
                rsrq=None if rsrq in (None, 255) else (rsrq - 1) / 2 - 19.5,
            )
    return None


Reader = Callable[..., Signal | None]
SIGNALS: dict[str, tuple[str, tuple[str, ...], Reader]] = {
    "qeng": ('AT+QENG="servingcell"', ("+QENG",), qeng),
    "gtccinfo": ("AT+GTCCINFO?", ("+GTCCINFO",), gtccinfo),
    "cpsi": ("AT+CPSI?", ("+CPSI",), cpsi),
    "hcsq": ("AT^HCSQ?", ("^HCSQ",), hcsq),
}

# 3GPP TS 27.007 §7.18: 0 active, 1 held, 2 dialing, 3 alerting, 4 incoming, 5 waiting.
_CALLS = {
    0: CallPhase.ACTIVE,
    1: CallPhase.HELD,
    2: CallPhase.DIALING,
    3: CallPhase.RINGING,
    4: CallPhase.RINGING,
    5: CallPhase.RINGING,
}


def calls(lines: Sequence[str]) -> list[VoiceCall]:
    out = []
    for line in lines:
        values = fields(line)
        phase = _CALLS.get(-1 if (stat := number(values, 2)) is None else stat)
        if phase is not None and number(values, 3) in (0, None):  # voice
            out.append(VoiceCall(text(values, 0), text(values, 1) == "1", text(values, 5)[:24], phase))
    return out[:8]


def _moment(date: str, clock: str) -> float | None:
    """`301126` and `061530.000` to unix seconds."""
    if re.fullmatch(r"\d{6}", date) is None or re.fullmatch(r"\d{6}(?:\.\d+)?", clock) is None:
        return None
    day, month, year = int(date[:2]), int(date[2:4]), 2000 + int(date[4:])
    hour, minute, second = int(clock[:2]), int(clock[2:4]), int(clock[4:6])
    if not (1 <= day <= 31 and 1 <= month <= 12 and hour < 24 and minute < 60 and second < 61):
        return None
    return float(calendar.timegm((year, month, day, hour, minute, second)))


def _fix(
    latitude: float | None, longitude: float | None, taken_at: float | None, **more: float | int | None
) -> Fix | None:
    if latitude is None or longitude is None or taken_at is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return Fix(latitude, longitude, taken_at, **more)  # type: ignore[arg-type]


def qgpsloc(lines: Sequence[str]) -> Fix | None:
    """Quectel, with AT+QGPSLOC=2: degrees, and the horizontal dilution of which five metres are made an accuracy."""
    for line in lines:
        values = fields(line)
        hdop = real(values, 3)
        return _fix(
            real(values, 1),
            real(values, 2),
            _moment(text(values, 9), text(values, 0)),
            altitude_m=real(values, 4),
            accuracy_m=None if hdop is None else hdop * 5,
            direction_deg=_within(real(values, 6), 0, 360),
            speed_kmh=real(values, 7),
            satellites=number(values, 10),
        )
    return None


def _degrees(told: str, side: str) -> float | None:
    """SIMCom's `3113.824000` and its side."""
    found = re.fullmatch(r"(\d{2,3})(\d{2}\.\d+)", told)
    if found is None or side not in ("N", "S", "E", "W"):
        return None
    value = int(found.group(1)) + float(found.group(2)) / 60
    return -value if side in "SW" else value


def cgpsinfo(lines: Sequence[str]) -> Fix | None:
    for line in lines:
        values = fields(line)
        knots = real(values, 7)
        return _fix(
            _degrees(text(values, 0), text(values, 1)),
            _degrees(text(values, 2), text(values, 3)),
            _moment(text(values, 4), text(values, 5)),
            altitude_m=real(values, 6),
            speed_kmh=None if knots is None else round(knots * 1.852, 2),
            direction_deg=_within(real(values, 8), 0, 360),
        )
    return None


def tries(lines: Sequence[str]) -> int | None:
    """`+QPINC: "SC",3,10`, `+SPIC: 3,10,0,10`, `+CPINR: SIM PIN,3,3` (3GPP TS 27.007 §8.65)."""
    for line in lines:
        values = fields(line)
        named = {"+QPINC:": "SC", "+CPINR:": "SIM PIN"}.get(line.partition(" ")[0])
        if named is not None and text(values, 0) != named:
            continue
        found = number(values, 0 if named is None else 1)
        if found is not None and 0 <= found <= 10:
            return found
    return None
