"""The time of day as a mobile network tells it (NITZ), of a modem's words. Sans-IO.

A modem's own clock (`AT+CCLK?`) is not asked: nobody knows who set it. What counts is a time that the network sent:
Quectel keeps it (`AT+QLTS=1`), 3GPP's `+CTZE` and `+CTZEU` tell it when it comes (TS 27.007 §8.41).
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from datetime import datetime

from gateway.base.moment import BUILT
from gateway.wire.at import fields, text

KEPT_S = 1800.0
"""A time that came counts so long, by our own seconds."""

REPORT = "AT+CTZR=2"
LATEST = "AT+QLTS=1"

_TIME = re.compile(r"(\d{4}|\d\d)/(\d\d)/(\d\d),(\d\d):(\d\d):(\d\d)(?:([+-]\d{1,2}))?(?:,\d)?")


def believed(unix_s: float | None) -> float | None:
    """None for a time before this software was made: of a clock that nobody set."""
    return unix_s if unix_s is not None and unix_s >= BUILT else None


def moment(told: str, quarters: int = 0) -> float | None:
    """`2026/11/30,14:15:30` of a place that is so many quarters of an hour ahead, as unix seconds."""
    found = _TIME.fullmatch(told.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(value) for value in found.groups()[:6])
    if year < 100:
        year += 2000 if year < 70 else 1900
    try:
        at = datetime(year, month, day, hour, minute, min(second, 59))
    except ValueError:
        return None
    return believed(calendar.timegm(at.timetuple()) - quarters * 900.0)


def latest(lines: Sequence[str]) -> float | None:
    """`+QLTS: "2026/11/30,06:15:30+32,0"` in universal time; the zone beside it is not counted. "" when none came."""
    return moment(text(fields(lines[0]), 0)) if lines else None


class Reported:
    """What came unasked, with its age."""

    def __init__(self) -> None:
        self._told: tuple[float, float] | None = None

    def heard(self, line: str, now: float) -> bool:
        """`+CTZE: "+32",0,"2026/11/30,14:15:30"` (local time), `+CTZEU: …` (universal)."""
        prefix, values = line.partition(":")[0], fields(line)
        zone = re.fullmatch(r"[+-]?\d{1,2}", text(values, 0))
        if prefix not in ("+CTZE", "+CTZEU") or zone is None or not -48 <= int(zone.group()) <= 56:
            return False
        at = moment(text(values, 2), int(zone.group()) if prefix == "+CTZE" else 0)
        if at is not None:
            self._told = (at, now)
        return at is not None

    def time(self, now: float) -> float | None:
        if self._told is None or now - self._told[1] > KEPT_S:
            return None
        return self._told[0] + now - self._told[1]
