"""A kit's record as numbers of few bits, and back. What is too large or not known has a number of its own."""

from __future__ import annotations

from typing import TypeVar

from gateway.model.telemetry import KitRecord, RecordAlarm, RecordFix, RecordLink, Why
from gateway.wire.telemetry import ALARMS, EPOCH, LINKS

W = TypeVar("W", bound=str)

WHYS = tuple(Why)
KINDS = ("", "lte", "nr", "satellite", "mesh", "wire", "wifi", "satphone")
PHASES = (
    "absent",
    "locked",
    "searching",
    "registered",
    "connecting",
    "up",
    "degraded",
    "recovering",
    "down",
    "off",
)
SEVERITIES = ("critical", "major", "minor", "warning")
SOURCES = ("gnss", "catalog", "network", "manual")
POWERS = ("unknown", "mains", "battery")
WORDS = ("ready", "connecting", "degraded", "technician")
ALARM_KINDS = (
    "other",
    "emergency-call",
    "phone",
    "sms",
    "gps",
    "fault",
    "live-offered",
    "manual",
    "video-loss",
    "tamper",
    "disk-full",
    "disk-fault",
    "fan-fault",
    "hot",
    "cold",
    "motion",
    "left-object",
    "removed-object",
    "tripwire",
    "intrusion",
    "retrograde",
    "loitering",
    "flow",
    "density",
    "abnormal",
    "fast-move",
    "occlusion",
    "power-low",
    "power-lost",
    "emergency",
    "collision",
    "rollover",
)
"""Numbers of version 1: new ones go to the end, 32 in all."""

_NO_BARS, _NO_ALTITUDE, _NO_SPEED, _NO_DIRECTION = 7, 8191, 255, 63
_NO_PERCENT, _NO_VOLTS, _NO_TEMPERATURE, _NO_DISK = 127, 255, 127, 31


def numbers(record: KitRecord) -> dict[str, int]:
    values = {
        "time": min(max(record.made_at - EPOCH, 0), 2**30 - 1),
        "clock": int(record.clock_good),
        "more_links": int(record.more_links or len(record.links) > LINKS),
        "links": min(len(record.links), LINKS),
        "battery": _or(record.battery_percent, 0, 100, _NO_PERCENT),
        "power": _index(POWERS, record.power),
        "volts": _NO_VOLTS if record.volts is None else min(max(round(record.volts * 5), 0), 254),
        "temperature": _NO_TEMPERATURE if record.temperature_c is None else min(max(record.temperature_c + 50, 0), 126),
        "disk": _NO_DISK if record.disk_percent is None else min(max(round(record.disk_percent / 5), 0), 20),
        "alarms_open": min(max(record.alarms_open, len(record.alarms)), 31),
        "word": _index(WORDS, record.word, 1),
        "down": min(max(record.down_min, 0), 1023),
    }
    if (fix := record.fix) is not None:
        values |= {
            "fix": 1,
            "longitude": min(max(round((fix.longitude + 180) * 1e5), 0), 36_000_000),
            "latitude": min(max(round((fix.latitude + 90) * 1e5), 0), 18_000_000),
            "altitude": _NO_ALTITUDE if fix.altitude_m is None else min(max((fix.altitude_m + 500) // 2, 0), 8190),
            "fix_age": min(max(fix.age_min, 0), 63),
            "fix_source": _index(SOURCES, fix.source),
            "speed": _or(fix.speed_kmh, 0, 254, _NO_SPEED),
            "direction": _NO_DIRECTION if fix.direction_deg is None else round(fix.direction_deg % 360 / 6) % 60,
        }
    for at, link in enumerate(record.links[:LINKS]):
        values |= {
            f"link{at}_kind": _index(KINDS, link.kind),
            f"link{at}_phase": _index(PHASES, link.phase),
            f"link{at}_bars": _or(link.bars, 0, 5, _NO_BARS),
        }
    for at, alarm in enumerate(record.alarms[:ALARMS]):
        values |= {
            f"alarm{at}_severity": _index(SEVERITIES, alarm.severity),
            f"alarm{at}_kind": _index(ALARM_KINDS, alarm.kind),
            f"alarm{at}_age": min(max(alarm.age_min, 0), 31),
        }
    return values


def meaning(values: dict[str, int], why: int) -> KitRecord:
    """Without gateway and sequence; numbers of a newer build that this one has no word for become the plainest one."""
    fix = None
    if values["fix"] and values["longitude"] <= 36_000_000 and values["latitude"] <= 18_000_000:
        fix = RecordFix(
            longitude=round(values["longitude"] / 1e5 - 180, 5),
            latitude=round(values["latitude"] / 1e5 - 90, 5),
            altitude_m=None if values["altitude"] == _NO_ALTITUDE else values["altitude"] * 2 - 500,
            age_min=values["fix_age"],
            source=SOURCES[values["fix_source"]],
            speed_kmh=_none(values["speed"], _NO_SPEED),
            direction_deg=None if values["direction"] == _NO_DIRECTION else values["direction"] * 6,
        )
    alarms = min(values["alarms_open"], ALARMS)
    return KitRecord(
        why=_word(WHYS, why),
        made_at=values["time"] + EPOCH,
        clock_good=bool(values["clock"]),
        fix=fix,
        links=tuple(
            RecordLink(
                KINDS[values[f"link{at}_kind"]],
                _word(PHASES, values[f"link{at}_phase"]),
                _none(values[f"link{at}_bars"], _NO_BARS),
            )
            for at in range(min(values["links"], LINKS))
        ),
        more_links=bool(values["more_links"]),
        battery_percent=_none(values["battery"], _NO_PERCENT),
        power=_word(POWERS, values["power"]),
        volts=None if values["volts"] == _NO_VOLTS else round(values["volts"] / 5, 1),
        temperature_c=None if values["temperature"] == _NO_TEMPERATURE else values["temperature"] - 50,
        disk_percent=None if values["disk"] == _NO_DISK else values["disk"] * 5,
        alarms=tuple(
            RecordAlarm(
                _word(ALARM_KINDS, values[f"alarm{at}_kind"]),
                SEVERITIES[values[f"alarm{at}_severity"]],
                values[f"alarm{at}_age"],
            )
            for at in range(alarms)
        ),
        alarms_open=values["alarms_open"],
        word=WORDS[values["word"]],
        down_min=values["down"],
    )


def _or(value: int | None, least: int, most: int, unknown: int) -> int:
    return unknown if value is None else min(max(value, least), most)


def _none(value: int, unknown: int) -> int | None:
    return None if value == unknown else value


def _index(words: tuple[str, ...], word: str, default: int = 0) -> int:
    return words.index(word) if word in words else default


def _word(words: tuple[W, ...], at: int) -> W:
    return words[at] if at < len(words) else words[0]
