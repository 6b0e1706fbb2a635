"""One stream that was offered: its rules (`on_demand`), the media plane's stream behind it, and those who watch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway import codecs
from gateway.base.clock import Clock
from gateway.contract.media import Offer
from gateway.core.followed import Followed
from gateway.core.ingest_leg import Leg
from gateway.core.mediaplane import MediaPlane, StreamEvent
from gateway.core.on_demand import OnDemand, Patience
from gateway.core.publication import Attempt, ending
from gateway.core.tracks import track_of
from gateway.model.ids import StreamId
from gateway.model.media import Rendition, StreamFigures, StreamSource, StreamState, StreamStatus, Track

Counters = Mapping[str, int | float | str]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Setting:
    """What of the configuration one stream needs."""

    patience: Patience
    stall_s: float
    gop_bytes: int


class LiveStream:
    """On the event loop. `changed` is called with the new status after every change.

    `offline`: why its device is not there; None while it is.
    """

    def __init__(
        self,
        offer: Offer,
        plane: MediaPlane,
        clock: Clock,
        setting: Setting,
        *,
        offline: str | None = None,
        changed: Callable[[StreamStatus], None],
    ) -> None:
        self.offer = offer
        self._plane = plane
        self._clock = clock
        self._setting = setting
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._rules = OnDemand(self._patience(), on_demand=offer.on_demand, offline=offline)
        self._handle: int | None = None
        self._tracks: dict[str, Track] = {}
        self._figures = StreamFigures()
        self._source: StreamSource | None = None
        self._task: asyncio.Task[str] | None = None
        self._attempt: Attempt | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._since = clock.wall()
        self._state = self._rules.state
        self._followed = Followed(lambda: self.status, lambda status: status.state is StreamState.REMOVED)
        self.tracks_since: float | None = None
        """When the first of its tracks became known, in the loop's time."""
        self._renditions: Callable[[], tuple[Rendition, ...]] = tuple
        self.on_closed: Callable[[int], None] = lambda _handle: None
        """Called with the media plane's stream when that is closed."""
        self.ends = 0
        """Attempts that ended; for sources that have only one."""

    # — what others see —

    @property
    def id(self) -> StreamId:
        return self.offer.id

    @property
    def handle(self) -> int:
        """The media plane's stream, opened when first asked for."""
        if self._handle is None:
            self._handle = self._open_stream()
            self._plane.on_stream(self._handle, self._heard)
        return self._handle

    @property
    def open_handle(self) -> int | None:
        return self._handle

    @property
    def legs(self) -> Sequence[Leg]:
        return self._attempt.legs if self._attempt is not None else ()

    @property
    def tracks(self) -> tuple[Track, ...]:
        return tuple(self._tracks.values())

    @property
    def viewers(self) -> int:
        return self._rules.viewers

    @property
    def state(self) -> StreamState:
        return self._rules.state

    @property
    def status(self) -> StreamStatus:
        rules = self._rules
        return StreamStatus(
            id=self.id,
            device=self.offer.device,
            title=self.offer.title,
            state=rules.state,
            code=rules.code,
            detail=rules.detail,
            since=self._since,
            retry_in_s=rules.retry_in_s(self._loop.time()),
            viewers=rules.viewers,
            tracks=self.tracks,
            figures=self._figures,
            alias=self.offer.alias,
            renditions=self._renditions(),
            source=self._source,
        )

    def changes(self) -> AsyncGenerator[StreamStatus, None]:
        """The present status, then every change; a slow reader gets the latest only. Ends when it is removed."""
        return self._followed.changes()

    # — what happens to it —

    def start(self) -> None:
        self._rules.start(self._loop.time())
        self._carry_out()

    def joined(self) -> None:
        _ = self.handle
        self._rules.joined(self._loop.time())
        self._carry_out()

    def left(self) -> None:
        self._rules.left(self._loop.time())
        self._carry_out()

    def device(self, online: bool, code: str) -> None:
        self._rules.device(online, self._loop.time(), code)
        self._carry_out()

    def again(self) -> None:
        """The way to open it is another one now."""
        self._rules.again(self._loop.time())
        self._carry_out()

    def comes_from(self, source: StreamSource | None) -> None:
        """For people: who sends it, and how."""
        if source != self._source:
            self._source = source
            self._tell()

    def wake(self) -> None:
        """Those who follow its changes look once more."""
        self._followed.wake()

    async def attempt_over(self) -> None:
        """Returns when no attempt is under way and the rules know."""
        while self._task is not None:
            await asyncio.wait({self._task})
            await asyncio.sleep(0)

    def replace(self, offer: Offer) -> None:
        self.offer = offer
        self._rules.patience = self._patience()
        self._rules.replaced(self._loop.time(), on_demand=offer.on_demand)
        self._carry_out(changed=True)

    def set(self, setting: Setting) -> None:
        """The configuration changed: what is open goes on."""
        self._setting = setting
        self._rules.patience = self._patience()

    def figures(self, figures: StreamFigures) -> None:
        self._figures = figures

    def set_renditions(self, renditions: Callable[[], tuple[Rendition, ...]]) -> None:
        """What is made of it; asked whenever its status is. To be set again after every change."""
        self._renditions = renditions
        self._tell()

    def video_missing(self) -> None:
        """Sound has come for a while, and no picture."""
        self._rules.sound_only()
        self._carry_out()

    def found(self, stream: Counters | None, legs: Mapping[int, Counters | None]) -> bool:
        """Take over what the media plane says it has, after events of it were lost; None: it has no such thing.

        False when a second look is needed: frames are neither fresh nor old enough to be called stalled.
        """
        if stream is None:
            self._give_up("stream-panic", "it is no more in the media plane")
            return True
        if stream.get("key_frames") and "video" not in self._tracks:
            # What the track is can not be asked for, only heard: from the beginning of a new stream.
            self._give_up("events-lost", "the picture's track was not heard of")
            return True
        now = self._loop.time()
        heard: list[Leg] = []
        for leg in [leg for leg in self.legs if not leg.end_code and leg.handle in legs]:
            counters = legs[leg.handle]
            if counters is None:
                leg.found_gone()
            elif counters.get("packets") and (payload := str(counters.get("payload", ""))) not in ("", "unknown"):
                leg.found_media(payload)
                self._rules.media(now)
                heard.append(leg)
        sure = not heard or self._found_frames(float(stream.get("frame_age_ms", -1.0)) / 1000, heard[-1], now)
        if self.viewers:
            self.want_key_frame()
        self._carry_out()
        return sure

    def _found_frames(self, age_s: float, leg: Leg, now: float) -> bool:
        """`age_s` of the newest frame; negative: there was none."""
        if age_s >= self._setting.stall_s:
            leg.found_stalled()
            self._rules.stalled(now)
        elif 0 <= age_s < self._setting.stall_s / 2:
            leg.found_frames()
            if "video" in self._tracks:
                self._rules.frames(now)
        else:
            return age_s < 0
        return True

    def want_key_frame(self) -> None:
        if self._attempt is not None:
            self._attempt.want_key_frame()

    async def remove(self) -> None:
        """Viewers are told, the source is ended; returns when its `finally` is through."""
        self._rules.remove()
        self._carry_out()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
            await asyncio.sleep(0)
        self._settle()

    # — within —

    def _open_stream(self) -> int:
        engine, gop_bytes, near = self._plane.engine, self._setting.gop_bytes, self.offer.near
        if near is not None:
            try:
                return engine.open_stream(self.id, gop_bytes=gop_bytes, near=near)
            except codecs.MediaError as exc:
                # Its session is gone: so is the call, and the next offer names another one.
                log.info("%s: opened on a thread of its own: %s", self.id, exc)
        return engine.open_stream(self.id, gop_bytes=gop_bytes)

    def _patience(self) -> Patience:
        own = self.offer.idle_close_s
        patience = self._setting.patience
        return patience if own is None else replace(patience, idle_close_s=own)

    def _carry_out(self, *, changed: bool = False) -> None:
        """Do what the rules ask for, arm their timer, tell of a change."""
        orders = self._rules.poll()
        if orders.cancel and self._task is not None:
            self._task.cancel()
        if orders.run:
            self._task = asyncio.create_task(self._open(), name=f"open {self.id}")
            self._task.add_done_callback(self._ended)
        self._settle()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (at := self._rules.next_timer()) is not None:
            self._timer = self._loop.call_at(at, self._timed)
        if orders.changed or changed:
            if self._rules.state is not self._state:
                self._state = self._rules.state
                self._since = self._clock.wall()
            self._tell()

    def _tell(self) -> None:
        self.wake()
        self._changed(self.status)

    def _timed(self) -> None:
        self._timer = None
        # A timer may run up to its resolution early.
        self._rules.handle_timer(max(self._loop.time(), self._rules.next_timer() or 0.0))
        self._carry_out()

    async def _open(self) -> str:
        """One attempt. Returns why it ended; raises what the adapter raised."""
        attempt = Attempt(
            self._plane,
            self.id,
            self.handle,
            stall_s=self._setting.stall_s,
            patience_s=self._setting.patience.patience_s,
            said=self._said,
            remarked=self._remarked,
            told=self._leg_told,
        )
        self._attempt = attempt
        try:
            await self.offer.open(attempt)
            return attempt.end_code or "source-ended"
        finally:
            await attempt.close()
            if self._attempt is attempt:
                self._attempt = None

    def _ended(self, task: asyncio.Task[str]) -> None:
        code, detail = ending(task, self.id)
        if self._task is task:
            self._task = None
        self.ends += 1
        before = self._rules.state
        self._rules.ended(self._loop.time(), code, detail)
        if self._rules.state is StreamState.WAITING and before is not StreamState.WAITING:
            log.info("%s: %s%s", self.id, code, f" ({detail})" if detail else "")
        self._carry_out()

    def _settle(self) -> None:
        """Nobody watches and no source writes: the media plane's stream goes as well."""
        resting = self._rules.state in (StreamState.IDLE, StreamState.REMOVED)
        if self._handle is not None and resting and self._task is None and self._rules.viewers == 0:
            self._close_stream(self._handle)
            self._tracks.clear()
            self._figures = StreamFigures()

    def _close_stream(self, handle: int) -> None:
        self._handle = self.tracks_since = None
        self.on_closed(handle)
        self._plane.forget_stream(handle)
        self._plane.engine.close_stream(handle)

    def _said(self, code: str, detail: str) -> None:
        self._rules.said(code, detail, self._loop.time())
        self._carry_out()

    def _remarked(self, code: str, detail: str) -> None:
        self._rules.lasting(code, detail)
        self._carry_out()

    def _leg_told(self, event: codecs.LegEvent) -> None:
        now = self._loop.time()
        match event.state:
            case "media":
                self._rules.media(now)
            case "picture":
                # A stream that is opened again keeps its tracks, and no TrackEvent tells of what is no news. Its sound
                # may be new, and is known in a moment.
                self.tracks_since = now
                self._rules.frames(now)
            case "stalled":
                self._rules.stalled(now)
            case "resumed":
                self._rules.frames(now)
            case "problem" if self._rules.problem(event.code, event.detail, self._tracks):
                log.warning("%s: %s (%s)", self.id, self._rules.code, event.detail)
        self._carry_out()

    def _heard(self, event: StreamEvent) -> None:
        match event:
            case codecs.TrackEvent():
                self._tracks[event.kind] = track_of(event)
                self._rules.has(event.kind)
                self.tracks_since = self.tracks_since or self._loop.time()
                if event.kind == "video":
                    self._rules.frames(self._loop.time())
                self._carry_out(changed=True)
            case codecs.KeyFrameWanted():
                self.want_key_frame()
            case codecs.StreamPanic():
                self._give_up("stream-panic", event.detail)
            case _:
                if self._attempt is not None:
                    self._attempt.data(event)

    def _give_up(self, code: str, detail: str) -> None:
        """The media plane's stream is of no use any more, and so is what hangs on it: all of it begins anew."""
        log.error("%s: given up (%s): %s", self.id, code, detail)
        if self._handle is not None:
            self._close_stream(self._handle)
        self._tracks.clear()
        self._figures = StreamFigures()
        self._rules.panic(self._loop.time(), code)
        self._carry_out(changed=True)
