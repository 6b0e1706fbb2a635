"""What a kit says of its own power, heat, disk, clock and place, as its center takes it: finite, short, our words."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from gateway.model.kit_state import KitCondition
from gateway.model.reason import REASONS

MOST_SENSORS, MOST_CODES, TEXT = 8, 16, 64
BIG = 1e15
T = TypeVar("T")


def drawn(condition: KitCondition, gateway: str) -> KitCondition:
    """Numbers that are none become None or 0; lists and texts are cut; codes that nobody has words for are left out."""
    made = _finite(replace(condition, heat=condition.heat[:MOST_SENSORS], codes=condition.codes[:MOST_CODES]))
    place, told = made.place, condition.place
    if told is not None and not (abs(told.longitude) <= 180 and abs(told.latitude) <= 90):
        place = None
    codes = tuple(code for code in made.codes if code in REASONS)
    return replace(made, gateway=gateway, place=place, codes=codes)


def _finite(value: T) -> T:
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changed: dict[str, Any] = {}
    for one in fields(value):
        found = getattr(value, one.name)
        if isinstance(found, bool):
            continue
        if isinstance(found, int | float) and not (math.isfinite(found) and abs(found) <= BIG):
            changed[one.name] = None if one.default is None else 0
        elif isinstance(found, str):
            short = "" if one.name in ("code", "place_code") and found not in REASONS else found[:TEXT]
            changed[one.name] = type(found)(short) if type(found) is not str else short
        elif isinstance(found, tuple):
            changed[one.name] = tuple(_finite(inner) for inner in found)
        elif is_dataclass(found):
            changed[one.name] = _finite(found)
    return replace(value, **changed) if changed else value
