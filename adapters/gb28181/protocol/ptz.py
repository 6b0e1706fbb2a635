"""The eight bytes of a camera's movement: GB/T 28181 annex A.3.

    byte 1  A5
    byte 2  version 0 and the check nibble (A + 5 + 0) mod 16: always 0F
    byte 3  low eight bits of an address that nobody reads: the DeviceID of the message decides
    byte 4  the instruction
    byte 5  data 1      byte 6  data 2      byte 7  data 3 (high nibble), high nibble of the address (low)
    byte 8  the sum of bytes 1 to 7, mod 256

It travels as 16 hex digits in `<PTZCmd>`. The standard has no answer to it, so a stop is sent several times:
a lost stop is a camera that turns to its end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.base.errors import RemoteProtocolError, Unsupported
from gateway.model.ptz import CruiseOp, LensMove, PresetOp, PtzMove

STOP_REPEATS_S = (0.0, 0.15, 0.45)
"""When a stop is sent, counted from the order. A newer move ends the row."""

_ADDRESS = 1
_PRESET = {PresetOp.SET: 0x81, PresetOp.CALL: 0x82, PresetOp.DELETE: 0x83}
_CRUISE_START = 0x88
MAX_PRESET = 255


@dataclass(frozen=True, slots=True)
class PtzBytes:
    """A command taken apart: instruction and its three data fields (data 3 has four bits)."""

    instruction: int
    data1: int = 0
    data2: int = 0
    data3: int = 0
    address: int = _ADDRESS

    def hex(self) -> str:
        """Sixteen upper-case hex digits with both checks made."""
        head = [
            0xA5,
            0x0F,
            self.address & 0xFF,
            self.instruction & 0xFF,
            self.data1 & 0xFF,
            self.data2 & 0xFF,
            ((self.data3 & 0x0F) << 4) | ((self.address >> 8) & 0x0F),
        ]
        return bytes([*head, sum(head) & 0xFF]).hex().upper()


STOP = PtzBytes(0x00)
LENS_STOP = PtzBytes(0x40)


def _speed(value: float, top: int) -> int:
    """Speed from -1..1 to 1..top; 0 stays 0, and so does what is no number."""
    if not math.isfinite(value) or value == 0.0:
        return 0
    return max(1, min(top, round(abs(value) * top)))


def _direction(value: float, positive: int, negative: int) -> int:
    if not math.isfinite(value) or value == 0.0:
        return 0
    return positive if value > 0 else negative


def move(order: PtzMove) -> PtzBytes:
    """Pan, tilt and zoom together. Table A.4: bit 5 zoom out, 4 in, 3 up, 2 down, 1 left, 0 right."""
    instruction = (
        _direction(order.pan, 0x01, 0x02) | _direction(order.tilt, 0x08, 0x04) | _direction(order.zoom, 0x10, 0x20)
    )
    return PtzBytes(instruction, _speed(order.pan, 255), _speed(order.tilt, 255), _speed(order.zoom, 15))


def lens(order: LensMove) -> PtzBytes:
    """Focus and iris together. Table A.6: 40 with bit 3 iris close, 2 open, 1 focus near, 0 far."""
    instruction = 0x40 | _direction(order.focus, 0x01, 0x02) | _direction(order.iris, 0x04, 0x08)
    return PtzBytes(instruction, _speed(order.focus, 255), _speed(order.iris, 255))


def preset(op: PresetOp, number: int) -> PtzBytes:
    """Table A.8; numbers 1 to 255, 0 is reserved. Raises Unsupported outside."""
    if not 1 <= number <= MAX_PRESET:
        raise Unsupported(f"preset {number}: GB/T 28181 knows presets 1 to {MAX_PRESET}")
    return PtzBytes(_PRESET[op], 0, number)


def cruise(op: CruiseOp, number: int) -> PtzBytes:
    """Table A.9: start a tour; a tour is stopped by the plain stop. Raises Unsupported outside 0 to 255."""
    if not 0 <= number <= 255:
        raise Unsupported(f"cruise {number}: GB/T 28181 knows cruises 0 to 255")
    return PtzBytes(_CRUISE_START, number) if op is CruiseOp.START else STOP


def parse(text: str) -> PtzBytes:
    """Read a command, lower case too. Raises RemoteProtocolError on a wrong length, first byte or sum."""
    try:
        raw = bytes.fromhex(text.strip())
    except ValueError as exc:
        raise RemoteProtocolError(f"PTZCmd {text[:40]!r} is not hex") from exc
    if len(raw) != 8 or raw[0] != 0xA5:
        raise RemoteProtocolError(f"PTZCmd {text[:40]!r} is not eight bytes that begin with A5")
    if sum(raw[:7]) & 0xFF != raw[7]:
        raise RemoteProtocolError(f"PTZCmd {text[:40]!r} has a wrong sum")
    return PtzBytes(raw[3], raw[4], raw[5], raw[6] >> 4, raw[2] | ((raw[6] & 0x0F) << 8))
