"""How links were over the last day: a sample every ten seconds, of which ten minutes at most are in memory.

What is told of a link between two samples counts with its newest figures; rates are made of the byte counters. Chunks
of ten minutes are written whole each minute, so that a power cut costs a minute. More than `MOST` links are not
followed: those that came first stay.
"""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.base.clock import Clock
from gateway.base.tasks import beat
from gateway.model.kit import LinkState, LinkTrail, LinkUse
from gateway.store.kits import LinkTrailRepo

log = logging.getLogger(__name__)

EVERY_S = 10.0
CHUNK_S = 600
KEEP_S = 86400 + CHUNK_S
SAVE_S = 60.0
FRESH_S = 30.0
"""A link that nobody spoke of for so long has no sample."""
EACH = 16
MOST = 20_000

_SAMPLE = struct.Struct(
    ">IB5f"
)  # unix seconds, carried, then rtt_ms, loss, usable_bps, in_bps, out_bps; NaN: not known


@dataclass(slots=True)
class _Link:
    newest: LinkState
    told_at: float  # monotonic
    counted: tuple[float, int, int] | None = None  # monotonic, bytes in, bytes out at the last sample
    began: int = 0
    chunk: bytearray = field(default_factory=bytearray)
    dirty: bool = False


class LinkTrails:
    """On the event loop; `run` is a task of the daemon."""

    def __init__(self, repo: LinkTrailRepo, clock: Clock) -> None:
        self._repo = repo
        self._clock = clock
        self._links: dict[tuple[str, str], _Link] = {}
        self._full = False

    def note(self, gateway: str, links: Sequence[LinkState]) -> None:
        now = self._clock.monotonic()
        for state in links[:EACH]:
            known = self._links.get((gateway, state.name))
            if known is not None:
                known.newest, known.told_at = state, now
            elif len(self._links) < MOST:
                self._links[gateway, state.name] = _Link(state, now)
            elif not self._full:
                self._full = True
                log.warning("%d links are followed already: of further ones there is no trail", MOST)

    async def run(self) -> None:
        saved = self._clock.monotonic()
        try:
            while True:
                await beat(EVERY_S)
                self.sample()
                if self._clock.monotonic() - saved >= SAVE_S:
                    saved = self._clock.monotonic()
                    self.save()
        finally:
            self.save()

    def sample(self) -> None:
        """One of each link that was spoken of lately; links of long ago are let go."""
        now, wall = self._clock.monotonic(), int(self._clock.wall())
        for key, link in list(self._links.items()):
            if now - link.told_at > FRESH_S:
                link.counted = None
                if not link.dirty and now - link.told_at > KEEP_S:
                    del self._links[key]
                continue
            began = wall - wall % CHUNK_S
            if began != link.began:
                if link.dirty:
                    self._repo.put([(*key, link.began, bytes(link.chunk))])
                link.began, link.chunk = began, bytearray()
            link.chunk += _SAMPLE.pack(*_sample(link, now, wall))
            link.counted = (now, link.newest.bytes_in, link.newest.bytes_out)
            link.dirty = True

    def save(self) -> None:
        """What is not on the disk yet goes there, in one transaction."""
        rows = []
        for key, link in self._links.items():
            if link.dirty:
                link.dirty = False
                rows.append((*key, link.began, bytes(link.chunk)))
        if rows:
            self._repo.put(rows)

    def prune(self) -> None:
        self._repo.prune(int(self._clock.wall() - KEEP_S))

    async def trails(self, gateway: str, hours: float = 24.0, points: int = 1440) -> Sequence[LinkTrail]:
        """Of each link of `gateway`, thinned to at most `points` entries: means, but the worst loss."""
        since = int(self._clock.wall() - min(max(hours, 0.0), 24.0) * 3600)
        chunks: dict[str, dict[int, bytes]] = {}
        for name, began, samples in await self._repo.since(gateway, since - CHUNK_S):
            chunks.setdefault(name, {})[began] = samples
        for (kit, name), link in self._links.items():
            if kit == gateway and link.chunk:
                chunks.setdefault(name, {})[link.began] = bytes(link.chunk)
        return [_trail(name, [found[at] for at in sorted(found)], since, points) for name, found in chunks.items()]


def _sample(link: _Link, now: float, wall: int) -> tuple[int, bool, float, float, float, float, float]:
    state = link.newest
    in_bps = out_bps = 0.0
    if link.counted is not None and now > link.counted[0]:
        at, bytes_in, bytes_out = link.counted
        # Counters begin anew with a session: what is less than before was counted from nothing.
        in_bps = max(0, state.bytes_in - bytes_in) * 8 / (now - at)
        out_bps = max(0, state.bytes_out - bytes_out) * 8 / (now - at)
    return (
        wall,
        state.state is LinkUse.IN,
        math.nan if state.rtt_ms is None else state.rtt_ms,
        math.nan if state.loss is None else state.loss,
        math.nan if state.usable_bps is None else state.usable_bps,
        in_bps,
        out_bps,
    )


def _trail(name: str, chunks: Sequence[bytes], since: int, points: int) -> LinkTrail:
    samples = [
        sample
        for chunk in chunks
        # A chunk that a fault of the disk cut off is read as far as it goes.
        for sample in _SAMPLE.iter_unpack(chunk[: len(chunk) - len(chunk) % _SAMPLE.size])
        if sample[0] >= since
    ]
    step = max(1, -(-len(samples) // max(points, 1)))
    groups = [samples[at : at + step] for at in range(0, len(samples), step)]
    return LinkTrail(
        name=name,
        every_s=EVERY_S * step,
        at=tuple(float(group[0][0]) for group in groups),
        used=tuple(any(sample[1] for sample in group) for group in groups),
        rtt_ms=tuple(_mean(group, 2) for group in groups),
        loss=tuple(max(_known(group, 3), default=None) for group in groups),
        usable_bps=tuple(_mean(group, 4) for group in groups),
        in_bps=tuple(_mean(group, 5) or 0.0 for group in groups),
        out_bps=tuple(_mean(group, 6) or 0.0 for group in groups),
    )


def _known(group: Sequence[tuple[float, ...]], column: int) -> list[float]:
    return [sample[column] for sample in group if not math.isnan(sample[column])]


def _mean(group: Sequence[tuple[float, ...]], column: int) -> float | None:
    known = _known(group, column)
    return sum(known) / len(known) if known else None
