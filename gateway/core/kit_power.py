"""Mains and batteries as the kernel tells of them: /sys/class/power_supply, by its Documentation/ABI.

Fuel gauges lie: they tell 255 %, nothing, or the battery of a mouse. What can not be is taken as not told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.model.kit_state import Power, PowerSource

SUPPLIES = Path("/sys/class/power_supply")
MOST = 16
"""Supplies that are looked at."""
LOW, CRITICAL = 0.25, 0.1
FALL, FALL_TIMES = 0.2, 2
"""Between two readings no battery loses so much; after so many of them it is believed all the same."""
ABOVE = 0.04
"""A battery must be charged by so much more before its warning ends."""

_WORDS = {"Critical": 0.03, "Low": 0.15, "Normal": 0.6, "High": 0.85, "Full": 1.0}
_ON_BATTERY = ("on-battery", "battery-low", "battery-critical", "battery-untold")
_OUTER = ("Mains", "USB", "Wireless", "UPS")


@dataclass(frozen=True, slots=True)
class Supply:
    """One folder of sysfs, in its own words and in units."""

    kind: str
    online: bool = False
    status: str = ""
    level: float | None = None
    full_wh: float | None = None
    volts: float | None = None
    watts: float | None = None
    minutes_left: float | None = None


def read_supplies(root: Path = SUPPLIES) -> list[Supply]:
    """Those of this machine; the batteries of mice and the like are none of it."""
    try:
        folders = sorted(root.iterdir())[:MOST]
    except OSError:
        return []
    return [found for folder in folders if (found := _supply(folder)) is not None]


def _supply(folder: Path) -> Supply | None:
    kind = _text(folder / "type")
    if not kind or _text(folder / "scope") == "Device" or _text(folder / "present") == "0":
        return None
    volts = _number(folder / "voltage_now", 1e-6, 0.5, 1000)
    watts = _number(folder / "power_now", 1e-6, 0, 100_000)
    amperes = _number(folder / "current_now", 1e-6, -1000, 1000)
    if watts is None and volts is not None and amperes is not None:
        watts = abs(volts * amperes)
    full = _number(folder / "energy_full", 1e-6, 0.1, 100_000)
    charge = _number(folder / "charge_full", 1e-6, 0.01, 10_000)
    if full is None and charge is not None and volts is not None:
        full = charge * volts
    level = _number(folder / "capacity", 0.01, 0, 1)
    if level is None:
        level = _WORDS.get(_text(folder / "capacity_level"))
    seconds = _number(folder / "time_to_empty_now", 1, 1, 30 * 86400)
    return Supply(
        kind,
        _text(folder / "online") == "1",
        _text(folder / "status"),
        level,
        full,
        volts,
        watts,
        seconds / 60 if seconds is not None else None,
    )


def judged(supplies: Sequence[Supply], before: str = "", *, low: float = LOW, critical: float = CRITICAL) -> Power:
    """One word for all of them. `before` is the code that stood: warnings end a little above where they begin, and a
    battery that was in use and tells nothing any more is still in use, as far as anybody knows."""
    if not supplies and before in _ON_BATTERY:
        return Power(PowerSource.BATTERY, code="battery-untold")
    batteries = [one for one in supplies if one.kind == "Battery"]
    outer = [one for one in supplies if one.kind in _OUTER]
    discharging = any(one.status == "Discharging" for one in batteries)
    fed = any(one.online for one in outer) or (
        bool(batteries) and not outer and any(one.status in ("Charging", "Full", "Not charging") for one in batteries)
    )
    if fed and not discharging:
        source = PowerSource.MAINS
    elif discharging or (batteries and not fed):
        source = PowerSource.BATTERY
    else:
        # A charger too weak for the load discharges the battery: then the battery counts, above.
        source = PowerSource.MAINS if fed else PowerSource.UNKNOWN
    level = _level(batteries)
    drawn = [one.watts for one in batteries if one.watts is not None]
    charging = any(one.status == "Charging" for one in batteries)
    left = [one.minutes_left for one in batteries if one.minutes_left is not None]
    return Power(
        source,
        None if level is None else round(level, 3),
        charging,
        next((round(one.volts, 2) for one in batteries if one.volts is not None), None),
        round(sum(drawn) * (-1 if charging and not discharging else 1), 1) if drawn else None,
        round(sum(left)) if left and source is PowerSource.BATTERY else None,
        _code(source, level, before, low, critical),
    )


def fell(before: Power, now: Power) -> bool:
    """Faster than batteries fall: a gauge that was read while it was busy tells 0. Believed when it is told again."""
    return before.level is not None and now.level is not None and before.level - now.level > FALL


def _level(batteries: Sequence[Supply]) -> float | None:
    """By what each can hold where all of them say so."""
    known = [(one.level, one.full_wh) for one in batteries if one.level is not None]
    if not known:
        return None
    whole = sum(full for _, full in known if full is not None)
    if whole > 0 and all(full is not None for _, full in known):
        return sum(level * (full or 0.0) for level, full in known) / whole
    return sum(level for level, _ in known) / len(known)


def _code(source: PowerSource, level: float | None, before: str, low: float, critical: float) -> str:
    if source is not PowerSource.BATTERY:
        return ""
    if level is None:
        return "battery-untold"
    if level <= critical + (ABOVE if before == "battery-critical" else 0):
        return "battery-critical"
    if level <= low + (ABOVE if before in ("battery-low", "battery-critical") else 0):
        return "battery-low"
    return "on-battery"


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")[:64].strip()
    except OSError:  # a supply that is just being unplugged, or a driver that says ENODEV
        return ""


def _number(file: Path, unit: float, low: float, high: float) -> float | None:
    """None for what is no number, or can not be."""
    try:
        value = int(_text(file)) * unit
    except ValueError:
        return None
    return value if low <= value <= high else None
