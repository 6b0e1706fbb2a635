"""The imaging service (ONVIF Imaging Service Specification §5): focus that moves, iris and picture that are set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.onvif.protocol.soap import IMAGING, SCHEMA, number, tag
from gateway.model.picture import DayNight, PictureLevel, PictureNow, PictureSettings
from gateway.wire.xml import XmlNode

IRIS_STEP = 0.1
"""Of the iris' whole range, at full speed: it has no continuous move, so each order is a step."""


def get_settings(source: str) -> str:
    return tag("GetImagingSettings", tag("VideoSourceToken", text=source), ns=IMAGING)


def get_options(source: str) -> str:
    return tag("GetOptions", tag("VideoSourceToken", text=source), ns=IMAGING)


def get_move_options(source: str) -> str:
    return tag("GetMoveOptions", tag("VideoSourceToken", text=source), ns=IMAGING)


def focus(source: str, speed: float) -> str:
    """Continuous focus; positive is far. Moves until `stop`."""
    wanted = tag("Continuous", tag("Speed", text=f"{min(1.0, max(-1.0, speed)):.3g}"), ns=SCHEMA)
    return tag("Move", tag("VideoSourceToken", text=source), tag("Focus", wanted), ns=IMAGING)


def stop(source: str) -> str:
    return tag("Stop", tag("VideoSourceToken", text=source), ns=IMAGING)


def set_iris(source: str, value: float) -> str:
    exposure = tag("Exposure", tag("Mode", text="MANUAL"), tag("Iris", text=f"{value:.4g}"), ns=SCHEMA)
    settings = tag("ImagingSettings", exposure)
    kept = tag("ForcePersistence", text="false")
    return tag("SetImagingSettings", tag("VideoSourceToken", text=source), settings, kept, ns=IMAGING)


# In the order of the schema's ImagingSettings20, which some cameras insist on.
_ELEMENTS = {"brightness": "Brightness", "saturation": "ColorSaturation", "contrast": "Contrast"}
_LAST = {"sharpness": "Sharpness"}
_FILTER = {DayNight.AUTO: "AUTO", DayNight.DAY: "ON", DayNight.NIGHT: "OFF"}
"""The infrared filter is on by day."""


@dataclass(frozen=True, slots=True)
class Lens:
    """What a lens can do; the iris' range as the camera tells it (closed to open: attenuation falls). `levels`: ranges
    of the picture's settings by their names here; `filters`: the infrared filter's modes."""

    focus: bool = False
    iris: tuple[float, float] | None = None
    levels: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    filters: frozenset[str] = frozenset()

    def lacks(self, settings: PictureSettings) -> str:
        """What of the settings it has not, in the words of ONVIF."""
        lacking = [name for name in settings.levels if name not in self.levels]
        if settings.day_night is not None and _FILTER[settings.day_night] not in self.filters:
            lacking.append(f"IrCutFilter {_FILTER[settings.day_night]}")
        return ", ".join(lacking)


def set_picture(source: str, settings: PictureSettings, lens: Lens) -> str:
    """Kept by the camera over its restarts. Only what `lens` has may be set."""

    def told(names: Mapping[str, str]) -> list[str]:
        out = []
        for name, element in names.items():
            if (level := settings.levels.get(name)) is not None:
                low, high = lens.levels[name]
                out.append(tag(element, text=f"{low + level * (high - low):.4g}", ns=SCHEMA))
        return out

    filter_ = [] if settings.day_night is None else [tag("IrCutFilter", text=_FILTER[settings.day_night], ns=SCHEMA)]
    inner = tag("ImagingSettings", *told(_ELEMENTS), *filter_, *told(_LAST))
    return tag(
        "SetImagingSettings",
        tag("VideoSourceToken", text=source),
        inner,
        tag("ForcePersistence", text="true"),
        ns=IMAGING,
    )


def read_lens(options: XmlNode | None, moves: XmlNode | None) -> Lens:
    can_focus = moves is not None and moves.child("MoveOptions", "Continuous") is not None
    if options is None:
        return Lens(can_focus)
    ranges = {name: _range(options, element) for name, element in {**_ELEMENTS, **_LAST}.items()}
    levels = {name: found for name, found in ranges.items() if found is not None}
    told = options.child("ImagingOptions")
    modes = [] if told is None else [one.text.strip().upper() for one in told.all("IrCutFilterModes")[:8]]
    return Lens(can_focus, _range(options, "Exposure", "Iris"), levels, frozenset(modes))


def _range(options: XmlNode, *path: str) -> tuple[float, float] | None:
    told = options.child("ImagingOptions", *path)
    low = number(told.field("Min")) if told is not None else None
    high = number(told.field("Max")) if told is not None else None
    return (low, high) if low is not None and high is not None and low < high else None


def read_picture(settings: XmlNode, lens: Lens) -> PictureNow:
    """How the picture stands, of what `lens` has."""
    levels = []
    for name, element in {**_ELEMENTS, **_LAST}.items():
        if (range_ := lens.levels.get(name)) is not None:
            low, high = range_
            now = number(settings.field("ImagingSettings", element))
            # A camera that stands outside the range it told is shown at its end.
            told = None if now is None else min(1.0, max(0.0, (now - low) / (high - low)))
            levels.append(PictureLevel(name, low, high, told))
    modes = tuple(mode for mode, word in _FILTER.items() if word in lens.filters)
    filter_ = settings.field("ImagingSettings", "IrCutFilter").strip().upper()
    day_night = next((mode for mode in modes if _FILTER[mode] == filter_), None)
    return PictureNow(tuple(levels), modes, day_night)


def read_iris(settings: XmlNode) -> float | None:
    return number(settings.field("ImagingSettings", "Exposure", "Iris"))


def next_iris(now: float, range_: tuple[float, float], speed: float) -> float:
    """One step. Exposure.Iris is an attenuation in dB: 0 is fully open (ONVIF schema), so open means less."""
    low, high = range_
    return min(high, max(low, now - speed * IRIS_STEP * (high - low)))
