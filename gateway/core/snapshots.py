"""JPEG pictures of streams, without a decoder that runs all the time.

A worker is started with the first order and ends some seconds after the last. It gets the stream's cached key frame,
or where that is old the whole cached group, over a frame port. A stream that nobody watches is opened for it, and held
for a while in case the same asker asks again; so that a series is one viewing in the record, not hundreds.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway import codecs
from gateway.base.clock import Clock
from gateway.base.errors import Busy, LinkDown, NotFound, PeerError, ProtocolError
from gateway.config.root import Convert
from gateway.contract.media import Viewing
from gateway.core.convert_process import ConvertProcess
from gateway.core.mediaplane import MediaPlane
from gateway.core.rights import require
from gateway.core.streams import Streams
from gateway.model.command import Action
from gateway.model.ids import StreamId
from gateway.model.media import Snapshot, StreamState, TrackKind
from gateway.model.principal import Principal

log = logging.getLogger(__name__)

STILL_S = 4.0
"""Wait for a picture that a device makes itself; then one is made of its stream."""
PATIENCE_S = 10.0
"""For a stream to be opened and its first key frame to come."""
WORK_S = 5.0
IDLE_S = 10.0
HOLD_S = 15.0
OLD_S = 2.0
"""A key frame older than that is run on from, to the newest picture."""
MOST_WAITING = 16
MOST_KEPT = 128
MAX_LINES = 2160
LOOK_S = 0.1

Key = tuple[StreamId, int, int]


@dataclass(slots=True)
class _Hold:
    """A viewing that stays open until nobody has asked for a while."""

    viewing: asyncio.Future[Viewing]
    task: asyncio.Task[None]
    until: float


class Snapshots:
    """On the event loop; `close` before the streams."""

    def __init__(self, streams: Streams, plane: MediaPlane, clock: Clock, config: Callable[[], Convert]) -> None:
        self._streams = streams
        self._plane = plane
        self._clock = clock
        self._config = config
        self._kept: OrderedDict[Key, Snapshot] = OrderedDict()
        self._making: dict[Key, asyncio.Task[Snapshot]] = {}
        self._holds: dict[tuple[str, StreamId], _Hold] = {}
        self._process: ConvertProcess | None = None
        self._starting = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self.made = 0

    async def take(
        self, stream: StreamId, who: Principal, *, height: int = 0, quality: int = 75, last: bool = False
    ) -> Snapshot:
        """At most so many lines high (0: as the source has it); quality 1 … 100. One that was made within
        `convert.snapshot_every` is given again. `last`: where none can be had now, the last one made, whatever its age.

        Raises NotFound, Denied, Busy (`snapshot-busy`), LinkDown (`snapshot-none`, or why the stream is not live).
        """
        require(who, Action.STREAM_OPEN, stream)
        key = (stream, min(max(height, 0), MAX_LINES), min(max(quality, 1), 100))
        kept = self._kept.get(key)
        if kept is not None and self._clock.wall() - kept.made_at < self._config().snapshot_every:
            return kept
        try:
            return await self._shared(key, who)
        except (LinkDown, Busy):
            if last and kept is not None:
                return kept
            raise

    async def glance(self, stream: StreamId, *, height: int = 0, quality: int = 75) -> Snapshot | None:
        """What is seen of a stream that is live anyway: nothing is opened or held for it. None: there is no picture."""
        found = self._streams.found(stream)
        if found is None or found.open_handle is None or found.state is not StreamState.LIVE:
            return None
        handle = found.open_handle
        key_age_ms = await self._figure(handle, "key_age_ms")
        if key_age_ms < 0:
            return None
        answer = await self._order(handle, height, quality, newest=key_age_ms / 1000 > OLD_S)
        jpeg = await asyncio.to_thread(_read, answer["descriptor"], int(answer["bytes"]))
        age_s = await self._frame_age(handle) if key_age_ms / 1000 > OLD_S else key_age_ms / 1000
        return Snapshot(jpeg, int(answer["width"]), int(answer["height"]), self._clock.wall(), max(0.0, age_s))

    async def _shared(self, key: Key, who: Principal) -> Snapshot:
        """Several who ask for the same at once get the same."""
        task = self._making.get(key)
        if task is None:
            if len(self._making) >= MOST_WAITING:
                raise Busy(f"{len(self._making)} snapshots are being made", code="snapshot-busy")
            task = self._making[key] = asyncio.create_task(self._make(key, who), name=f"snapshot {key[0]}")
            task.add_done_callback(lambda _done: self._making.pop(key, None))
        return await asyncio.shield(task)

    async def _make(self, key: Key, who: Principal) -> Snapshot:
        stream, height, quality = key
        if (far := await self._streams.snapshot(stream, who, height, quality)) is not None:
            return self._keep(key, far)
        if not height and (still := await self._still(stream, who)) is not None:
            return self._keep(key, still)
        try:
            async with asyncio.timeout(PATIENCE_S):
                viewing = await self._viewing(stream, who)
                await _live(viewing)
                key_age_s = await self._key_age(viewing)
        except TimeoutError:
            status = self._streams.status(stream)
            code = status.code or "snapshot-none"
            raise LinkDown(f"{stream} had no picture within {PATIENCE_S:.0f} s", code=code) from None
        began = self._clock.monotonic()
        newest = key_age_s > OLD_S
        answer = await self._order(viewing.handle, height, quality, newest=newest)
        jpeg = await asyncio.to_thread(_read, answer["descriptor"], int(answer["bytes"]))
        age_s = key_age_s + self._clock.monotonic() - began if not newest else await self._frame_age(viewing.handle)
        made = Snapshot(jpeg, int(answer["width"]), int(answer["height"]), self._clock.wall(), max(0.0, age_s))
        self._keep(key, made)
        if (hold := self._holds.get((who.name, stream))) is not None:
            hold.until = self._clock.monotonic() + HOLD_S
        return made

    async def _still(self, stream: StreamId, who: Principal) -> Snapshot | None:
        """The device's own; None where it has none, or it does not come."""
        try:
            async with asyncio.timeout(STILL_S):
                jpeg = await self._streams.still(stream, who)
        except (LinkDown, PeerError, ProtocolError, TimeoutError) as exc:
            log.info("%s: no picture of its own: %s", stream, exc)
            return None
        size = jpeg_size(jpeg) if jpeg is not None else None
        return Snapshot(jpeg, *size, self._clock.wall(), 0.0) if jpeg is not None and size is not None else None

    def _keep(self, key: Key, made: Snapshot) -> Snapshot:
        self._kept[key] = made
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        self.made += 1
        return made

    # — the stream —

    async def _viewing(self, stream: StreamId, who: Principal) -> Viewing:
        name = (who.name, stream)
        until = self._clock.monotonic() + HOLD_S
        hold = self._holds.get(name)
        if hold is None:
            opened: asyncio.Future[Viewing] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._holding(name, who, opened), name=f"snapshots of {stream}")
            hold = self._holds[name] = _Hold(opened, task, until)
        hold.until = until
        return await asyncio.shield(hold.viewing)

    async def _holding(self, name: tuple[str, StreamId], who: Principal, opened: asyncio.Future[Viewing]) -> None:
        try:
            async with self._streams.view(name[1], who, "snapshot") as viewing:
                opened.set_result(viewing)
                while (left := self._holds[name].until - self._clock.monotonic()) > 0:  # noqa: ASYNC110
                    await asyncio.sleep(left)
        except Exception as exc:
            if opened.done():
                raise
            opened.set_exception(exc)
            opened.exception()
        finally:
            self._holds.pop(name, None)

    async def _key_age(self, viewing: Viewing) -> float:
        """Seconds since the cached key frame came; waits until there is one."""
        while True:
            age_ms = await self._figure(viewing.handle, "key_age_ms")
            if age_ms >= 0:
                return age_ms / 1000
            self._streams.want_key_frame(viewing.stream)
            await asyncio.sleep(LOOK_S)

    async def _frame_age(self, handle: int) -> float:
        return await self._figure(handle, "frame_age_ms") / 1000

    async def _figure(self, handle: int, name: str) -> float:
        try:
            return float((await asyncio.to_thread(self._plane.engine.stream_stats, handle)).get(name, -1.0))
        except codecs.MediaError:
            return -1.0

    # — the worker —

    async def _order(self, handle: int, height: int, quality: int, *, newest: bool) -> Mapping[str, Any]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._rest()
        subscription = None
        with theirs:
            try:
                process = await self._worker()
                subscription = self._plane.engine.open_frames_out(handle, ours.detach(), key_frames_only=not newest)
                order = {"do": "still", "id": number, "height": height, "quality": quality, "newest": newest}
                if not process.order(order, theirs):
                    raise LinkDown("the worker takes no orders", code="snapshot-none")
                async with asyncio.timeout(WORK_S * (1 + len(self._waiting))):
                    ends: list[asyncio.Future[Any]] = [answer, process.over]
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            except (OSError, codecs.MediaError) as exc:
                raise LinkDown(f"no snapshot: {exc}", code="snapshot-none") from exc
            except TimeoutError:
                self._drop()
                raise LinkDown("the worker gave no picture in time", code="snapshot-none") from None
            finally:
                ours.close()
                self._waiting.pop(number, None)
                if subscription is not None:
                    self._plane.engine.unsubscribe(subscription)
                self._rest()
        if not answer.done():
            self._drop()
            words = "it was ended" if process.over.cancelled() else " ".join(process.over.result())
            raise LinkDown(f"the worker: {words}", code="snapshot-none")
        told: Mapping[str, Any] = answer.result()
        if "code" in told:
            raise LinkDown(str(told.get("detail", "")), code="snapshot-none")
        return told

    async def _worker(self) -> ConvertProcess:
        async with self._starting:
            if self._process is not None and self._process.over.done():
                self._drop()
            if self._process is None:
                process = ConvertProcess("snapshots", self._told, hung_s=None)
                await process.start("stills", {"memory": self._config().memory})
                self._process = process
            return self._process

    def _told(self, record: Mapping[str, Any]) -> None:
        if record["ev"] != "still":
            return
        waiting = self._waiting.get(record["id"])
        if waiting is not None and not waiting.done():
            waiting.set_result(record)
        elif "descriptor" in record:
            os.close(record["descriptor"])

    def _rest(self) -> None:
        """When the last order is done the worker ends, if no other follows soon."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = None
        if not self._waiting:
            self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._drop)

    def _drop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            task = asyncio.create_task(process.end(), name="snapshots end")
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        for task in [*self._making.values(), *(hold.task for hold in self._holds.values())]:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._idle is not None:
            self._idle.cancel()
        self._drop()
        await asyncio.gather(*self._ending, return_exceptions=True)


async def _live(viewing: Viewing) -> None:
    """Until it has a picture. Raises NotFound when it is no more."""
    changes = viewing.changes()
    try:
        async for status in changes:
            if status.state is StreamState.REMOVED:
                break
            if any(track.kind is TrackKind.VIDEO for track in status.tracks):
                return
    finally:
        if isinstance(changes, AsyncGenerator):
            await changes.aclose()
    raise NotFound(f"{viewing.stream} is no more")


def _read(descriptor: int, size: int) -> bytes:
    with os.fdopen(descriptor, "rb") as memory:
        memory.seek(0)
        return memory.read(size)


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height by its frame header (ITU-T T.81 §B.2.2). None: it is no JPEG."""
    if not data.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        kind, size = data[at + 1], data[at + 2] << 8 | data[at + 3]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            return data[at + 7] << 8 | data[at + 8], data[at + 5] << 8 | data[at + 6]
        at += 2 + size
    return None
