"""How hot the machine is: /sys/class/thermal and /sys/class/hwmon. Sensors that tell what can not be are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gateway.model.kit_state import Heat

THERMAL = Path("/sys/class/thermal")
HWMON = Path("/sys/class/hwmon")
MOST = 64
SHOWN = 8
HOT_C, TOO_HOT_C = 80.0, 95.0
NEAR_C = 5.0
"""So near to its own critical mark a sensor is too hot; three times as near it is hot."""
BELOW_C = 4.0
"""It must cool by so much more before the warning ends."""
_COLDEST_C, _HOTTEST_C = -60.0, 125.0
"""No chip of a running machine is at more: 127 and 128 are what inputs without a sensor tell."""


def read_heat(thermal: Path = THERMAL, hwmon: Path = HWMON) -> list[Heat]:
    """All sensors, the hottest first."""
    found = [*_zones(thermal), *_chips(hwmon)]
    named = {one.name: one for one in sorted(found, key=lambda one: one.celsius)}  # two of a name: the hotter one
    return sorted(named.values(), key=lambda one: -one.celsius)[:SHOWN]


def judged(
    sensors: Sequence[Heat], before: Mapping[str, str] | None = None, *, hot_c: float = HOT_C
) -> tuple[Heat, ...]:
    """With a code for each. `before`: those that stood, by name."""
    stood = before or {}
    return tuple(replace(one, code=_code(one, stood.get(one.name, ""), hot_c)) for one in sensors)


def _code(one: Heat, before: str, hot_c: float) -> str:
    critical = one.critical_c if one.critical_c is not None else TOO_HOT_C + NEAR_C
    worst = min(TOO_HOT_C, critical - NEAR_C)
    warm = min(hot_c, critical - 3 * NEAR_C)
    if one.celsius >= worst - (BELOW_C if before == "too-hot" else 0):
        return "too-hot"
    return "hot" if one.celsius >= warm - (BELOW_C if before else 0) else ""


def _zones(root: Path) -> list[Heat]:
    found: list[Heat] = []
    for folder in _listed(root, "thermal_zone*"):
        celsius = _celsius(folder / "temp")
        if celsius is None:
            continue
        critical = None
        for kind in _listed(folder, "trip_point_*_type"):
            if _text(kind) == "critical":
                critical = _celsius(folder / kind.name.replace("_type", "_temp"))
        found.append(Heat(_text(folder / "type") or folder.name, celsius, _mark(critical)))
    return found


def _chips(root: Path) -> list[Heat]:
    found: list[Heat] = []
    for folder in _listed(root, "hwmon*"):
        chip = _text(folder / "name") or folder.name
        for file in _listed(folder, "temp*_input"):
            celsius = _celsius(file)
            if celsius is None:
                continue
            stem = file.name.removesuffix("_input")
            label = _text(folder / f"{stem}_label")
            critical = _celsius(folder / f"{stem}_crit")
            found.append(Heat(f"{chip} {label}".strip()[:64], celsius, _mark(critical)))
    return found


def _mark(critical: float | None) -> float | None:
    """Marks of zero, or above what a machine survives, are marks that nobody set."""
    return critical if critical is not None and 50 <= critical <= 130 else None


def _celsius(file: Path) -> float | None:
    try:
        value = int(_text(file)) / 1000
    except ValueError:
        return None
    return round(value, 1) if _COLDEST_C < value < _HOTTEST_C else None


def _listed(root: Path, pattern: str) -> list[Path]:
    try:
        return sorted(root.glob(pattern))[:MOST]
    except OSError:
        return []


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")[:64].strip()
    except OSError:
        return ""
