"""What the ball's sensor sees now: a view cut from the panorama, drifting smoke, and the burned-in lines.

A view that stands still costs one copy a frame; a moving one is cut anew and, when zoomed, scaled by FFmpeg.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import av
from av.video.reformatter import VideoReformatter

from gateway.sim.font import text_rows
from gateway.sim.panorama import HALF_VIEW_DEG, HEIGHT, HORIZON, PX_PER_DEG, TILT_MAX, TILT_MIN, WIDTH, panorama

H_FOV_DEG = 60.0  # of the whole width at zoom 1
ZOOM_MAX = 10.0
SMOKE_PAN, SMOKE_TILT = 15.0, 2.0
_PUFFS = 12
_POOL = 4  # frames in turn: the encoder may still hold the last one or two


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera looks: degrees clockwise from north, degrees above the horizon, times the widest angle."""

    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 1.0


class Scene:
    """Renders frames of one size. Not for several threads at once."""

    def __init__(self, width: int, height: int, title: str = "") -> None:
        if width % 2 or height % 2 or not (64 <= width <= 3840 and 64 <= height <= 2160):
            raise ValueError(f"picture of {width}x{height}: even sizes from 64x64 to 3840x2160 only")
        self.width, self.height, self.title = width, height, title
        self._pool = [av.VideoFrame(width, height, "yuv420p") for _ in range(_POOL)]
        self._turn = 0
        self._still: tuple[View, tuple[bytes, ...]] | None = None
        self._scaler = VideoReformatter()
        self._text_scale = max(1, min(4, width // 320))

    def render(self, number: int, clock: str, view: View) -> av.VideoFrame:
        """Frame `number` as a yuv420p picture. `clock` is burned in as it stands. Valid until three more frames."""
        frame = self._pool[self._turn]
        self._turn = (self._turn + 1) % _POOL
        if self._still is None or self._still[0] != view:
            self._still = (view, self._cut(view))
        for plane, still in zip(frame.planes, self._still[1], strict=True):
            memoryview(plane)[: len(still)] = still
        self._smoke(frame, number, view)
        self._burn(frame, (clock, f"FRAME {number}"), 0)
        self._burn(frame, (self.title, f"P {view.pan % 360.0:05.1f} T {view.tilt:+05.1f} Z {view.zoom:04.1f}"), 1)
        return frame

    # -- the background ---------------------------------------------------------------------------------------

    def _window(self, view: View) -> tuple[int, int, int, int]:
        """The rectangle of the panorama in sight: left (may wrap), top, width, height; all even."""
        width = int(H_FOV_DEG * PX_PER_DEG / view.zoom) & ~1
        height = min(int(width * self.height / self.width) & ~1, 2 * HALF_VIEW_DEG * PX_PER_DEG)
        left = int((view.pan % 360.0) * PX_PER_DEG - width / 2) & ~1
        tilt = max(TILT_MIN, min(TILT_MAX, view.tilt))
        top = int(HORIZON - tilt * PX_PER_DEG - height / 2) & ~1
        return left % WIDTH, max(0, min(HEIGHT - height, top)), width, height

    def _cut(self, view: View) -> tuple[bytes, ...]:
        left, top, width, height = self._window(view)
        source = panorama()
        cut = av.VideoFrame(width, height, "yuv420p")
        for at, plane_of in enumerate((source.y, source.u, source.v)):
            half = 1 if at == 0 else 2
            _copy(plane_of, WIDTH // half, left // half, top // half, cut.planes[at])
        whole = self._scaler.reformat(cut, self.width, self.height, "yuv420p", interpolation="FAST_BILINEAR")
        return tuple(bytes(memoryview(plane)) for plane in whole.planes)

    def _place(self, pan: float, tilt: float, view: View) -> tuple[float, float, float]:
        """A direction as a point of the picture, and pixels per degree there."""
        scale = self.width * view.zoom / H_FOV_DEG
        away = (pan - view.pan + 180.0) % 360.0 - 180.0
        return self.width / 2 + away * scale, self.height / 2 - (tilt - view.tilt) * scale, scale

    # -- what moves -------------------------------------------------------------------------------------------

    def _smoke(self, frame: av.VideoFrame, number: int, view: View) -> None:
        """Puffs that rise, grow and drift from one place: there is always something for the encoder to do."""
        luma, cb, cr = frame.planes
        planes = memoryview(luma), memoryview(cb), memoryview(cr)
        for puff in range(_PUFFS):
            age = (number / 150.0 + puff / _PUFFS) % 1.0
            pan = SMOKE_PAN + 5.0 * age * age + 0.6 * math.sin(puff * 2.4 + age * 9.0)
            x, y, scale = self._place(pan, SMOKE_TILT + 9.0 * age, view)
            radius = min((0.35 + 1.3 * age) * scale, self.height)
            shade = round(70 + 110 * age)
            _disc(planes[0], luma.line_size, self.width, self.height, (x, y, radius), shade)
            for plane, of in ((planes[1], cb), (planes[2], cr)):
                _disc(plane, of.line_size, self.width // 2, self.height // 2, (x / 2, y / 2, radius / 2), 128)

    def _burn(self, frame: av.VideoFrame, texts: tuple[str, str], line: int) -> None:
        """Two texts of one line, at the left and the right; line 0 at the top, line 1 at the bottom."""
        luma = memoryview(frame.planes[0])
        stride = frame.planes[0].line_size
        for side, text in enumerate(texts):
            rows = list(text_rows(text, self._text_scale, 235, 16))
            if not text or len(rows[0]) + 16 > self.width:
                continue
            x = 8 if side == 0 else self.width - 8 - len(rows[0])
            y = 8 if line == 0 else self.height - 8 - len(rows)
            for at, row in enumerate(rows, start=y):
                luma[at * stride + x : at * stride + x + len(row)] = row


def _copy(source: bytes, stride: int, left: int, top: int, plane: av.video.plane.VideoPlane) -> None:
    """Cut `plane`'s size from `source` at (left, top), going on at column 0 past the right edge."""
    target = memoryview(plane)
    width, line = plane.width, plane.line_size
    first = min(width, stride - left)
    for row in range(plane.height):
        begin = (top + row) * stride
        to = row * line
        target[to : to + first] = source[begin + left : begin + left + first]
        if first < width:
            target[to + first : to + width] = source[begin : begin + width - first]


def _disc(
    plane: memoryview, stride: int, width: int, height: int, circle: tuple[float, float, float], value: int
) -> None:
    """Fill a circle (x, y, radius), cut at the plane's edges."""
    x, y, radius = circle
    paint = bytes([value]) * width
    for row in range(max(0, math.ceil(y - radius)), min(height, math.floor(y + radius) + 1)):
        half = math.sqrt(max(0.0, radius * radius - (row - y) ** 2))
        begin, end = max(0, int(x - half)), min(width, int(x + half))
        if begin < end:
            plane[row * stride + begin : row * stride + end] = paint[: end - begin]
