"""Live figures: once a second the media plane is asked for its counters, off the loop, and streams are told. While
nothing is open it is asked less often: a kit at rest wakes nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway import codecs
from gateway.base.tasks import beat
from gateway.core.mediaplane import MediaPlane
from gateway.core.messages import Bus
from gateway.core.stream import LiveStream
from gateway.model.media import StreamFigures, StreamState

log = logging.getLogger(__name__)

EVERY_S = 1.0
REST_TICKS = 10
"""Nothing is open: so many ticks between two questions."""
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
        self.engine: dict[str, int | float] = {}
        """The whole plane's counters as of the last second, for the metrics; of up to ten while nothing is open."""
        self.voice: dict[str, int | float] = {}
        """The voice thread's clock over the last second, and how many voices and rooms there are."""

    async def run(self) -> None:
        rested = 0
        while True:
            await beat(EVERY_S)
            rested += 1
            if self._plane.busy or rested >= REST_TICKS:
                rested = 0
                await self.once()

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
        now = asyncio.get_running_loop().time()
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
