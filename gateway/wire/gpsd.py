"""What gpsd says on its socket (gpsd_json(5)): a JSON object a line; of them TPV, where a receiver is. Sans-IO."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from gateway.wire.gnss import Heard, NoFix, Seen

WATCH = b'?WATCH={"enable":true,"json":true};\n'
MOST_LINE = 16_384
"""gpsd's own longest line is shorter (a SKY of all satellites)."""
MOST = 1e9
"""No figure of a receiver is larger. JSON has integers of any length, which are no floats."""


class GpsdReader:
    def __init__(self) -> None:
        self._rest = b""
        self.bad = 0
        self.devices: tuple[str, ...] = ()
        """Receivers that it has, by their paths."""

    def receive(self, data: bytes) -> list[Heard]:
        """Never raises."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MOST_LINE:
            self._rest = b""
            self.bad += 1
        return [found for line in lines if line.strip() and (found := self._line(line)) is not None]

    def _line(self, line: bytes) -> Heard | None:
        try:
            told: Any = json.loads(line) if len(line) <= MOST_LINE else None
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            self.bad += 1
            return None
        match told.get("class"):
            case "TPV":
                return _fix(told)
            case "DEVICES":
                listed = told.get("devices")
                paths = [one.get("path") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
                self.devices = tuple(path for path in paths if isinstance(path, str))[:16]
                return None if self.devices else NoFix()
            case "DEVICE" if told.get("activated") == 0:
                return NoFix()
        return None


def _fix(told: dict[str, Any]) -> Heard:
    """mode: 0 not known, 1 no fix, 2 in the plane, 3 in space."""
    longitude, latitude = _number(told, "lon"), _number(told, "lat")
    if told.get("mode") not in (2, 3) or longitude is None or latitude is None:
        return NoFix()
    speed = _number(told, "speed")
    accuracy = _number(told, "eph")
    if accuracy is None:
        sides = [side for side in (_number(told, "epx"), _number(told, "epy")) if side is not None]
        accuracy = max(sides, default=None)
    altitude = next((found for key in ("altMSL", "alt") if (found := _number(told, key)) is not None), None)
    return Seen(
        longitude=longitude,
        latitude=latitude,
        taken_at=_moment(told.get("time")),
        accuracy_m=accuracy,
        altitude_m=altitude if told.get("mode") == 3 else None,
        speed_kmh=None if speed is None else round(speed * 3.6, 1),
        direction_deg=_number(told, "track"),
    )


def _number(told: dict[str, Any], key: str) -> float | None:
    value = told.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MOST:
        return None
    return float(value)


def _moment(text: Any) -> float | None:
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        made = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return made.timestamp() if made.tzinfo is not None else None
