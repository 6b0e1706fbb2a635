"""The lamps themselves: lines of a GPIO chip by libgpiod 2, and LEDs of the kernel by sysfs."""

from __future__ import annotations

import errno
import importlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from adapters.panel.lamp import Lamp
from gateway.base.errors import LinkDown

LEDS = Path("/sys/class/leds")


class Line(Protocol):
    """An open lamp. `set` raises LinkDown (`lamp`)."""

    def set(self, on: bool) -> None: ...
    def close(self) -> None:
        """Dark, and free for others. Never raises."""


def open_lamp(lamp: Lamp, leds: Path = LEDS) -> Line:
    """Raises LinkDown (`lamp`): it is not there, another program has it, no right, or the library is missing."""
    return _Led(leds / lamp.led, lamp.text) if lamp.led else _Gpio(lamp)


class _Gpio:
    def __init__(self, lamp: Lamp) -> None:
        self._text, self._line = lamp.text, lamp.line
        try:
            gpiod: Any = importlib.import_module("gpiod")
        except ImportError as exc:
            raise LinkDown(f"{lamp.text}: gpiod is missing: install fieldgate[gpio]", code="lamp") from exc
        try:
            value = gpiod.line.Value
            self._on, self._off = value.ACTIVE, value.INACTIVE
            settings = gpiod.LineSettings(
                direction=gpiod.line.Direction.OUTPUT, active_low=lamp.low, output_value=self._off
            )
        except AttributeError as exc:  # Debian 12's python3-libgpiod is of the first kind
            raise LinkDown(f"{lamp.text}: this gpiod is older than 2: install fieldgate[gpio]", code="lamp") from exc
        try:
            self._request: Any = gpiod.request_lines(lamp.chip, consumer="fieldgate", config={lamp.line: settings})
        except (OSError, ValueError) as exc:
            holder = _holder(gpiod, lamp) if getattr(exc, "errno", None) == errno.EBUSY else ""
            raise LinkDown(f"{lamp.text}: {holder or exc}", code="lamp") from exc

    def set(self, on: bool) -> None:
        try:
            self._request.set_value(self._line, self._on if on else self._off)
        except OSError as exc:
            raise LinkDown(f"{self._text}: {exc}", code="lamp") from exc

    def close(self) -> None:
        with suppress(OSError, LinkDown):
            self.set(False)
        with suppress(OSError):
            self._request.release()


def _holder(gpiod: Any, lamp: Lamp) -> str:
    """Who has the line, by the name that it gave itself; "" where that can not be found out."""
    with suppress(OSError, ValueError, AttributeError), gpiod.Chip(lamp.chip) as chip:
        name = str(chip.get_line_info(lamp.line).consumer or "")[:40]
        return f"another program has this line: {name}" if name else ""
    return ""


class _Led:
    """leds-class: `trigger` none, then `brightness` up to `max_brightness`; at the end the trigger that was."""

    def __init__(self, folder: Path, text: str) -> None:
        self._folder, self._text = folder, text
        self._most, self._trigger = "1", ""
        with suppress(OSError, ValueError):
            self._most = str(max(1, int((folder / "max_brightness").read_text(encoding="ascii"))))
        try:
            if (folder / "trigger").exists():  # kernels without triggers have LEDs all the same
                self._trigger = _trigger((folder / "trigger").read_text(encoding="ascii", errors="replace"))
                (folder / "trigger").write_text("none")
        except OSError as exc:
            raise LinkDown(f"{text}: {exc}", code="lamp") from exc
        self.set(False)

    def set(self, on: bool) -> None:
        try:
            # Never made: where the file is missing, there is no such LED.
            opened = os.open(self._folder / "brightness", os.O_WRONLY | os.O_TRUNC)
            try:
                os.write(opened, (self._most if on else "0").encode())
            finally:
                os.close(opened)
        except OSError as exc:
            raise LinkDown(f"{self._text}: {exc}", code="lamp") from exc

    def close(self) -> None:
        with suppress(LinkDown):
            self.set(False)
        if self._trigger not in ("", "none"):
            with suppress(OSError):
                (self._folder / "trigger").write_text(self._trigger)


def _trigger(text: str) -> str:
    """The one in brackets of "none [heartbeat] timer"."""
    return text.partition("[")[2].partition("]")[0][:64]
