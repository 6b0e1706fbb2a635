"""Live figures: the media plane is asked for its counters, off the loop, and streams are told.

Once a second while somebody looks: events of a watched stream are listened to, or a stream is on its way up. Else
seldom, and not at all while nothing is open; who comes and asks waits for figures of now (`fresh`). Each question wakes
a thread and the media plane's own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway import codecs
from gateway.base.tasks import Pace
from gateway.core.mediaplane import MediaPlane
from gateway.core.messages import Bus
from gateway.core.stream import LiveStream
from gateway.model.media import StreamFigures, StreamState, StreamStatus

log = logging.getLogger(__name__)

EVERY_S = 1.0
REST_S = 10.0
"""Nobody looks: so long between two questions."""
STIRRED_S = 3.0
"""After a stream changed: what is made of it is reckoned by its first figures."""
NO_PICTURE_S = 5.0

Counters = dict[str, int | float | str]


@dataclass(frozen=True, slots=True)
class _Asked:
    stream: LiveStream
    handle: int
    legs: tuple[int, ...]


class Figures:
    """`run` is a task of the daemon."""

    def __init__(self, plane: MediaPlane, live: Callable[[], Sequence[LiveStream]], bus: Bus) -> None:
        self._plane = plane
        self._live = live
        self._bus = bus
        self._sound_only: dict[str, float] = {}
        self._pace = Pace(EVERY_S)
        self._asked_at = self._stirred_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self.engine: dict[str, int | float] = {}
        """The whole plane's counters as they were when it was last asked."""
        self.voice: dict[str, int | float] = {}
        """The voice thread's clock between the last two questions, and how many voices and rooms there are."""

    def stir(self, _status: StreamStatus | None = None) -> None:
        """A stream changed, or somebody began to listen."""
        self._stirred_at = asyncio.get_running_loop().time()
        self._pace.stir()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._pace.beat(EVERY_S if self._looked_at(loop.time()) else REST_S)
            rested = loop.time() - self._asked_at > REST_S - EVERY_S / 2
            if self._looked_at(loop.time()) or (rested and self._plane.busy):
                await self.once()

    def _looked_at(self, now: float) -> bool:
        """Whether figures of each second are wanted."""
        if not self._plane.busy:
            return False
        if now - self._stirred_at < STIRRED_S:
            return True
        heard = self._bus.wanted("stream")
        return any((heard and one.viewers) or (one.state is StreamState.OPENING and one.tracks) for one in self._live())

    async def fresh(self) -> None:
        """Somebody looks now: returns when the figures are of the last second."""
        if asyncio.get_running_loop().time() - self._asked_at < EVERY_S:
            return
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self.once(), name="figures")
        await asyncio.shield(self._asking)

    async def once(self) -> None:
        asked = [
            _Asked(stream, handle, tuple(leg.handle for leg in stream.legs if not leg.end_code))
            for stream in self._live()
            if (handle := stream.open_handle) is not None
        ]
        try:
            # In a thread: it waits for the media threads.
            self.engine, streams, legs, self.voice = await asyncio.to_thread(self._plane.engine.all_stats)
        except codecs.MediaError as exc:
            log.warning("the media plane does not answer: %s", exc)
            return
        now = self._asked_at = asyncio.get_running_loop().time()
        for one in asked:
            if one.stream.open_handle == one.handle and (counters := streams.get(one.handle)) is not None:
                one.stream.figures(_figures(counters, [legs[leg] for leg in one.legs if leg in legs]))
                self._no_picture(one.stream, now)
                if one.stream.viewers:
                    self._bus.publish("stream", one.stream.id, one.stream.status, transient=True)

    def _no_picture(self, stream: LiveStream, now: float) -> None:
        """Sound has been coming for a while, and nothing else."""
        kinds = {track.kind.value for track in stream.tracks}
        if stream.state is not StreamState.OPENING or kinds != {"audio"}:
            self._sound_only.pop(stream.id, None)
        elif now - self._sound_only.setdefault(stream.id, now) >= NO_PICTURE_S:
            stream.video_missing()


def _figures(stream: Counters, legs: Sequence[Counters]) -> StreamFigures:
    """The newest leg's network figures beside the stream's own."""
    leg = legs[-1] if legs else {}
    age_ms = _number(stream, "frame_age_ms")
    return StreamFigures(
        fps=_number(stream, "fps"),
        bitrate_bps=_number(stream, "bitrate_bps"),
        loss_ratio=_number(leg, "loss_ratio"),
        jitter_ms=_number(leg, "jitter_ms"),
        frame_age_s=None if age_ms is None or age_ms < 0 else age_ms / 1000.0,
        packets=int(_number(leg, "packets") or 0),
        lost=int(_number(leg, "lost") or 0),
        reordered=int(_number(leg, "reordered") or 0),
        frames=int(_number(stream, "frames") or 0),
    )


def _number(counters: Counters, name: str) -> float | None:
    value = counters.get(name)
    return float(value) if isinstance(value, int | float) else None
