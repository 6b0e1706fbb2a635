"""Position reports and the alarms in them (JT/T 808-2019 §8.18; video alarms JT/T 1078-2016 §5.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from gateway.base.errors import RemoteProtocolError
from gateway.model.alarm import AlarmSeverity as Severity

BEIJING = timezone(timedelta(hours=8))

# Bit of the alarm word → (kind, severity). Bits of which the driver is warned only (fatigue, speed) are minor.
ALARMS: dict[int, tuple[str, Severity]] = {
    0: ("emergency", Severity.CRITICAL),
    1: ("overspeed", Severity.MINOR),
    2: ("fatigue", Severity.MINOR),
    3: ("danger", Severity.MAJOR),
    4: ("gnss-fault", Severity.WARNING),
    5: ("gnss-antenna", Severity.WARNING),
    6: ("gnss-antenna", Severity.WARNING),
    7: ("power-low", Severity.MAJOR),
    8: ("power-lost", Severity.MAJOR),
    11: ("camera-fault", Severity.MAJOR),
    20: ("area", Severity.MINOR),
    21: ("route", Severity.MINOR),
    23: ("route", Severity.MINOR),
    26: ("stolen", Severity.CRITICAL),
    27: ("illegal-start", Severity.MAJOR),
    28: ("illegal-move", Severity.MAJOR),
    29: ("collision", Severity.CRITICAL),
    30: ("rollover", Severity.CRITICAL),
    31: ("door", Severity.MAJOR),
}
# Bits of additional item 0x14.
VIDEO_ALARMS: dict[int, tuple[str, Severity]] = {
    0: ("video-loss", Severity.MAJOR),
    1: ("occlusion", Severity.MAJOR),
    2: ("disk-fault", Severity.MINOR),
    3: ("video-fault", Severity.MINOR),
    5: ("abnormal", Severity.MINOR),
}
KINDS = frozenset(kind for table in (ALARMS, VIDEO_ALARMS) for kind, _ in table.values())
"""Every kind that this adapter gives to an alarm; the console has words for each."""

_MAX_ITEMS = 64
_VIDEO_ALARM, _VIDEO_LOST, _VIDEO_COVERED, _SATELLITES = 0x14, 0x15, 0x16, 0x31


@dataclass(frozen=True, slots=True)
class Location:
    """One report. Degrees, metres, km/h; `fixed` is false when the receiver has no position (the last one is told)."""

    alarms: int
    status: int
    longitude: float
    latitude: float
    altitude_m: int
    speed_kmh: float
    direction_deg: int
    taken_at: float | None
    video_alarms: int = 0
    lost_channels: int = 0
    covered_channels: int = 0
    satellites: int | None = None

    @property
    def fixed(self) -> bool:
        return bool(self.status & 2) and (abs(self.longitude) <= 180 and abs(self.latitude) <= 90)

    @property
    def kinds(self) -> dict[str, Severity]:
        """The alarms that stand now."""
        found = {kind: severity for bit, (kind, severity) in ALARMS.items() if self.alarms >> bit & 1}
        found |= {kind: severity for bit, (kind, severity) in VIDEO_ALARMS.items() if self.video_alarms >> bit & 1}
        return found


@dataclass(slots=True)
class _Items:
    values: dict[int, bytes] = field(default_factory=dict)

    def number(self, item: int) -> int:
        return int.from_bytes(self.values.get(item, b"")[:4])


def read_time(bcd: bytes) -> float | None:
    """YYMMDDhhmmss in Beijing time → unix seconds; None for what is no time (terminals without a fix send zeros)."""
    digits = bcd.hex()
    try:
        return datetime.strptime(digits, "%y%m%d%H%M%S").replace(tzinfo=BEIJING).timestamp()
    except ValueError:
        return None


def bcd_time(unix: float) -> bytes:
    return bytes.fromhex(datetime.fromtimestamp(unix, BEIJING).strftime("%y%m%d%H%M%S"))


def bcd_time_utc(unix: float) -> bytes:
    """What the platform answers to a question for the time (2019 §8.5)."""
    return bytes.fromhex(datetime.fromtimestamp(unix, UTC).strftime("%y%m%d%H%M%S"))


def read_location(body: bytes) -> Location:
    """Raises RemoteProtocolError when the fixed part is not whole. Items that are cut off are left out."""
    if len(body) < 28:
        raise RemoteProtocolError(f"a position report of {len(body)} bytes")
    alarms, status, latitude, longitude, altitude, speed, direction = struct.unpack_from(">IIIIhHH", body)
    items = _Items(dict(_items(body[28:])))
    return Location(
        alarms=alarms,
        status=status,
        latitude=latitude / 1e6 * (-1 if status & 4 else 1),
        longitude=longitude / 1e6 * (-1 if status & 8 else 1),
        altitude_m=altitude,
        speed_kmh=speed / 10,
        direction_deg=direction,
        taken_at=read_time(body[22:28]),
        video_alarms=items.number(_VIDEO_ALARM),
        lost_channels=items.number(_VIDEO_LOST),
        covered_channels=items.number(_VIDEO_COVERED),
        satellites=items.number(_SATELLITES) if _SATELLITES in items.values else None,
    )


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for _ in range(_MAX_ITEMS):
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            return
        yield data[at], data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]


def read_batch(body: bytes) -> list[Location]:
    """Reports sent late, oldest first (§8.49). Those that can not be read are left out."""
    if len(body) < 3:
        raise RemoteProtocolError("a batch of positions without its head")
    count, at, found = int.from_bytes(body[:2]), 3, []
    for _ in range(count):
        length = int.from_bytes(body[at : at + 2])
        if length < 28 or at + 2 + length > len(body):
            break
        found.append(read_location(body[at + 2 : at + 2 + length]))
        at += 2 + length
    return found
