"""The PTZ service (ONVIF PTZ Service Specification §5.3): moves, the ways to say stop, places and presets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adapters.onvif.protocol.soap import PTZ, SCHEMA, clean, number, tag
from gateway.model.ptz import Preset, PtzMove, PtzPlace
from gateway.wire.xml import XmlNode

MOST_PRESETS = 255
STOPS = ("stop", "stop-bare", "zero-move")
"""Ways to say stop, the right one first: Stop with what to stop, Stop alone (some refuse the flags), a move of speed
zero (some answer Stop and turn on)."""


def move(token: str, wanted: PtzMove, *, pan: bool, zoom: bool, timeout_s: float | None) -> str:
    """ContinuousMove. `timeout_s` is the camera's own dead-man; many ignore it, some refuse it (None leaves it out)."""
    velocity = [tag("PanTilt", ns=SCHEMA, x=_speed(wanted.pan), y=_speed(wanted.tilt))] if pan else []
    velocity += [tag("Zoom", ns=SCHEMA, x=_speed(wanted.zoom))] if zoom else []
    return tag(
        "ContinuousMove",
        tag("ProfileToken", text=token),
        tag("Velocity", *velocity),
        tag("Timeout", text=f"PT{max(1, round(timeout_s))}S") if timeout_s is not None else "",
        ns=PTZ,
    )


def stop(token: str, way: str, *, pan: bool, zoom: bool) -> str:
    if way == "zero-move":
        return move(token, PtzMove(), pan=pan, zoom=zoom, timeout_s=None)
    flags = (tag("PanTilt", text="true"), tag("Zoom", text="true")) if way == "stop" else ()
    return tag("Stop", tag("ProfileToken", text=token), *flags, ns=PTZ)


def go(token: str, place: PtzPlace) -> str:
    """AbsoluteMove in the generic spaces: pan and tilt -1 to 1, zoom 0 to 1. What is None stays where it is."""
    position = []
    if place.pan is not None and place.tilt is not None:
        position.append(tag("PanTilt", ns=SCHEMA, x=_speed(place.pan), y=_speed(place.tilt)))
    if place.zoom is not None:
        position.append(tag("Zoom", ns=SCHEMA, x=_speed(max(0.0, place.zoom))))
    return tag("AbsoluteMove", tag("ProfileToken", text=token), tag("Position", *position), ns=PTZ)


def go_home(token: str) -> str:
    return tag("GotoHomePosition", tag("ProfileToken", text=token), ns=PTZ)


def get_status(token: str) -> str:
    return tag("GetStatus", tag("ProfileToken", text=token), ns=PTZ)


def get_presets(token: str) -> str:
    return tag("GetPresets", tag("ProfileToken", text=token), ns=PTZ)


def set_preset(token: str, name: str, preset: str = "") -> str:
    return tag(
        "SetPreset",
        tag("ProfileToken", text=token),
        tag("PresetName", text=name) if name else "",
        tag("PresetToken", text=preset) if preset else "",
        ns=PTZ,
    )


def goto_preset(token: str, preset: str) -> str:
    return tag("GotoPreset", tag("ProfileToken", text=token), tag("PresetToken", text=preset), ns=PTZ)


def remove_preset(token: str, preset: str) -> str:
    return tag("RemovePreset", tag("ProfileToken", text=token), tag("PresetToken", text=preset), ns=PTZ)


@dataclass(frozen=True, slots=True)
class Status:
    """`moving` is None where the camera does not say."""

    place: PtzPlace
    moving: bool | None


def read_status(node: XmlNode) -> Status:
    told = node.child("PTZStatus") or node
    position = told.child("Position")
    pan = position.child("PanTilt") if position is not None else None
    zoom = position.child("Zoom") if position is not None else None
    place = PtzPlace(_at(pan, "x"), _at(pan, "y"), _at(zoom, "x"))
    moves = told.child("MoveStatus")
    words = {moves.field(axis).upper() for axis in ("PanTilt", "Zoom")} - {""} if moves is not None else set()
    if "MOVING" in words:
        return Status(place, True)
    return Status(place, False if words == {"IDLE"} else None)


def read_presets(node: XmlNode) -> list[tuple[str, str]]:
    """(token, name) as the camera tells them."""
    out = []
    for told in node.all("Preset")[:MOST_PRESETS]:
        token = told.attribute("token") or ""
        if token and len(token) <= 64 and token.isprintable():
            out.append((token, clean(told.field("Name"), 64)))
    return out


def read_preset_token(node: XmlNode) -> str:
    token = node.field("PresetToken")
    return token if len(token) <= 64 and token.isprintable() else ""


class PresetNumbers:
    """Numbers for people, tokens for the camera. A token that is a number keeps it; others get the lowest free one and
    keep it as long as they are remembered."""

    def __init__(self, known: Mapping[str, int] | None = None) -> None:
        self._number: dict[str, int] = {}
        for token, number_ in (known or {}).items():
            self.put(token, number_)

    def put(self, token: str, number_: int) -> None:
        if 1 <= number_ <= MOST_PRESETS:
            self._number = {t: n for t, n in self._number.items() if n != number_ and t != token}
            self._number[token] = number_

    def token(self, number_: int) -> str:
        """ "" when no preset has it."""
        return next((token for token, n in self._number.items() if n == number_), "")

    def drop(self, number_: int) -> None:
        self._number = {token: n for token, n in self._number.items() if n != number_}

    def told(self, presets: Iterable[tuple[str, str]]) -> list[Preset]:
        """The camera's list, numbered; what it tells no more is forgotten."""
        told = list(dict(presets).items())  # a token told twice is one preset
        tokens = {token for token, _ in told}
        self._number = {token: n for token, n in self._number.items() if token in tokens}
        for token, _ in told:
            wished = int(token) if token.isdecimal() else 0
            if token not in self._number and 1 <= wished <= MOST_PRESETS and wished not in self._number.values():
                self._number[token] = wished
        for token, _ in told:
            if token not in self._number:
                taken = set(self._number.values())
                free = next((n for n in range(1, MOST_PRESETS + 1) if n not in taken), None)
                if free is not None:
                    self._number[token] = free
        return [Preset(self._number[token], name) for token, name in told if token in self._number]

    def as_dict(self) -> dict[str, int]:
        return dict(self._number)


def _speed(value: float) -> str:
    return f"{min(1.0, max(-1.0, value)):.3g}"


def _at(node: XmlNode | None, name: str) -> float | None:
    return number(node.attribute(name) or "") if node is not None else None
