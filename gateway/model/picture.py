"""How a camera makes its picture: what its maker calls image settings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DayNight(StrEnum):
    """DAY: the infrared filter is before the sensor, NIGHT: it is away, AUTO: the camera decides."""

    AUTO = "auto"
    DAY = "day"
    NIGHT = "night"


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """Levels from 0 to 1 of what the camera has. None: as it is."""

    brightness: float | None = None
    contrast: float | None = None
    saturation: float | None = None
    sharpness: float | None = None
    day_night: DayNight | None = None

    @property
    def levels(self) -> dict[str, float]:
        """Those that are set."""
        named = ("brightness", self.brightness), ("contrast", self.contrast)
        more = ("saturation", self.saturation), ("sharpness", self.sharpness)
        return {name: value for name, value in (*named, *more) if value is not None}


@dataclass(frozen=True, slots=True)
class PictureLevel:
    """One setting that is a level. `low` and `high` are the camera's own range, in which its makers show it."""

    name: str  # a name of PictureSettings
    low: float
    high: float
    now: float | None = None  # 0..1 of the range; None: it does not tell


@dataclass(frozen=True, slots=True)
class PictureNow:
    """What a camera lets be set of its picture, and how it stands."""

    levels: tuple[PictureLevel, ...] = ()
    modes: tuple[DayNight, ...] = ()  # of day and night; empty: not to be chosen
    day_night: DayNight | None = None
