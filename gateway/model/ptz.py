"""Moves of a camera, in the units people think in: -1 to 1 of its full speed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class PtzMove:
    """Speeds from -1 to 1: pan right, tilt up, zoom in positive. All zero is a stop."""

    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 0.0

    @property
    def is_stop(self) -> bool:
        return self.pan == self.tilt == self.zoom == 0.0


@dataclass(frozen=True, slots=True)
class LensMove:
    """Speeds from -1 to 1: focus far, iris open positive. All zero is a stop."""

    focus: float = 0.0
    iris: float = 0.0


@dataclass(frozen=True, slots=True)
class PtzPlace:
    """Where a camera looks: pan -1 (left) to 1, tilt -1 (down) to 1, zoom 0 (wide) to 1. None: as it is, or not known;
    pan and tilt go together."""

    pan: float | None = None
    tilt: float | None = None
    zoom: float | None = None


class PresetOp(StrEnum):
    SET = "set"
    CALL = "call"
    DELETE = "delete"


class CruiseOp(StrEnum):
    START = "start"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Preset:
    number: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class PtzHolder:
    """Who moves a camera now; released after `until` (unix seconds) without a new move."""

    name: str
    session: str
    priority: int
    until: float
