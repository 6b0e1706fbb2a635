"""One stream for HLS players: open while somebody asks, its newest segments in memory.

    wait for tracks → subscribe (CMAF) → records into the window, players are woken → nobody asked for a while: closed

The viewing is held meanwhile, so the source is opened on demand and let go after the last player. Other tracks, or a
rendition, mean another subscription into the same window: players see a discontinuity, not an end.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from adapters.hls.config import HlsConfig
from adapters.hls.records import Kind, Record, Records
from adapters.hls.window import Window, first_of
from gateway import codecs
from gateway.base.errors import Busy, GatewayError, LinkDown, Unsupported
from gateway.contract.adapter import Context
from gateway.contract.media import Needs, Viewing
from gateway.model.ids import StreamId
from gateway.model.media import Codec, StreamState, StreamStatus, TrackKind
from gateway.model.principal import Principal

log = logging.getLogger(__name__)

START_S = 20.0
"""Longest that a first request waits for media."""
SOUND_S = 2.0
"""How long the sound may come after the picture: many players never take up a sound that a playlist began without."""
READ_BYTES = 256 * 1024


class Output:
    """Made by `Outputs`. `run` is its task."""

    def __init__(self, stream: StreamId, who: Principal, config: HlsConfig, context: Context) -> None:
        self.stream = stream
        self.who = who
        self.window = Window(segments=config.window, most_bytes=config.most_bytes, first=first_of(time.time()))
        self.width = self.height = 0  # of the source
        self.error: GatewayError | None = None
        self.state = ""
        self._config = config
        self._context = context
        self._changed = asyncio.Condition()
        self._asked_at = time.monotonic()
        self._came = float("-inf")  # the last part; not by the clock of dates, which may be set
        self._look = asyncio.Event()
        self._refused = ""
        self._needs = Needs(video=tuple(Codec(name) for name in config.video), audio=(Codec.AAC,))

    def asked(self) -> None:
        """A player is there."""
        self._asked_at = time.monotonic()

    async def until(self, ready: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `ready()`; False on time-out. Raises what the output ended with."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                while not ready():
                    if self.error is not None:
                        raise self.error
                    await self._changed.wait()
                    self.asked()
        except TimeoutError:
            return False
        return True

    async def started(self, *, anew: bool = False) -> None:
        """Wait for a whole segment: players without low latency take an empty playlist for an end. `anew`: for one of
        what comes now; who plays already keeps what was before while the source is away.

        Raises LinkDown with the stream's own reason when nothing comes.
        """
        window = self.window
        there = (
            (lambda: window.now_on(time.monotonic() - self._came)) if anew else (lambda: window.has(window.first, None))
        )
        if not await self.until(there, START_S):
            raise LinkDown(f"{self.stream} has no picture yet", code=self.state or "no-media")

    async def run(self) -> None:
        """Ends when nobody asks any more, or by an error that players read."""
        try:
            async with (
                self._context.streams.view(self.stream, self.who, "hls") as viewing,
                asyncio.TaskGroup() as tasks,
            ):
                work = [tasks.create_task(self._follow(viewing)), tasks.create_task(self._feed(viewing))]
                await self._idle()
                for one in work:
                    one.cancel()
        except* GatewayError as group:
            self.error = _first(group)
        except* Exception:
            log.exception("HLS of %s failed", self.stream)
            self.error = GatewayError(f"HLS of {self.stream} failed", code="internal")
        finally:
            self.error = self.error or LinkDown("nobody asked for it", code="idle")
            async with self._changed:
                self._changed.notify_all()

    async def _idle(self) -> None:
        left = self._config.idle_close
        while left > 0:
            await asyncio.sleep(left)
            left = self._asked_at + self._config.idle_close - time.monotonic()

    async def _follow(self, viewing: Viewing) -> None:
        """What players read while nothing comes, and other tracks."""
        tracks = None
        async for status in viewing.changes():
            self.state = status.code
            if status.state is StreamState.REMOVED:
                raise LinkDown(f"{self.stream} is no more", code="not-found")
            self._size(status)
            if status.tracks and tracks not in (None, status.tracks):
                self._look.set()
            tracks = status.tracks or tracks

    def _size(self, status: StreamStatus) -> None:
        for track in status.tracks:
            if track.kind is TrackKind.VIDEO and track.width:
                self.width, self.height = track.width, track.height

    async def _feed(self, viewing: Viewing) -> None:
        """Subscriptions one after the other: to the stream itself, to a rendition, to another one."""
        await sound_too(viewing)
        while True:
            suited = await viewing.suited(self._needs)
            self._refused = ""
            async for record in self._subscribed(viewing, suited.handle):
                async with self._changed:
                    self.window.take(record, time.time())
                    if record.kind is Kind.PART:
                        self._came = time.monotonic()
                    self._changed.notify_all()
            self.window.take(Record(Kind.DISCONTINUITY, False, 0, 0, b""), time.time())

    async def _stays(self, viewing: Viewing, handle: int) -> bool:
        """Whether the present subscription is still the right one. Raises Unsupported with why it was refused."""
        self._look.clear()
        refused, self._refused = self._refused, ""
        same = (await viewing.suited(self._needs)).handle == handle
        if same and refused:
            raise Unsupported(f"{self.stream} can not be had as HLS", code=refused)
        return same  # with other parameters: the subscription tells them by itself

    async def _subscribed(self, viewing: Viewing, handle: int) -> AsyncIterator[Record]:
        """Records of one subscription until another stream suits better."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        media, engine, loop = self._context.media, self._context.media.engine, asyncio.get_running_loop()
        subscription = engine.open_container_out(
            handle,
            theirs.detach(),
            "cmaf",
            part_ms=int(self._config.part * 1000),
            segment_ms=int(self._config.segment * 1000),
            queue_bytes=self._config.most_bytes,
        )
        media.on_subscription(subscription, self._told)
        records = Records()
        look = asyncio.create_task(self._look.wait())
        reading = asyncio.create_task(loop.sock_recv(ours, READ_BYTES))
        try:
            while True:
                await asyncio.wait({reading, look}, return_when=asyncio.FIRST_COMPLETED)
                if look.done():
                    if not await self._stays(viewing, handle):
                        return
                    look = asyncio.create_task(self._look.wait())
                if not reading.done():
                    continue
                data = reading.result()
                reading = asyncio.create_task(loop.sock_recv(ours, READ_BYTES))
                if not data:
                    raise LinkDown(f"the media plane let {self.stream} go", code=self.state or "source-ended")
                for record in records.feed(data):
                    yield record
        finally:
            look.cancel()
            reading.cancel()
            await asyncio.wait({look, reading})  # before its socket is closed
            media.forget_subscription(subscription)
            engine.unsubscribe(subscription)
            ours.close()

    def _told(self, event: codecs.SubscriptionEvent) -> None:
        if event.state == "refused":
            self._refused = event.code or "codec-unsupported"
            self._look.set()
        elif event.state == "congested":
            log.warning("HLS of %s: the daemon does not keep up, pictures are left out", self.stream)


async def sound_too(viewing: Viewing) -> None:
    """Wait for a first track and then, for `SOUND_S` at most, for one of the other kind."""
    loop = asyncio.get_running_loop()
    with suppress(TimeoutError):
        async with asyncio.timeout(None) as limit:
            async for status in viewing.changes():
                if len(status.tracks) > 1 or status.state is StreamState.REMOVED:
                    return
                if status.tracks and limit.when() is None:
                    limit.reschedule(loop.time() + SOUND_S)


def _first(group: BaseExceptionGroup[GatewayError]) -> GatewayError:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, GatewayError)  # noqa: S101  (split by except*)
    return found


class Outputs:
    """Those that are open."""

    def __init__(self, tasks: asyncio.TaskGroup, config: HlsConfig, context: Context) -> None:
        self._tasks = tasks
        self._config = config
        self._context = context
        self._open: dict[StreamId, Output] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def held_bytes(self) -> int:
        return sum(output.window.size for output in self._open.values())

    def find(self, stream: StreamId) -> Output | None:
        found = self._open.get(stream)
        if found is not None:
            found.asked()
        return found

    def open(self, stream: StreamId, who: Principal) -> Output:
        """The one of the stream, opened if need be. Raises Busy (`too-many-viewers`)."""
        found = self.find(stream)
        if found is not None:
            return found
        if len(self._open) >= self._config.streams:
            raise Busy(f"{len(self._open)} streams are open for HLS", code="too-many-viewers")
        made = self._open[stream] = Output(stream, who, self._config, self._context)
        task = self._tasks.create_task(made.run(), name=f"hls {stream}")
        task.add_done_callback(lambda _: self._open.pop(stream, None) if self._open.get(stream) is made else None)
        return made
