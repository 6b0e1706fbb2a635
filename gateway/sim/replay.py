"""One group of pictures, encoded once a process and played again and again to any number of balls."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from functools import lru_cache

from gateway.sim.encoder import CLOCK_HZ, Frame, Sink, VideoEncoder, VideoSettings
from gateway.sim.head import Head
from gateway.sim.scene import Scene, View


@lru_cache(maxsize=4)
def one_gop(settings: VideoSettings) -> tuple[Frame, ...]:
    """One group of pictures, panning slowly there and back so that the end joins the beginning."""
    encoder = VideoEncoder(settings)
    scene = Scene(settings.width, settings.height, "REPLAY")
    frames: list[Frame] = []
    start = Head().view
    for number in range(settings.gop):
        swing = 3.0 * math.sin(math.tau * number / settings.gop)
        view = View(start.pan + swing, start.tilt, start.zoom)
        frames.extend(encoder.encode(scene.render(number, "REPLAY", view), key=number == 0))
    return tuple(frames)


class Replay:
    """Plays one prepared group of pictures to every sink; one timer serves any number of balls."""

    def __init__(self, settings: VideoSettings) -> None:
        self.settings = settings
        self._sinks: dict[Sink, bool] = {}  # in order of coming; whether it has had its key frame
        self._task: asyncio.Task[None] | None = None

    def attach(self, sink: Sink) -> None:
        self._sinks[sink] = False
        if self._task is None:
            self._task = asyncio.create_task(self._play(), name="replay")

    def detach(self, sink: Sink) -> None:
        self._sinks.pop(sink, None)
        if not self._sinks and self._task is not None:
            self._task.cancel()
            self._task = None

    @property
    def running(self) -> bool:
        return False  # its picture was made long ago: the head is moved elsewhere

    def want_key(self) -> None:
        """Can't be obeyed: the group was encoded long ago; the next one begins within `gop_s`."""

    def _endless(self) -> Iterator[Frame]:
        gop = one_gop(self.settings)
        tick = CLOCK_HZ // self.settings.fps
        turn = 0
        while True:
            shift = turn * len(gop) * tick
            for frame in gop:
                yield Frame(frame.data, frame.key, frame.pts + shift, frame.dts + shift, frame.audio)
            turn += 1

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(one_gop, self.settings)
        period = 1.0 / self.settings.fps
        due = loop.time()
        for frame in self._endless():
            for sink, started in tuple(self._sinks.items()):
                if not started and frame.key:
                    self._sinks[sink] = started = True
                if started:
                    sink(frame)
            due = max(due + period, loop.time() - period)
            await asyncio.sleep(max(0.0, due - loop.time()))
