"""The place that the ball looks at: sky, three rows of hills, a lake, a grid with compass labels, all round.

Drawn once a process at a quarter of its size with plain byte strings (no array library needed), enlarged by
FFmpeg's scaler, and then ruled and lettered at full size. Pure data afterwards: the renderer cuts from it.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import lru_cache

import av

from gateway.sim.font import text_rows

PX_PER_DEG = 16  # at zoom 1
WIDTH = 360 * PX_PER_DEG
TILT_MIN, TILT_MAX = -30.0, 60.0
HALF_VIEW_DEG = 30  # what may be seen above TILT_MAX and below TILT_MIN
HEIGHT = int(TILT_MAX - TILT_MIN + 2 * HALF_VIEW_DEG) * PX_PER_DEG
HORIZON = int(TILT_MAX + HALF_VIEW_DEG) * PX_PER_DEG  # row of tilt 0
_SHRINK = 4
_COMPASS = {0: "N", 45: "NE", 90: "E", 135: "SE", 180: "S", 225: "SW", 270: "W", 315: "NW"}


@dataclass(frozen=True, slots=True)
class Panorama:
    """Planes of a YUV 4:2:0 picture of the whole surroundings: `y` is WIDTH × HEIGHT, `u` and `v` half of it."""

    y: bytes
    u: bytes
    v: bytes


@dataclass(frozen=True, slots=True)
class _Layer:
    """One opaque band of land: `top[x]` is its first row (0..255 under `base`), its colour, its roughness."""

    top: bytes
    base: int
    y: int
    u: int
    v: int
    rough: int


def _ridge(width: int, seed: int, height: int, bumps: tuple[int, ...]) -> bytes:
    """A skyline that closes on itself: for each column how far below the highest possible point land starts."""
    rng = random.Random(seed)
    waves = [(n, rng.random() * math.tau, 1 / (1 + at)) for at, n in enumerate(bumps)]
    total = sum(weight for _, _, weight in waves)
    line = bytearray(width)
    for x in range(width):
        swing = sum(math.sin(math.tau * n * x / width + phase) * weight for n, phase, weight in waves) / total
        line[x] = max(0, min(254, round((1 - swing) / 2 * height)))
    return bytes(line)


def _mix(mask: bytes, over: bytes, under: bytes) -> bytes:
    """Where `mask` is 255 take `over`, where it is 0 take `under`; whole rows at once as large integers."""
    size = len(mask)
    m = int.from_bytes(mask, "little")
    o = int.from_bytes(over, "little")
    u = int.from_bytes(under, "little")
    return ((o & m) | (u & ~m)).to_bytes(size, "little")


def _speckle(value: int, rough: int) -> bytes:
    """A translation table that turns random bytes into `value` give or take `rough`."""
    span = 2 * rough + 1
    return bytes(max(16, min(235, value - rough + b % span)) for b in range(256))


def _threshold(level: int) -> bytes:
    return bytes(255 if top <= level else 0 for top in range(256))


def _small() -> av.VideoFrame:
    width, height, horizon = WIDTH // _SHRINK, HEIGHT // _SHRINK, HORIZON // _SHRINK
    layers = (
        _Layer(_ridge(width, 1, 60, (3, 7, 17, 41)), horizon - 52, 128, 138, 118, 4),
        _Layer(_ridge(width, 2, 44, (5, 11, 29, 83)), horizon - 30, 96, 126, 116, 7),
        _Layer(_ridge(width, 3, 26, (4, 9, 31, 97)), horizon - 4, 74, 112, 118, 12),
        _Layer(bytes(width), horizon + 60, 92, 110, 134, 16),
    )
    rng = random.Random(28181)
    frame = av.VideoFrame(width, height, "yuv420p")
    luma, cb, cr = (memoryview(plane) for plane in frame.planes)
    strides = [plane.line_size for plane in frame.planes]
    for row in range(height):
        height_over = max(0.0, (horizon - row) / horizon)
        noise = rng.randbytes(width)
        line = noise.translate(_speckle(round(205 - 75 * height_over), 2))
        blue = bytes([round(134 + 22 * height_over)]) * width
        red = bytes([round(122 - 12 * height_over)]) * width
        for layer in layers:
            if row >= layer.base:
                mask = layer.top.translate(_threshold(min(255, row - layer.base)))
                line = _mix(mask, noise.translate(_speckle(layer.y, layer.rough)), line)
                blue = _mix(mask, bytes([layer.u]) * width, blue)
                red = _mix(mask, bytes([layer.v]) * width, red)
        luma[row * strides[0] : row * strides[0] + width] = line
        if row % 2 == 0:
            half = row // 2
            cb[half * strides[1] : half * strides[1] + width // 2] = blue[::2]
            cr[half * strides[2] : half * strides[2] + width // 2] = red[::2]
    return frame


def _plane(frame: av.VideoFrame, index: int) -> bytearray:
    plane = frame.planes[index]
    view = memoryview(plane)
    if plane.line_size == plane.width:
        return bytearray(view[: plane.width * plane.height])
    rows = (view[at * plane.line_size : at * plane.line_size + plane.width] for at in range(plane.height))
    return bytearray(b"".join(rows))


def _letter(luma: bytearray, text: str, x: int, y: int, scale: int) -> None:
    for row, line in enumerate(text_rows(text, scale, 235, 40), start=y):
        at = row * WIDTH + max(0, min(x, WIDTH - len(line)))
        luma[at : at + len(line)] = line


def _rule(luma: bytearray) -> None:
    """Lines each 10°, named each 30° of pan and each 10° of tilt, so that a move can be read off the picture."""
    for pan in range(0, 360, 10):
        at = pan * PX_PER_DEG
        luma[at::WIDTH] = bytes([225 if pan % 30 == 0 else 165]) * HEIGHT
    for tilt in range(int(TILT_MIN) - 20, int(TILT_MAX) + 21, 10):
        at = (HORIZON - tilt * PX_PER_DEG) * WIDTH
        luma[at : at + WIDTH] = bytes([225 if tilt == 0 else 165]) * WIDTH
        for pan in range(0, 360, 30):
            _letter(luma, f"{tilt:+d}", pan * PX_PER_DEG + 4, HORIZON - tilt * PX_PER_DEG + 3, 2)
    for pan in range(0, 360, 30):
        for tilt in (-20, 10, 40):
            _letter(luma, f"{pan:03d}", pan * PX_PER_DEG + 6, HORIZON - tilt * PX_PER_DEG - 40, 4)
    for pan, name in _COMPASS.items():
        _letter(luma, name, pan * PX_PER_DEG + 100, HORIZON - 16 * PX_PER_DEG, 10)


@lru_cache(maxsize=1)
def panorama() -> Panorama:
    """The surroundings; drawn at the first call (about half a second), shared by every ball of the process."""
    large = _small().reformat(WIDTH, HEIGHT, "yuv420p")
    luma = _plane(large, 0)
    _rule(luma)
    return Panorama(bytes(luma), bytes(_plane(large, 1)), bytes(_plane(large, 2)))
