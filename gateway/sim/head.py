"""The pan/tilt head and lens: what a PTZCmd does to the view. No clock of its own: `advance` is told the seconds.

GB/T 28181-2022 A.3 (the eight bytes of PTZCmd); read here independently of the platform's encoder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from gateway.sim.panorama import TILT_MAX, TILT_MIN
from gateway.sim.scene import ZOOM_MAX, View

PAN_DEG_S, TILT_DEG_S = 90.0, 45.0  # at speed byte FF
ZOOM_PER_S = 3.0  # factor per second at speed F
SLEW_DEG_S = 120.0  # towards a preset
_DWELL_S = 5.0  # at each point of a cruise unless told


@dataclass(frozen=True, slots=True)
class Instruction:
    """A PTZCmd taken apart; `op` is byte 4, `data1`..`data3` bytes 5, 6 and the upper half of 7."""

    op: int
    data1: int
    data2: int
    data3: int


def read_ptz(text: str) -> Instruction | None:
    """Take the 16 hex digits apart, in either case; `None` when length, lead byte, or either check sum is wrong."""
    try:
        b = bytes.fromhex(text.strip())
    except ValueError:
        return None
    if len(b) != 8 or b[0] != 0xA5 or sum(b[:7]) % 256 != b[7]:
        return None
    if b[1] & 0x0F != ((b[0] >> 4) + (b[0] & 0x0F) + (b[1] >> 4)) % 16:  # A.3.1: the check of byte 2
        return None
    return Instruction(b[3], b[4], b[5], b[6] >> 4)


@dataclass(slots=True)
class _Cruise:
    points: list[int] = field(default_factory=list)
    dwell_s: float = _DWELL_S


class Head:
    """State of one head. Its methods may be called from the event loop while a renderer reads `view`."""

    def __init__(self, view: View | None = None) -> None:
        self.view = view or View(pan=10.0, tilt=5.0)
        self.presets: dict[int, tuple[str, View]] = {1: ("SMOKE", View(15.0, 7.0, 3.0)), 2: ("LAKE", View(180.0, -5.0))}
        self.home: tuple[int, float] | None = None  # preset, seconds of idleness before it is called
        self._speed = (0.0, 0.0, 0.0)  # deg/s, deg/s, ln(factor)/s
        self._goal: View | None = None
        self._cruises: dict[int, _Cruise] = {1: _Cruise([1, 2])}
        self._cruising: tuple[int, int, float] | None = None  # group, index, seconds left at this point
        self._idle_s = 0.0

    @property
    def moving(self) -> bool:
        return self._speed != (0.0, 0.0, 0.0) or self._goal is not None or self._cruising is not None

    def obey(self, order: Instruction) -> str:
        """Do what the instruction says; returns plain words of it ("" when it means nothing to this device)."""
        self._idle_s = 0.0
        if order.op < 0x40:
            return self._move(order)
        if 0x40 <= order.op < 0x50:
            return "lens" if order.op & 0x0F else "lens stop"
        if order.op in (0x81, 0x82, 0x83):
            return self._preset(order)
        if 0x84 <= order.op <= 0x88:
            return self._cruise(order)
        return {0x89: "scan", 0x8A: "scan speed", 0x8C: "aux on", 0x8D: "aux off"}.get(order.op, "")

    def go(self, goal: View) -> None:
        """Turn to a view at slewing speed (presets, home, PTZPreciseCtrl)."""
        self._halt()
        self._goal = _held(goal)

    def advance(self, seconds: float) -> View:
        """Let `seconds` pass; the new view."""
        pan_s, tilt_s, zoom_s = self._speed
        if self._speed != (0.0, 0.0, 0.0):
            zoom = self.view.zoom * math.exp(zoom_s * seconds)
            self.view = _held(View(self.view.pan + pan_s * seconds, self.view.tilt + tilt_s * seconds, zoom))
        elif self._goal is not None:
            self._slew(self._goal, seconds)
        elif self._cruising is not None:
            self._dwell(seconds)
        else:
            self._go_home(seconds)
        return self.view

    # -- instructions -----------------------------------------------------------------------------------------

    def _move(self, order: Instruction) -> str:
        """A.3.2 table A.5: bit 5 zoom out, 4 zoom in, 3 up, 2 down, 1 left, 0 right; 00 stops all."""
        self._halt()
        bits = order.op
        # A narrow view turns more slowly, as real heads do, or nobody could aim at full zoom.
        slow = 1.0 / self.view.zoom
        pan = ((bits & 1) - (bits >> 1 & 1)) * order.data1 / 255 * PAN_DEG_S * slow
        tilt = ((bits >> 3 & 1) - (bits >> 2 & 1)) * order.data2 / 255 * TILT_DEG_S * slow
        zoom = ((bits >> 4 & 1) - (bits >> 5 & 1)) * order.data3 / 15 * math.log(ZOOM_PER_S)
        self._speed = (pan, tilt, zoom)
        return "stop" if bits == 0 else f"move pan {pan:+.0f}°/s tilt {tilt:+.0f}°/s zoom {zoom:+.2f}"

    def _preset(self, order: Instruction) -> str:
        number = order.data2
        if not 1 <= number <= 255:
            return ""
        if order.op == 0x81:
            self.presets[number] = (f"PRESET {number}", self.view)
            return f"preset {number} set"
        if order.op == 0x83:
            self.presets.pop(number, None)
            return f"preset {number} deleted"
        if number not in self.presets:
            return f"preset {number} unknown"
        self.go(self.presets[number][1])
        return f"preset {number} called"

    def _cruise(self, order: Instruction) -> str:
        """A.3.5: 84 add, 85 delete (data2 = 0: all), 86 speed, 87 dwell (12 bits), 88 start."""
        cruise = self._cruises.setdefault(order.data1, _Cruise())
        if order.op == 0x84:
            cruise.points.append(order.data2)
        elif order.op == 0x85:
            cruise.points = [p for p in cruise.points if order.data2 and p != order.data2]
        elif order.op == 0x87:
            cruise.dwell_s = float(order.data2 | order.data3 << 8)
        elif order.op == 0x88:
            if not any(p in self.presets for p in cruise.points):
                return f"cruise {order.data1} is empty"
            self._halt()
            self._cruising = (order.data1, -1, 0.0)
        return f"cruise {order.data1} {('point added', 'points deleted', 'speed', 'dwell', 'started')[order.op - 0x84]}"

    # -- passing time -----------------------------------------------------------------------------------------

    def _halt(self) -> None:
        self._speed, self._goal, self._cruising = (0.0, 0.0, 0.0), None, None

    def _slew(self, goal: View, seconds: float) -> None:
        step = SLEW_DEG_S * seconds
        pan = _towards(0.0, (goal.pan - self.view.pan + 180.0) % 360.0 - 180.0, step)
        tilt = _towards(self.view.tilt, goal.tilt, step)
        zoom = _towards(self.view.zoom, goal.zoom, 8.0 * seconds)
        self.view = _held(View(self.view.pan + pan, tilt, zoom))
        if all(math.isclose(getattr(self.view, f), getattr(goal, f), abs_tol=1e-6) for f in ("pan", "tilt", "zoom")):
            self._goal = None

    def _dwell(self, seconds: float) -> None:
        assert self._cruising is not None  # noqa: S101 - the caller looked
        group, index, left = self._cruising
        if left > seconds:
            self._cruising = (group, index, left - seconds)
            return
        cruise = self._cruises[group]
        points = [p for p in cruise.points if p in self.presets]
        if not points:
            self._cruising = None
            return
        index = (index + 1) % len(points)
        self._goal = _held(self.presets[points[index]][1])
        self._cruising = (group, index, cruise.dwell_s)

    def _go_home(self, seconds: float) -> None:
        self._idle_s += seconds
        if self.home and self._idle_s >= self.home[1] and self.home[0] in self.presets:
            goal = _held(self.presets[self.home[0]][1])
            if goal != self.view:
                self._goal = goal


def _towards(now: float, goal: float, step: float) -> float:
    return goal if abs(goal - now) <= step else now + math.copysign(step, goal - now)


def _held(view: View) -> View:
    """The nearest view that the mechanics allow."""
    tilt = max(TILT_MIN, min(TILT_MAX, view.tilt))
    return View(round(view.pan % 360.0, 9) % 360.0, tilt, max(1.0, min(ZOOM_MAX, view.zoom)))
