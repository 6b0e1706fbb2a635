"""An order's arguments, read with what is wrong said in words; and what an act hands back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from gateway.base.errors import GatewayError
from gateway.model.command import ArgValue

_E = TypeVar("_E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Done:
    """`audited` is False for what comes many times a second."""

    data: dict[str, ArgValue] = field(default_factory=dict)
    audited: bool = True


def number(args: Mapping[str, ArgValue], name: str, default: float | None = None) -> float:
    value = args.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise GatewayError(f"{name}: a number is needed", code="bad-request")
    return float(value)


def speed(args: Mapping[str, ArgValue], name: str) -> float:
    return min(1.0, max(-1.0, number(args, name, 0.0)))


def flag(args: Mapping[str, ArgValue], name: str, default: bool) -> bool:
    value = args.get(name, default)
    if not isinstance(value, bool):
        raise GatewayError(f"{name}: true or false is needed", code="bad-request")
    return value


def text(args: Mapping[str, ArgValue], name: str, *, most: int = 200) -> str:
    value = args.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > most:
        raise GatewayError(f"{name}: text of at most {most} characters is needed", code="bad-request")
    return value


def one_of(args: Mapping[str, ArgValue], name: str, kind: type[_E]) -> _E:
    try:
        return kind(str(args.get(name)))
    except ValueError:
        raise GatewayError(f"{name}: one of {', '.join(kind)} is needed", code="bad-request") from None
