"""What goes on as it is. Of the cached group of pictures the times are drawn together just before the newest one, so
that what follows stands at its right place on the rendition's time line."""

from __future__ import annotations

from dataclasses import replace

from gateway.convert.pictures import Out
from gateway.convert.records import Track, Unit

STEP = 90
"""1 ms at 90 kHz between two of them."""
MAX_KEPT_BYTES = 16 << 20


class Passing:
    def __init__(self, out: Out) -> None:
        self._out = out
        self._kept: list[Unit] = []
        self._bytes = 0
        self.fed = 0
        self.made = 0

    def track(self, track: Track) -> None:
        self.quiet()
        self._out.track(track)

    def feed(self, unit: Unit) -> None:
        self.fed += 1
        if unit.cached:
            self._bytes += sum(len(part) for part in unit.parts)
            if self._bytes <= MAX_KEPT_BYTES:
                self._kept.append(unit)
            return
        self.quiet()
        self.made += 1
        self._out.unit(unit)

    def quiet(self) -> None:
        """All that was cached has come."""
        kept, self._kept, self._bytes = self._kept, [], 0
        if not kept:
            return
        order = sorted(unit.pts for unit in kept)
        rank = {pts: len(order) - 1 - at for at, pts in enumerate(order)}
        first = min(unit.dts - unit.pts for unit in kept)
        for at, unit in enumerate(kept):
            pts = max(unit.pts, order[-1] - rank[unit.pts] * STEP)
            # Decoding order, before presentation by as much as the source had it at most.
            dts = min(pts, order[-1] - (len(kept) - 1 - at) * STEP + min(first, 0))
            self.made += 1
            self._out.unit(replace(unit, pts=pts, dts=dts, cached=False))
