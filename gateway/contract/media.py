"""Streams, publications and the media plane as adapters see them."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from gateway import codecs
from gateway.model.ids import DeviceId, StreamId
from gateway.model.media import Codec, Snapshot, StreamStatus, Track, TrackKind
from gateway.model.principal import Principal


class Media(Protocol):
    """The media plane, with its events handed to whoever owns the thing they speak of."""

    @property
    def engine(self) -> codecs.Engine: ...

    def bind_rtp_pair(self, host: str) -> tuple[socket.socket, socket.socket]:
        """A UDP and a listening TCP socket on one even port of `media.rtp_ports`, non-blocking, SO_RCVBUF raised.

        On `media.rtp_host` where that is set, else on `host`: ask the socket which it was.
        Raises Busy (`ports-exhausted`).
        """

    def on_session(self, session: int, handler: Callable[[codecs.Datagram | codecs.SessionEvent], None]) -> None:
        """Events of a WebRTC session go to `handler` on the event loop until `forget_session`."""

    def forget_session(self, session: int) -> None: ...

    def on_subscription(self, subscription: int, handler: Callable[[codecs.SubscriptionEvent], None]) -> None: ...
    def forget_subscription(self, subscription: int) -> None: ...

    def on_voice(self, voice: int, handler: Callable[[codecs.VoiceEvent], None]) -> None:
        """Events of an audio leg that is not seated; a Seat hears them itself (`Seat.heard`)."""

    def forget_voice(self, voice: int) -> None: ...

    def on_wire(self, wire: int, handler: Callable[[codecs.WireEvent], None]) -> None:
        """Events of a wire, or of the leg or subscription that it was bound as. Hand over the new handle at once after
        `bind_in` or `bind_out`: what came between is kept for it."""

    def forget_wire(self, wire: int) -> None: ...

    def on_bundle(self, bundle: int, handler: Callable[[codecs.BundleEvent], None]) -> None:
        """Events of a link bundle, one's own (`bundle_dial`, which say nothing before the caller gives way to the loop)
        or one that came in by a door."""

    def forget_bundle(self, bundle: int) -> None: ...

    def on_door(self, door: int, handler: Callable[[codecs.BundleEvent], None]) -> None:
        """Refusals at a door, and events of those of its bundles that nobody has taken with `on_bundle`: `up` first."""

    def forget_door(self, door: int) -> None: ...


class IngestLeg(Protocol):
    """A way in for one source's packets, owned by a Publication and closed with it."""

    @property
    def handle(self) -> int: ...

    def attach_tcp(self, connection: socket.socket, initial: bytes = b"") -> None:
        """Hand a connected socket (RFC 4571) to the media plane; it is detached from Python."""

    async def first_media(self, timeout_s: float) -> str:
        """Wait for the first valid packet; returns the payload found. Raises LinkDown (`no-media`) on time-out."""

    async def ended(self) -> str:
        """Wait until the leg has ended or has been stalled for the stream's patience; returns the reason code."""

    def close(self) -> None: ...


class Publication(Protocol):
    """The writing end of a stream while its `open` runs."""

    @property
    def stream(self) -> StreamId: ...

    @property
    def handle(self) -> int:
        """The media plane's stream."""

    def say(self, code: str, detail: str = "") -> None:
        """What it waits for now (`opening`, `waiting-media`, …): shown to viewers as it is."""

    def remark(self, code: str, detail: str = "") -> None:
        """A thing to be told of this attempt while it is live (`track-left-out`)."""

    def rtp(
        self,
        udp: socket.socket | None,
        *,
        ssrc: int | None = None,
        strict_ssrc: bool = False,
        payloads: Sequence[codecs.RtpMap] = (),
        hint: str = "",
    ) -> IngestLeg:
        """Open an ingest leg; a newer leg takes over at its first key frame."""

    def session(self, session: int, *, video: Sequence[codecs.RtpMap], audio: Sequence[codecs.RtpMap]) -> IngestLeg:
        """Media of an armed WebRTC session as source (WHIP)."""

    def leg(self, handle: int) -> IngestLeg:
        """Own a leg that was opened on `handle` by the engine itself (`open_rtsp_in`, `open_bytes_in`, `open_ts_in`,
        `open_frames_in`, `bind_in`): told, timed and closed with the publication as those of `rtp`."""

    @property
    def stall_ms(self) -> int:
        """What to open such a leg with."""

    def on_key_frame_wanted(self, ask: Callable[[], Awaitable[None]]) -> None:
        """`ask` is awaited when a viewer needs a key frame; the core limits how often."""

    def on_data(self, heard: Callable[[codecs.DataEvent], None]) -> None:
        """Timed data of the source (KLV, list of programmes)."""


Open = Callable[[Publication], Awaitable[None]]
"""Runs while the stream is wanted: opens the source and returns or raises when it ended. Cancelled when the last
viewer has left (idle close); its `finally` ends the call. Any return or GatewayError is retried with backoff while
somebody watches; the error's code is what viewers read meanwhile."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A stream that can be had. Offering an id again replaces the offer; viewers stay."""

    id: StreamId
    device: DeviceId
    title: str
    open: Open
    on_demand: bool = True  # False: opened at once and kept open
    idle_close_s: float | None = None  # None: streams.idle_close of the configuration
    alias: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    near: int | None = None  # a media-plane session on whose thread the stream shall live
    still: Callable[[], Awaitable[bytes]] | None = None  # a JPEG of now, made by the device: no stream is opened for it
    snapshot: Callable[[int, int], Awaitable[Snapshot]] | None = None
    """The same made where the stream comes from (a kit), in the height (0: as it is) and quality that are asked for."""
    larger: StreamId | None = None  # this is the smaller picture of the same lens as that one
    encoder: Callable[[int], Awaitable[None]] | None = None
    """Has the device's encoder send at most so many bit/s of it, 0: as it did before. Raises GatewayError."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a viewer, program or output can take. Empty `video` or `audio`: it wants none of that kind."""

    video: tuple[Codec, ...] = (Codec.H264, Codec.H265)  # the preferred first
    audio: tuple[Codec, ...] = (Codec.AAC,)
    b_frames: bool = True
    max_height: int = 0  # 0: as the source has it
    max_fps: float = 0.0
    max_bitrate_bps: int = 0
    mixes: bool = False
    """The media plane makes G.711, G.722, Opus and L16 of each other on the way to it (subscriptions of sessions, of
    RTP and of RTSP): one of them that it takes is enough."""

    def begun(self, tracks: Sequence[Track]) -> Needs:
        """Of a reader that was begun with `tracks` and follows no other codec within them. A picture that is no H.264
        is not held to: nothing else is made."""
        video = tuple(track.codec for track in tracks if track.kind is TrackKind.VIDEO and track.codec is Codec.H264)
        audio = tuple(track.codec for track in tracks if track.kind is TrackKind.AUDIO and track.codec in self.audio)
        return replace(self, video=video or self.video, audio=audio or self.audio)


@dataclass(frozen=True, slots=True)
class Suited:
    """A stream of the media plane that fits what was needed: the source's own, or a rendition made of it."""

    handle: int
    tracks: tuple[Track, ...]
    converted: str = ""  # in words for people: "h265 → h264, aac → opus"; "" when it is passed through
    missing: tuple[
        tuple[str, str], ...
    ] = ()  # (kind, reason code) of what it goes without: ("audio", "convert-budget")
    rendition: str = ""  # its name among StreamStatus.renditions; "" when it is the source's own


class Viewing(Protocol):
    """One viewer's hold on a stream; while one is open the source is kept open."""

    @property
    def stream(self) -> StreamId: ...

    @property
    def handle(self) -> int:
        """The media plane's stream: it stays the same over every outage of the source."""

    @property
    def status(self) -> StreamStatus: ...

    @property
    def tracks(self) -> Sequence[Track]:
        """The tracks known so far; empty before the first media."""

    def changes(self) -> AsyncIterator[StreamStatus]:
        """Every change of the stream's status, latest wins when the reader is slow. Starts with the present one."""

    async def suited(self, needs: Needs) -> Suited:
        """What to subscribe to so that `needs` are met; waits until the source's tracks are known.

        The source's own stream where it fits; else a rendition, made once for all who need the same and kept while a
        viewing that asked for it is open. Ask again when `changes` tells other tracks, or a subscription was refused:
        the same handle means go on. Raises Busy (`convert-budget`), Unsupported (`convert-unavailable`, `av1`, …).
        """

    @property
    def smaller(self) -> StreamId | None:
        """The next smaller picture that the device itself makes of the same lens."""

    async def limit(self, bps: int) -> bool:
        """Wish, while this viewing lasts, that the device's own encoder sends no more; 0 takes the wish back. False
        where it can not be told. All who watch see what it makes then: for small pictures that few need."""


class Streams(Protocol):
    def offer(self, offer: Offer) -> None: ...

    def withdraw(self, stream: StreamId) -> None:
        """The stream no longer exists (not: is offline). Its viewers are told and let go."""

    def device_online(self, device: DeviceId, online: bool, code: str = "") -> None:
        """Offline: its streams say so and wait. Online again: streams with viewers are opened at once."""

    def resolve(self, text: str) -> StreamId:
        """An id, one without its gateway part, or an alias. Raises NotFound."""

    def status(self, stream: StreamId) -> StreamStatus: ...

    def of_gateway(self, gateway: str) -> Sequence[StreamStatus]:
        """How the streams of a kit stand here."""

    def view(self, stream: StreamId, who: Principal, kind: str) -> AbstractAsyncContextManager[Viewing]:
        """Hold a stream open while the context lasts. Rights are checked and the act audited here.

        Raises NotFound, Denied, or Busy (`too-many-viewers`).
        """

    def suits(self, track: Track, needs: Needs) -> bool:
        """Whether a track is taken as it is."""

    async def publish(self, offer: Offer, who: Principal) -> None:
        """For pushed sources (WHIP): offer a stream that lives as long as this coroutine runs and is open at once."""
