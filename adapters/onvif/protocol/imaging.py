"""The imaging service (ONVIF Imaging Service Specification §5): focus that moves, an iris that is set."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.onvif.protocol.soap import IMAGING, SCHEMA, number, tag
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


@dataclass(frozen=True, slots=True)
class Lens:
    """What a lens can do; the iris' range as the camera tells it (closed to open: attenuation falls)."""

    focus: bool = False
    iris: tuple[float, float] | None = None


def read_lens(options: XmlNode | None, moves: XmlNode | None) -> Lens:
    can_focus = moves is not None and moves.child("MoveOptions", "Continuous") is not None
    iris = None
    if options is not None:
        told = options.child("ImagingOptions", "Exposure", "Iris")
        low = number(told.field("Min")) if told is not None else None
        high = number(told.field("Max")) if told is not None else None
        if low is not None and high is not None and low < high:
            iris = (low, high)
    return Lens(can_focus, iris)


def read_iris(settings: XmlNode) -> float | None:
    return number(settings.field("ImagingSettings", "Exposure", "Iris"))


def next_iris(now: float, range_: tuple[float, float], speed: float) -> float:
    """One step. Exposure.Iris is an attenuation in dB: 0 is fully open (ONVIF schema), so open means less."""
    low, high = range_
    return min(high, max(low, now - speed * IRIS_STEP * (high - low)))
