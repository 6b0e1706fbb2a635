"""All streams that can be had: offers, names, viewings. Fulfils `contract.media.Streams`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Container, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace

from gateway.base.clock import Clock
from gateway.base.errors import Busy, Denied, NotFound
from gateway.contract.media import Needs, Offer, Suited
from gateway.core.audit import Audit
from gateway.core.encoders import Encoders
from gateway.core.mediaplane import MediaPlane
from gateway.core.messages import Bus
from gateway.core.rights import allowed, may_publish, require
from gateway.core.sessions import Sessions
from gateway.core.stream import LiveStream, Setting
from gateway.core.suit import Wanted, misfit, wanted
from gateway.core.transcode import Transcoder, known
from gateway.model.command import Action
from gateway.model.ids import DeviceId, StreamId, parse_ref
from gateway.model.media import Snapshot, StreamState, StreamStatus, Track
from gateway.model.principal import Principal

log = logging.getLogger(__name__)

SOUND_S = 0.3
"""Sound that comes with a picture is known so long after it."""


class Viewing:
    """Fulfils `contract.media.Viewing`."""

    def __init__(self, streams: Streams, stream: LiveStream, transcoder: Transcoder) -> None:
        self._streams = streams
        self._stream = stream
        self._transcoder = transcoder
        self._wanted: dict[Needs, tuple[tuple[Track, ...], Wanted]] = {}
        self._revoked = ""

    @property
    def stream(self) -> StreamId:
        return self._stream.id

    @property
    def handle(self) -> int:
        return self._stream.handle

    @property
    def status(self) -> StreamStatus:
        return self._stream.status

    @property
    def tracks(self) -> Sequence[Track]:
        return self._stream.tracks

    async def changes(self) -> AsyncGenerator[StreamStatus, None]:
        async with aclosing(self._stream.changes()) as changes:
            async for status in changes:
                if self._revoked:
                    # For this viewer alone it is as if it were no more.
                    yield replace(status, state=StreamState.REMOVED, code=self._revoked)
                    return
                yield status

    def revoke(self, code: str) -> None:
        """Its viewer may not look any more: `changes` tells it that the stream is no more, with `code`."""
        self._revoked = code
        self._stream.wake()

    async def suited(self, needs: Needs) -> Suited:
        async with aclosing(self._stream.changes()) as changes:
            async for status in changes:
                if status.state is StreamState.REMOVED:
                    break
                if known(self._stream, needs):
                    await self._sound_too(needs)
                    return await self._transcoder.suited(self._stream, needs, self._wants(needs), self)
        raise NotFound(f"{self.stream} is no more")

    async def _sound_too(self, needs: Needs) -> None:
        """The picture is known; its sound, if it has any, is in a moment."""
        since = self._stream.tracks_since
        if not needs.audio or since is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout_at(since + SOUND_S), aclosing(self._stream.changes()) as changes:
                async for status in changes:
                    if len(status.tracks) > 1:
                        return

    def _wants(self, needs: Needs) -> Wanted:
        """Decided once for the same tracks: rates that go up and down must not change it."""
        tracks = self._stream.tracks
        known = self._wanted.get(needs)
        if known is None or known[0] != tracks:
            known = self._wanted[needs] = (tracks, wanted(tracks, needs, self._stream.status.figures))
        return known[1]

    @property
    def smaller(self) -> StreamId | None:
        return self._streams.smaller(self._stream)

    async def limit(self, bps: int) -> bool:
        return await self._streams.encoders.limit(self._stream, self, bps)

    def close(self) -> None:
        self._transcoder.release(self._stream.id, self)
        self._streams.encoders.release(self._stream, self)


class Streams:
    def __init__(
        self,
        gateway: str,
        plane: MediaPlane,
        bus: Bus,
        audit: Audit,
        sessions: Sessions,
        clock: Clock,
        setting: Callable[[], Setting],
        max_viewings: Callable[[], int],
        transcoder: Transcoder,
    ) -> None:
        self._gateway = gateway
        self._plane = plane
        self._bus = bus
        self._audit = audit
        self._sessions = sessions
        self._clock = clock
        self._setting = setting
        self._max_viewings = max_viewings
        self._transcoder = transcoder
        self._streams: dict[StreamId, LiveStream] = {}
        self._aliases: dict[str, StreamId] = {}
        self._offline: dict[DeviceId, str] = {}
        self._viewings: dict[Viewing, Principal] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._closing = False
        self._by_device: dict[DeviceId, set[StreamId]] = {}
        self.encoders = Encoders()
        self.kits: Container[str] = ()
        """Ids of the kits that this center holds."""
        self.on_offered: Callable[[DeviceId], None] = lambda _device: None
        """Called when a device has a stream more."""
        self.followers: list[Callable[[StreamStatus], None]] = []
        """Called with every change of every stream."""

    # — offers —

    def offer(self, offer: Offer) -> None:
        if self._closing:
            return
        found = self._streams.get(offer.id)
        if offer.alias:
            self._aliases[offer.alias] = offer.id
        if found is not None:
            if found.offer.device != offer.device:
                self._unlist(found)
                self._by_device.setdefault(offer.device, set()).add(offer.id)
            found.replace(offer)
            return
        stream = LiveStream(
            offer,
            self._plane,
            self._clock,
            self._setting(),
            offline=self._offline.get(offer.device),
            changed=self._changed,
        )
        self._streams[offer.id] = stream
        self._by_device.setdefault(offer.device, set()).add(offer.id)
        stream.on_closed = lambda handle: self._transcoder.source_closed(offer.id, handle)
        stream.start()
        self._changed(stream.status)
        self.on_offered(offer.device)

    def withdraw(self, stream: StreamId) -> None:
        found = self._streams.pop(stream, None)
        if found is None:
            return
        self._unlist(found)
        self._aliases = {alias: id_ for alias, id_ in self._aliases.items() if id_ != stream}
        task = asyncio.create_task(found.remove(), name=f"withdraw {stream}")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def device_online(self, device: DeviceId, online: bool, code: str = "") -> None:
        if online:
            self._offline.pop(device, None)
        else:
            self._offline[device] = code
        for stream in self._of(device):
            stream.device(online, code)

    def online(self, stream: StreamId, online: bool, code: str = "") -> None:
        """As `device_online`, of one stream: its publisher came or went."""
        if (found := self._streams.get(stream)) is not None:
            found.device(online, code)

    def again(self, stream: StreamId) -> None:
        """What is open of it is opened anew, another way than before; viewers stay."""
        if (found := self._streams.get(stream)) is not None:
            found.again()

    def found(self, stream: StreamId) -> LiveStream | None:
        return self._streams.get(stream)

    def forget_device(self, device: DeviceId) -> None:
        for stream in self._of(device):
            self.withdraw(stream.id)
        self._offline.pop(device, None)

    # — names —

    def resolve(self, text: str) -> StreamId:
        """An id, one without its gateway part, an alias, or a device, whose first stream is meant."""
        if text in self._streams:
            return StreamId(text)
        if (named := self._aliases.get(text)) is not None:
            return named
        ref = parse_ref(text, home=self._gateway, kits=self.kits)
        if ref.channel and ref.stream_id in self._streams:
            return ref.stream_id
        if not ref.channel and (first := min((s.id for s in self._of(ref.device_id)), key=_natural, default=None)):
            return first
        raise NotFound(f"there is no stream {text[:120]!r}")

    def status(self, stream: StreamId) -> StreamStatus:
        return self._known(stream).status

    def of_gateway(self, gateway: str) -> Sequence[StreamStatus]:
        home = f"{gateway}/"
        return [one.status for one in self.live() if one.id.startswith(home)]

    def has(self, stream: StreamId) -> bool:
        return stream in self._streams

    def all(self) -> Sequence[StreamStatus]:
        return [stream.status for stream in self._streams.values()]

    def live(self) -> Sequence[LiveStream]:
        """Those with a stream in the media plane."""
        return [stream for stream in self._streams.values() if stream.open_handle is not None]

    def suits(self, track: Track, needs: Needs) -> bool:
        return not misfit(track, needs)

    def smaller(self, stream: LiveStream) -> StreamId | None:
        of = (one.id for one in self._of(stream.offer.device) if one.offer.larger == stream.id)
        return min(of, key=_natural, default=None)

    def want_key_frame(self, stream: StreamId) -> None:
        self._known(stream).want_key_frame()

    # — watching —

    async def still(self, stream: StreamId, who: Principal) -> bytes | None:
        """A picture that the device makes itself, without opening its stream; None where it has none or the stream is
        live anyway. A look at it is a look: it stands in the record."""
        found = self._known(stream)
        if found.offer.still is None or found.status.state is StreamState.LIVE:
            return None
        require(who, Action.STREAM_OPEN, stream)
        jpeg = await found.offer.still()
        self._audit.note(who, "view.start", stream, detail="still")
        return jpeg

    async def snapshot(self, stream: StreamId, who: Principal, height: int, quality: int) -> Snapshot | None:
        """One made where the stream comes from, without opening it here; None where that is not so, or it is live."""
        found = self._known(stream)
        if found.offer.snapshot is None or found.status.state is StreamState.LIVE:
            return None
        require(who, Action.STREAM_OPEN, stream)
        made = await found.offer.snapshot(height, quality)
        self._audit.note(who, "view.start", stream, detail="still")
        return made

    @asynccontextmanager
    async def view(self, stream: StreamId, who: Principal, kind: str) -> AsyncIterator[Viewing]:
        found = self._known(stream)
        if not allowed(who, Action.STREAM_OPEN, stream):
            self._audit.refused(who, "view.start", stream, code="denied", detail=kind)
            require(who, Action.STREAM_OPEN, stream)
        if self._sessions.count >= self._max_viewings():
            raise Busy(f"{self._sessions.count} viewings are open", code="too-many-viewers")
        with self._sessions.viewing(stream, who, kind) as info:
            self._audit.note(who, "view.start", stream, detail=kind)
            begun = asyncio.get_running_loop().time()
            found.joined()
            viewing = Viewing(self, found, self._transcoder)
            self._viewings[viewing] = who
            try:
                yield viewing
            finally:
                del self._viewings[viewing]
                viewing.close()
                found.left()
                seconds = asyncio.get_running_loop().time() - begun
                self._audit.note(who, "view.end", stream, detail=f"{info.kind} {seconds:.0f} s")

    def revoke(self, code: str, gone: Callable[[Principal, StreamId], bool]) -> None:
        """End the viewings of those who may not look any more."""
        for viewing, who in list(self._viewings.items()):
            if gone(who, viewing.stream):
                viewing.revoke(code)

    async def publish(self, offer: Offer, who: Principal) -> None:
        """Offer a stream for as long as its one attempt runs. Raises Busy if somebody publishes it already."""
        if not may_publish(who, offer.id):
            self._audit.refused(who, "publish.start", offer.id, code="denied", detail="talk")
            raise Denied(f"{who.name} ({who.role}) may not publish {offer.id}")
        found = self._streams.get(offer.id)
        if found is not None and found.state is not StreamState.REMOVED:
            raise Busy(f"{offer.id} is published already", code="busy")
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        source = offer.open

        async def once(publication: object) -> None:
            try:
                await source(publication)  # type: ignore[arg-type]
            except Exception as exc:
                if not over.done():
                    over.set_exception(exc)
                raise
            finally:
                if not over.done():
                    over.set_result(None)

        # Sending sound or a picture of one's own is an act as looking is: "talk" is its name in the record.
        self._audit.note(who, "publish.start", offer.id, detail=f"talk: {offer.title}")
        begun = asyncio.get_running_loop().time()
        try:
            self.offer(replace(offer, open=once, on_demand=False))
            await over
        finally:
            self.withdraw(offer.id)
            seconds = asyncio.get_running_loop().time() - begun
            self._audit.note(who, "publish.end", offer.id, detail=f"talk {seconds:.0f} s")

    # — the configuration, the end —

    def settings_changed(self) -> None:
        setting = self._setting()
        for stream in self._streams.values():
            stream.set(setting)

    async def close(self) -> None:
        """End every source in its own way (BYE), within the daemon's patience."""
        self._closing = True
        for stream in list(self._streams):
            self.withdraw(stream)
        while self._leaving:
            await asyncio.gather(*self._leaving, return_exceptions=True)
        await self.encoders.close()

    # — within —

    def _known(self, stream: StreamId) -> LiveStream:
        found = self._streams.get(stream)
        if found is None:
            raise NotFound(f"there is no stream {stream[:120]!r}")
        return found

    def _of(self, device: DeviceId) -> Iterator[LiveStream]:
        return iter([self._streams[id_] for id_ in sorted(self._by_device.get(device, ()))])

    def _unlist(self, stream: LiveStream) -> None:
        ids = self._by_device.get(stream.offer.device, set())
        ids.discard(stream.id)
        if not ids:
            self._by_device.pop(stream.offer.device, None)

    def _changed(self, status: StreamStatus) -> None:
        self._bus.publish("stream", status.id, status, gone=status.state is StreamState.REMOVED)
        for follow in self.followers:
            follow(status)


def _natural(text: str) -> tuple[bool, int, str]:
    """main before sub, ch2 before ch10."""
    return not text.endswith("/main"), len(text), text
