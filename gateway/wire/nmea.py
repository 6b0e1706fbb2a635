"""NMEA 0183 of satellite receivers: RMC and GGA of any constellation (GP, GN, BD, GB, GL, GA, GQ). Sans-IO.

Sentences without a right checksum are not read. A receiver that estimates, simulates or was told its place has no fix.
"""

from __future__ import annotations

import calendar
import math
from dataclasses import replace

from gateway.wire.gnss import Heard, NoFix, Seen

MOST_LINE = 256
"""A sentence has 82 characters; makers' own are longer. What has no end after so many is garbage."""
RMC_GONE_S = 5.0
"""A receiver that sends no RMC is taken by its GGA alone, which has no date."""
HDOP_M = 5.0
_NO_FIX_MODES = frozenset("NEMS")  # not valid, estimated, manual, simulator


class NmeaReader:
    """Bytes in, places out. `bad` counts lines that were no right sentence."""

    def __init__(self) -> None:
        self._rest = b""
        self._gga: tuple[str, Seen] | None = None
        self._rmc_at = -math.inf
        self.bad = 0
        self.sentences = 0

    def receive(self, data: bytes, now: float) -> list[Heard]:
        """Never raises. `now` is monotonic."""
        *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        if len(self._rest) > MOST_LINE:
            self._rest = b""
            self.bad += 1
        heard: list[Heard] = []
        for line in lines:
            if line and (found := self._sentence(line, now)) is not None:
                heard.append(found)
        return heard

    def _sentence(self, line: bytes, now: float) -> Heard | None:
        fields = checked(line)
        if fields is None:
            self.bad += 1
            return None
        self.sentences += 1
        try:
            match fields[0][2:]:
                case "RMC":
                    self._rmc_at = now
                    return self._rmc(fields)
                case "GGA":
                    return self._take_gga(fields, now)
        except (ValueError, IndexError):
            self.bad += 1
        return None

    def _rmc(self, f: list[str]) -> Heard:
        mode = f[12] if len(f) > 12 else "A"
        if f[2] != "A" or mode in _NO_FIX_MODES:
            return NoFix()
        knots, track = _optional(f[7]), _optional(f[8])
        fix = Seen(
            longitude=_degrees(f[5], f[6], "EW"),
            latitude=_degrees(f[3], f[4], "NS"),
            taken_at=_told_moment(f[9], f[1]),
            speed_kmh=None if knots is None else round(knots * 1.852, 1),
            direction_deg=track,
        )
        if self._gga is not None and self._gga[0] == f[1]:
            more = self._gga[1]
            fix = replace(fix, altitude_m=more.altitude_m, accuracy_m=more.accuracy_m, satellites=more.satellites)
        return fix

    def _take_gga(self, f: list[str], now: float) -> Heard | None:
        alone = now - self._rmc_at > RMC_GONE_S
        if f[6] in ("", "0", "6", "7", "8"):
            self._gga = None
            return NoFix() if alone else None
        hdop, satellites = _optional(f[8]), _optional(f[7])
        fix = Seen(
            longitude=_degrees(f[4], f[5], "EW"),
            latitude=_degrees(f[2], f[3], "NS"),
            accuracy_m=None if hdop is None else round(hdop * HDOP_M, 1),
            altitude_m=_optional(f[9]),
            satellites=None if satellites is None else int(satellites),
        )
        self._gga = (f[1], fix)
        return fix if alone else None


def checked(line: bytes) -> list[str] | None:
    """The fields of a sentence with a right checksum, the first as "GNRMC"; None for anything else."""
    start = line.rfind(b"$")
    if start < 0 or len(line) > MOST_LINE:
        return None
    body, star, told = line[start + 1 :].partition(b"*")
    if not star or len(body) < 6:
        return None
    made = 0
    for byte in body:
        made ^= byte
    try:
        if int(told[:2], 16) != made:
            return None
        return body.decode("ascii").split(",")
    except ValueError:
        return None


def _degrees(text: str, side: str, sides: str) -> float:
    """ddmm.mmmm or dddmm.mmmm. Raises ValueError."""
    value = float(text)
    if not 0 <= value <= 18000 or side not in sides or len(side) != 1:
        raise ValueError("no angle")
    whole = int(value / 100)
    minutes = value - whole * 100
    if minutes >= 60:
        raise ValueError("no minutes")
    return round((whole + minutes / 60) * (1 if side == sides[0] else -1), 7)


def _optional(text: str) -> float | None:
    """Raises ValueError for what is neither a number nor empty."""
    if not text:
        return None
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("no number")
    return value


def _told_moment(date: str, time: str) -> float | None:
    """None where the receiver does not know its date (yet): its place counts."""
    try:
        return _moment(date, time)
    except ValueError:
        return None


def _moment(date: str, time: str) -> float:
    """ddmmyy and hhmmss.ss, unix seconds; years before 80 are of this century. Raises ValueError."""
    if len(date) != 6 or not date.isdecimal() or not time[:6].isdecimal() or len(time) < 6:
        raise ValueError("no date")
    day, month, year = int(date[:2]), int(date[2:4]), int(date[4:])
    hour, minute, second = int(time[:2]), int(time[2:4]), float(time[4:])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and 0 <= second < 61):
        raise ValueError("no moment")
    year += 1900 if year >= 80 else 2000
    return calendar.timegm((year, month, day, hour, minute, 0)) + second
