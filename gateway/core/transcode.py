"""Conversions: one for each source and target, shared by all who need it, within the processor's budget.

Started when the first viewing needs it and ended some seconds after the last one let go. One for which there is no room
waits, with its viewers, and is started when there is. What was refused, and why, is told in the stream's status.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway.base.clock import Clock
from gateway.base.errors import Busy, LinkDown, Unsupported
from gateway.base.tasks import beat
from gateway.config.root import Convert
from gateway.contract.media import Needs, Suited
from gateway.convert.recipe import Recipe
from gateway.core.budget import Claim, admit, estimate, machine_cores, over, rank_of
from gateway.core.conversion import Conversion
from gateway.core.mediaplane import MediaPlane
from gateway.core.on_demand import PICTURELESS
from gateway.core.stream import LiveStream
from gateway.core.suit import Wanted, passed_through
from gateway.model.ids import StreamId
from gateway.model.media import TrackKind

log = logging.getLogger(__name__)

TICK_S = 1.0
OVER_TICKS = 10
"""So long all together may take more than they should before one gives way."""
FIRST_S = 10.0
"""Until a conversion has made something; the asker goes on without after it."""

Key = tuple[StreamId, int, Recipe]


class Transcoder:
    """On the event loop; `run` is a task of the daemon."""

    def __init__(
        self, plane: MediaPlane, clock: Clock, config: Callable[[], Convert], gop_bytes: Callable[[], int]
    ) -> None:
        self._plane = plane
        self._clock = clock
        self._config = config
        self._gop_bytes = gop_bytes
        self._all: dict[Key, Conversion] = {}
        self._streams: dict[StreamId, LiveStream] = {}
        self._linger: dict[Key, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = 0
        self._some = asyncio.Event()
        self._encoder = ""
        self._bad: set[str] = set()
        self._closing = False
        self.refused = 0
        """Times that the budget had no room; for the metrics."""
        self.gave_way = 0
        self._gone_deaths = 0

    # — what a viewing asks —

    async def suited(self, stream: LiveStream, needs: Needs, wants: Wanted, user: object) -> Suited:
        """`wants` is what is wanted of its tracks. The conversion found stays held for `user` until `release`, or until
        it needs another.

        Raises Busy (`convert-budget`), Unsupported (`convert-unavailable`), LinkDown (what became of its worker).
        """
        if wants.recipe is None:
            self.release(stream.id, user)
            return passed_through(stream.handle, stream.tracks, needs, wants.missing)
        if not self._config().enabled:
            self.release(stream.id, user)
            return self._without(stream, needs, wants, "convert-unavailable", "convert.enabled is off")
        found = self._hold(stream, wants.recipe, wants.why, user)
        if found.running:
            return await self._first(found, wants)
        if (sound := wants.sound_only) is not None:
            less = self._hold(stream, sound, ("convert-audio",), user, beside=found)
            if less.running:
                made = await self._first(less, wants)
                missing = (*wants.missing, ("video", "convert-budget"))
                return replace(made, missing=missing)
        return self._without(stream, needs, wants, found.code or "convert-budget", f"{found.recipe.name} waits")

    def release(self, stream: StreamId, user: object, keep: tuple[Conversion, ...] = ()) -> None:
        """`user` needs none of this stream's conversions any more, but for those to keep."""
        for key, one in list(self._all.items()):
            if key[0] == stream and user in one.users and one not in keep:
                one.users.discard(user)
                self._left(key, one)

    def _hold(
        self,
        stream: LiveStream,
        recipe: Recipe,
        why: tuple[str, ...],
        user: object,
        *,
        beside: Conversion | None = None,
    ) -> Conversion:
        key = (stream.id, stream.handle, recipe)
        found = self._all.get(key)
        news = found is None or user not in found.users
        if found is None:
            found = Conversion(
                self._plane, self._clock, stream.id, stream.handle, recipe, why, lambda: self._order(recipe),
                self._changed, gop_bytes=self._gop_bytes(),
            )  # fmt: skip
            self._all[key] = found
            self._some.set()
            self._streams[stream.id] = stream
        if (timer := self._linger.pop(key, None)) is not None:
            timer.cancel()
        found.users.add(user)
        self.release(stream.id, user, keep=(found,) if beside is None else (found, beside))
        if not found.running:
            self._try(key, found)
        if news:
            self._changed(found)
        return found

    async def _first(self, found: Conversion, wants: Wanted) -> Suited:
        """When it has made what it makes."""
        try:
            async with asyncio.timeout(FIRST_S):
                while not found.whole:
                    await found.news()
                    if not found.running:
                        raise Busy(f"{found.recipe.name} gave way", code="convert-budget")
        except TimeoutError:
            if not found.tracks:
                code = found.code or "convert-no-output"
                raise LinkDown(f"{found.recipe.name}: nothing was made in {FIRST_S:.0f} s", code=code) from None
        return Suited(found.handle, found.tracks, found.words, wants.missing, found.recipe.name)

    def _without(self, stream: LiveStream, needs: Needs, wants: Wanted, code: str, words: str) -> Suited:
        """The source's own stream with what of it fits; raises when that is nothing."""
        recipe = wants.recipe
        assert recipe is not None  # noqa: S101
        missing = list(wants.missing)
        for kind, made in (("video", recipe.video), ("audio", recipe.audio)):
            if made not in ("", "copy"):
                missing.append((kind, code))
        suited = passed_through(stream.handle, stream.tracks, needs, missing)
        if suited.tracks:
            return suited
        if code == "convert-budget":
            raise Busy(words, code="convert-budget")
        raise Unsupported(words, code=code)

    # — the budget —

    @property
    def cores(self) -> float:
        return self._config().cores or machine_cores()

    def claims(self) -> list[Claim]:
        return [self._claim(key, one) for key, one in self._all.items() if one.running]

    def _claim(self, key: Key, one: Conversion) -> Claim:
        stream = self._streams[key[0]]
        cores = one.cores if one.cores else estimate(one.recipe, stream.tracks, stream.status.figures.fps)
        return Claim(rank_of(one.recipe, len(one.users)), cores, one.began, id(one))

    def _try(self, key: Key, one: Conversion) -> bool:
        """Start it if there is room, or room is made."""
        fits, gone = admit(self._claim(key, one), self.claims(), self.cores, self._config().max_conversions)
        if not fits:
            self.refused += 1
            return False
        for claim in gone:
            self._give_way(claim)
        one.run()
        return True

    def _give_way(self, claim: Claim) -> None:
        one = next(one for one in self._all.values() if id(one) == claim.key)
        self.gave_way += 1
        log.info("%s gives way to what is to be converted before it", one.rendition.name)
        self._spawn(one.park("convert-budget"))

    async def run(self) -> None:
        while True:
            if not self._all:
                self._over = 0
                self._some.clear()
                await self._some.wait()
            await beat(TICK_S)
            self._tick()

    def _tick(self) -> None:
        worst = over(self.claims(), self.cores)
        self._over = self._over + 1 if worst is not None else 0
        if worst is not None and self._over >= OVER_TICKS:
            self._over = 0
            self._give_way(worst)
            return
        if self._over:
            return
        waiting = [(self._claim(key, one), key, one) for key, one in self._all.items() if one.users and not one.running]
        for _, key, one in sorted(waiting, key=lambda row: (row[0].rank, row[0].since)):
            claim = self._claim(key, one)
            if admit(claim, self.claims(), self.cores, self._config().max_conversions) == (True, []):
                one.run()

    # — their ends —

    def _left(self, key: Key, one: Conversion) -> None:
        if not one.users and key not in self._linger:
            loop = asyncio.get_running_loop()
            wait_s = self._config().linger if one.running else 0.0
            self._linger[key] = loop.call_later(wait_s, self._end, key)
        self._changed(one)

    def _end(self, key: Key) -> None:
        if (timer := self._linger.pop(key, None)) is not None:
            timer.cancel()
        if (one := self._all.pop(key, None)) is not None:
            self._gone_deaths += one.deaths
            self._spawn(one.close())
            self._tell(key[0])

    def source_closed(self, stream: StreamId, handle: int) -> None:
        """The media plane's stream of a source is gone, and so are the conversions beside it."""
        for key in [key for key in self._all if key[:2] == (stream, handle)]:
            self._end(key)

    async def close(self) -> None:
        self._closing = True
        for key in list(self._all):
            self._end(key)
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # — words —

    def _order(self, recipe: Recipe) -> Mapping[str, Any]:
        """What a worker is told; the encoder that one of them found to work is the others' too."""
        config = self._config()
        auto = config.hardware == "auto"
        return {
            "recipe": {name: getattr(recipe, name) for name in ("video", "audio", "height", "fps", "bitrate_bps")},
            "encoder": (self._encoder or "auto") if auto else "",
            "bad": sorted(self._bad),
            "memory": config.memory,
        }

    def _changed(self, one: Conversion) -> None:
        if one.bad - self._bad:
            self._bad |= one.bad
            self._encoder = ""
        elif one.encoder and one.encoder not in self._bad:
            self._encoder = one.encoder
        for key, known in self._all.items():
            if known is one:
                self._tell(key[0])

    def _tell(self, stream: StreamId) -> None:
        if (known := self._streams.get(stream)) is None:
            return
        mine = tuple(one for key, one in self._all.items() if key[0] == stream)
        known.set_renditions(lambda: tuple(one.rendition for one in mine))
        if not mine:
            del self._streams[stream]

    @property
    def deaths(self) -> int:
        """Workers that ended by themselves, so far."""
        return self._gone_deaths + sum(one.deaths for one in self._all.values())

    @property
    def running(self) -> list[Conversion]:
        return [one for one in self._all.values() if one.running]


def known(stream: LiveStream, needs: Needs) -> bool:
    """Its tracks are, as far as they matter: sound may come before the picture."""
    tracks = stream.tracks
    video = any(track.kind is TrackKind.VIDEO for track in tracks)
    return video or bool(tracks and (not needs.video or stream.status.code in PICTURELESS))
