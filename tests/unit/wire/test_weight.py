"""Weights are near enough to what Python takes, for values as far sides tell them."""

from __future__ import annotations

import sys
from typing import Any

import msgpack
import pytest

from gateway.model.device import Capabilities, Channel, Device, DeviceState
from gateway.model.ids import DeviceId
from gateway.wire.records import plain
from gateway.wire.weight import weight

BALL = Device(
    DeviceId("kit7/ball-1"),
    "gb28181",
    "34020000001320000001",
    "东门",
    DeviceState.ONLINE,
    channels=tuple(
        Channel(f"ch{number}", f"{number:020}", "Gate", capabilities=Capabilities()) for number in range(50)
    ),
)


def _taken(value: Any, seen: set[int]) -> int:
    """By CPython's own word; a thing that is there twice counts once."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        return size + sum(_taken(name, seen) + _taken(inner, seen) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return size + sum(_taken(inner, seen) for inner in value)
    names = getattr(type(value), "__slots__", ())
    return size + sum(_taken(getattr(value, name), seen) for name in names if hasattr(value, name))


@pytest.mark.parametrize(
    "value",
    [
        BALL,
        msgpack.unpackb(msgpack.packb(plain(BALL))),
        ["x" * 4000] * 3 + ["北" * 1000],
        {"a": [1, 2.5, None, True, b"jpeg" * 100]},
        [str(number) for number in range(1000)],
    ],
)
def test_near_enough(value: Any) -> None:
    taken = _taken(value, set())
    assert 0.5 * taken < weight(value) < 6 * taken
