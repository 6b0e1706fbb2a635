"""One conversion: a rendition beside its source, and the worker that makes it, started anew as often as it must be.

    PARKED ──run──► STARTING ──first picture or sound──► RUNNING
      ▲  ▲             └──────────┬─────────────────────────┘
      │  └─ park (budget) ◄───────┤
      └──────── WAITING ◄─────────┘  the worker died, hung, or made nothing: again after a while

The rendition's stream stays open through all of it: viewers stay, as with any other source.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any

from gateway import codecs
from gateway.base.clock import Clock
from gateway.convert.recipe import COPY, Recipe
from gateway.core.convert_process import ConvertProcess
from gateway.core.mediaplane import MediaPlane, StreamEvent
from gateway.core.tracks import track_of
from gateway.model.media import Rendition, RenditionState, Track

log = logging.getLogger(__name__)

RETRY_FIRST_S, RETRY_MOST_S = 0.5, 15.0
WELL_S = 30.0
"""A worker that has run so long begins with the first wait again when it dies."""
NO_OUTPUT_S = 10.0
BEHIND_S = 1.0


class Conversion:
    """On the event loop. `changed` is called when something of `rendition` that people read changed."""

    def __init__(
        self,
        plane: MediaPlane,
        clock: Clock,
        name: str,
        source: int,
        recipe: Recipe,
        why: tuple[str, ...],
        order: Callable[[], Mapping[str, Any]],
        changed: Callable[[Conversion], None],
        *,
        gop_bytes: int,
    ) -> None:
        """`source`: the media plane's stream. `order`: what a worker is told beside its recipe. Raises MediaError."""
        self._plane = plane
        self._clock = clock
        self._name = name
        self._order = order
        self._changed = changed
        self._gop_bytes = gop_bytes
        self.source = source
        self.recipe = recipe
        self.why = why
        self.users: set[object] = set()
        self.began = clock.monotonic()
        self.handle = plane.engine.open_stream(f"{name} {recipe.name}", gop_bytes=gop_bytes, beside=source)
        plane.on_stream(self.handle, self._heard)
        self._tracks: dict[str, Track] = {}
        self._task: asyncio.Task[None] | None = None
        self._process: ConvertProcess | None = None
        self._state, self._code, self._detail = RenditionState.WAITING, "convert-budget", ""
        self._words: dict[str, str] = {}
        self._since = clock.wall()
        self._progress = (0, 0.0)  # made, and when that was seen to grow, with input
        self._fed = 0
        self.cores: float | None = None
        self._fps: float | None = None
        self._slow = False
        self._trying = ""
        self.bad: set[str] = set()
        self.encoder = ""
        self.deaths = 0
        self._news = asyncio.Event()

    # — what others see —

    @property
    def running(self) -> bool:
        return self._task is not None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    @property
    def tracks(self) -> tuple[Track, ...]:
        return tuple(self._tracks.values())

    @property
    def code(self) -> str:
        return self._code

    @property
    def whole(self) -> bool:
        """All that it makes is known."""
        return len(self._tracks) >= bool(self.recipe.video) + bool(self.recipe.audio)

    @property
    def words(self) -> str:
        """ "h265 → h264, aac → opus"."""
        made = (self._words.get(kind, "") for kind in ("video", "audio"))
        return ", ".join(one for one in made if one)

    @property
    def rendition(self) -> Rendition:
        def said(kind: str, target: str) -> str:
            return "as it is" if target == COPY else self._words.get(kind, "")

        return Rendition(
            name=self.recipe.name,
            video=said("video", self.recipe.video),
            audio=said("audio", self.recipe.audio),
            why=self.why,
            state=self._state,
            code=self._code or ("convert-slow" if self._slow else ""),
            detail=self._detail,
            encoder=self._words.get("encoder", ""),
            viewers=len(self.users),
            since=self._since,
            cores=self.cores,
            fps=self._fps,
        )

    async def news(self) -> None:
        """Until something of it changed."""
        self._news = asyncio.Event() if self._news.is_set() else self._news
        await self._news.wait()

    # — orders —

    def run(self) -> None:
        if self._task is None:
            self.began = self._clock.monotonic()
            self._is(RenditionState.STARTING)
            self._task = asyncio.create_task(self._supervise(), name=f"convert {self._name} {self.recipe.name}")
            self._task.add_done_callback(_told)

    async def park(self, code: str, detail: str = "") -> None:
        """No worker any more; the rendition waits with its viewers."""
        await self._stop()
        self._is(RenditionState.WAITING, code, detail)

    async def close(self) -> None:
        await self._stop()
        self._plane.forget_stream(self.handle)
        self._plane.engine.close_stream(self.handle)

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self.cores = self._fps = None

    # — the worker —

    async def _supervise(self) -> None:
        wait_s = RETRY_FIRST_S
        while True:
            begun = self._clock.monotonic()
            code, detail = await self._work()
            self.deaths += 1
            self.cores = self._fps = None
            if self._clock.monotonic() - begun > WELL_S:
                wait_s = RETRY_FIRST_S
            log.warning("%s: %s of %s (%s); again in %g s", self._name, code, self.recipe.name, detail, wait_s)
            self._is(RenditionState.WAITING, code, detail)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, RETRY_MOST_S)
            self._is(RenditionState.STARTING, code, detail)

    async def _work(self) -> tuple[str, str]:
        """One worker's life; why it ended."""
        engine = self._plane.engine
        given, taken = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        made, put = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = ConvertProcess(f"convert {self._name}", self._record)
        subscription = leg = None
        self._progress, self._fed, self._trying = (0, self._clock.monotonic()), 0, ""
        try:
            subscription = engine.open_frames_out(self.source, given.detach())
            leg = engine.open_frames_in(self.handle, made.detach(), made_of=self.source)
            await process.start("pictures", dict(self._order()), (taken, put))
            self._process = process
            return await process.over
        except (OSError, codecs.MediaError) as exc:
            return "convert-worker-died", str(exc)
        finally:
            self._process = None
            for one in (given, taken, made, put):
                one.close()
            await asyncio.shield(asyncio.ensure_future(self._finish(process, subscription, leg)))

    async def _finish(self, process: ConvertProcess, subscription: int | None, leg: int | None) -> None:
        await process.end()
        if self._trying:
            # It was trying an encoder and did not come back: that one is not tried again.
            self.bad.add(self._trying)
        if subscription is not None:
            self._plane.engine.unsubscribe(subscription)
        if leg is not None:
            self._plane.engine.close_leg(leg)

    def _record(self, record: Mapping[str, Any]) -> None:
        match record["ev"]:
            case "trying":
                self._trying = str(record["encoder"])
            case "made":
                self._trying = ""
                self._words = {k: str(v)[:200] for k, v in record.items() if k in ("video", "audio", "encoder")}
                self.encoder = self._words.get("encoder", self.encoder)
                self._tell()
            case "problem":
                self._is(self._state, "convert-unavailable", str(record.get("detail", ""))[:200])
            case "beat":
                self._beat(record)

    def _beat(self, record: Mapping[str, Any]) -> None:
        fed, made = sum(map(int, record["fed"])), sum(map(int, record["made"]))
        now = self._clock.monotonic()
        cores = float(record["cores"])
        self.cores = cores if self.cores is None else self.cores * 0.7 + cores * 0.3
        self._fps = float(record["fps"])
        if made > self._progress[0] or fed == self._fed:
            self._progress = (made, now)
        elif now - self._progress[1] > NO_OUTPUT_S and self._process is not None and not self._process.over.done():
            words = f"{fed} units in, {made} out, {record.get('errors', 0)} not decodable"
            self._process.over.set_result(("convert-no-output", words))
        self._fed = fed
        if self._state is RenditionState.STARTING and made and self.whole:
            self._is(RenditionState.RUNNING)
        slow = float(record["behind"]) > BEHIND_S
        if slow is not self._slow:
            self._slow = slow
            self._tell()

    # — the rendition —

    def _heard(self, event: StreamEvent) -> None:
        match event:
            case codecs.TrackEvent():
                self._tracks[event.kind] = track_of(event)
                if self._state is not RenditionState.RUNNING and self.whole:
                    self._is(RenditionState.RUNNING)
                else:
                    self._tell()
            case codecs.KeyFrameWanted():
                if self._process is not None:
                    self._process.order({"do": "key"})
            case codecs.StreamPanic():
                log.error("%s: the rendition was lost: %s", self._name, event.detail)
                self._plane.forget_stream(self.handle)
                self._tracks.clear()
                self.handle = self._plane.engine.open_stream(
                    f"{self._name} {self.recipe.name}", gop_bytes=self._gop_bytes, beside=self.source
                )
                self._plane.on_stream(self.handle, self._heard)
                if self._process is not None and not self._process.over.done():
                    self._process.over.set_result(("stream-panic", event.detail))

    def _is(self, state: RenditionState, code: str = "", detail: str = "") -> None:
        if (state, code, detail) != (self._state, self._code, self._detail):
            self._state, self._code, self._detail = state, code, detail
            self._since = self._clock.wall()
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._changed(self)


def _told(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (exc := task.exception()) is not None:
        log.error("%s ended by a mistake of ours", task.get_name(), exc_info=exc)
