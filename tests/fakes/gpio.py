"""A GPIO chip where none is: libgpiod 2's names as far as a lamp uses them, on a chip that is wrong on purpose."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from enum import Enum
from types import SimpleNamespace
from typing import Any


class Value(Enum):
    INACTIVE = 0
    ACTIVE = 1


class Direction(Enum):
    OUTPUT = 2


line = SimpleNamespace(Value=Value, Direction=Direction)


@dataclass
class LineSettings:
    direction: Direction
    active_low: bool = False
    output_value: Value = Value.INACTIVE


@dataclass
class Chip:
    """`levels`: what each pin has; `taken`: by whom; `torn`: it was unplugged (an expander on USB or I²C)."""

    lines: int = 32
    levels: dict[int, list[int]] = field(default_factory=dict)
    taken: dict[int, str] = field(default_factory=dict)
    torn: bool = False


class Request:
    def __init__(self, chip: Chip, settings: dict[int, LineSettings]) -> None:
        self._chip, self._settings = chip, settings
        for number, one in settings.items():
            self.set_value(number, one.output_value)

    def set_value(self, number: int, value: Value) -> None:
        if self._chip.torn:
            raise OSError(errno.EIO, "Input/output error")
        low = self._settings[number].active_low
        self._chip.levels.setdefault(number, []).append(value.value ^ int(low))

    def release(self) -> None:
        for number in self._settings:
            self._chip.taken.pop(number, None)


class Opened:
    """`gpiod.Chip(path)`."""

    def __init__(self, chip: Chip) -> None:
        self._chip = chip

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def get_line_info(self, number: int) -> SimpleNamespace:
        return SimpleNamespace(consumer=self._chip.taken.get(number, ""))


class Gpiod:
    """Stands in for the module `gpiod`."""

    def __init__(self, **chips: Chip) -> None:
        self.chips = {f"/dev/{name}": chip for name, chip in chips.items()}
        self.line, self.LineSettings = line, LineSettings

    def Chip(self, path: str) -> Opened:
        return Opened(self.chips[path])

    def request_lines(self, path: str, *, consumer: str, config: dict[int, Any]) -> Request:
        chip = self.chips.get(path)
        if chip is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        for number in config:
            if number >= chip.lines:
                raise ValueError("requested line is out of range")
            if number in chip.taken:
                raise OSError(errno.EBUSY, "Device or resource busy")
            chip.taken[number] = consumer
        return Request(chip, config)
