"""Times on the wire: Beijing time without a zone, in the spellings that devices use."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))
MAX_AHEAD_S = 300.0
"""A device's time further ahead of ours than this is a wrong clock, not a time."""

_TIME = re.compile(
    r"(\d{4})-?(\d{1,2})-?(\d{1,2})[T ]?(\d{1,2}):?(\d{2}):?(\d{2})(?:[.,](\d{1,9}))?\s*(Z|[+-]\d{2}:?\d{2})?", re.I
)


def date_header(unix: float) -> str:
    """ "2026-11-23T19:48:12.000": the clock a device sets itself by. GB/T 28181-2022 §9.10.3 (not RFC 1123)."""
    return datetime.fromtimestamp(unix, BEIJING).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


def beijing_to_unix(text: str, received_at: float) -> float:
    """Unix seconds of a device's time; `received_at` where it is missing, no time, or ahead of us.

    Old times are kept: a device that was cut off reports late, and says so by its time.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return received_at
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=_zone(zone)
        ).timestamp()
    except (ValueError, OverflowError):
        return received_at
    if fraction:
        moment += float(f"0.{fraction}")
    return moment if 0 < moment <= received_at + MAX_AHEAD_S else received_at


def _zone(text: str | None) -> timezone:
    if not text:
        return BEIJING
    if text in "Zz":
        return UTC
    sign = -1 if text[0] == "-" else 1
    digits = text[1:].replace(":", "")
    return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))
