"""The adapter on the real media plane, with small stand-ins for the core, and sources as devices send them."""

from __future__ import annotations

import asyncio
import fractions
import math
import socket
import struct
from array import array
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import av

from adapters.webrtc import WebRtc
from adapters.webrtc.config import WebRtcConfig
from gateway import codecs
from gateway.contract.media import Offer
from gateway.model.ids import StreamId
from gateway.model.principal import Principal
from gateway.sim.encoder import Frame, VideoSettings
from gateway.sim.ps import H265, PsOptions
from gateway.sim.replay import Replay
from gateway.sim.rtp import RtpPacketizer
from gateway.sim.sound import tone
from tests.unit.webrtc.fakes import FakeContext, FakePublication, FakeStreams, FakeViewing, started

SMALL = VideoSettings(width=320, height=240, fps=25, bitrate=400_000, gop_s=1.0, audio=False)
BALL = "kit1/ball-1/ch1"


class EngineMedia:
    """contract.media.Media without the core: events of the engine to whoever owns the thing they speak of."""

    def __init__(self) -> None:
        self.engine = codecs.Engine(threads=1)
        self.events: list[codecs.Event] = []
        self._sessions: dict[int, Callable[[Any], None]] = {}
        self._subscriptions: dict[int, Callable[[Any], None]] = {}
        asyncio.get_running_loop().add_reader(self.engine.event_fd, self._drain)

    def _drain(self) -> None:
        for event in self.engine.drain():
            if isinstance(event, codecs.Datagram | codecs.SessionEvent):
                self._sessions.get(event.session, lambda _: None)(event)
                if isinstance(event, codecs.Datagram):
                    continue
            elif isinstance(event, codecs.SubscriptionEvent):
                self._subscriptions.get(event.subscription, lambda _: None)(event)
            self.events.append(event)

    def on_session(self, session: int, handler: Callable[[Any], None]) -> None:
        self._sessions[session] = handler

    def forget_session(self, session: int) -> None:
        self._sessions.pop(session, None)

    def on_subscription(self, subscription: int, handler: Callable[[Any], None]) -> None:
        self._subscriptions[subscription] = handler

    def forget_subscription(self, subscription: int) -> None:
        self._subscriptions.pop(subscription, None)

    @property
    def subscription(self) -> int:
        """The one subscription there is."""
        (only,) = self._subscriptions
        return only

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.engine.event_fd)
        self.engine.close()


class EnginePublication(FakePublication):
    engine: codecs.Engine

    def session(self, session: int, *, video: Any, audio: Any) -> EnginePublication:
        self.leg = self.engine.open_session_in(self.handle, session, video=list(video), audio=list(audio))
        return self

    def close(self) -> None:
        self.engine.close_leg(self.leg)


class EngineStreams(FakeStreams):
    """FakeStreams whose handles are streams of the engine."""

    def __init__(self, engine: codecs.Engine) -> None:
        super().__init__()
        self.engine = engine
        self.handles: dict[str, int] = {}

    def open(self, ident: str) -> int:
        self.add(ident)
        self.handles[ident] = self.engine.open_stream(ident)
        return self.handles[ident]

    @asynccontextmanager
    async def view(self, stream: StreamId, who: Principal, kind: str) -> AsyncIterator[FakeViewing]:
        async with super().view(stream, who, kind) as viewing:
            viewing.handle = self.handles[stream]
            yield viewing

    async def publish(self, offer: Offer, who: Principal) -> None:
        publication = EnginePublication(offer.id, self.open(offer.id))
        publication.engine = self.engine
        self.publications.append(publication)
        try:
            await offer.open(publication)  # type: ignore[arg-type]
        finally:
            del self.known[offer.id]
            self.engine.close_stream(self.handles.pop(offer.id))


class Kit:
    def __init__(self, **settings: Any) -> None:
        self.media = EngineMedia()
        self.engine = self.media.engine
        self.streams = EngineStreams(self.engine)
        self.context = FakeContext(None, self.media, self.streams)
        self.adapter = WebRtc(WebRtcConfig(**{"port": 0, **settings}), self.context)  # type: ignore[arg-type]
        self.call = self.context.http.call

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.media.events if isinstance(event, kind)]


@asynccontextmanager
async def kit(**settings: Any) -> AsyncIterator[Kit]:
    """Running, with nothing left behind on the way out."""
    made = Kit(**settings)
    task = await started(made.adapter.run(), made.context)
    try:
        yield made
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        stats = made.engine.engine_stats()
        assert (stats["sessions"], stats["subscriptions"], stats["ports"]) == (0, 0, 0), stats
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        made.media.close()


def udp_pair() -> tuple[socket.socket, socket.socket]:
    """A bound receiver and a sender connected to it."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    receiver.bind(("127.0.0.1", 0))
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sender.connect(receiver.getsockname())
    return receiver, sender


@asynccontextmanager
async def ball(kit: Kit, ident: str = BALL, settings: VideoSettings = SMALL) -> AsyncIterator[int]:
    """A device that sends a program stream over RTP into the stream `ident`; yields the stream's handle."""
    handle = kit.streams.handles.get(ident) or kit.streams.open(ident)
    receiver, sender = udp_pair()
    leg = kit.engine.open_rtp(handle, udp_fd=receiver.detach(), hint="ps")
    packetizer = RtpPacketizer(0x0100_0001)
    options = (
        PsOptions(audio=settings.audio, video_type=H265)
        if settings.codec == "h265"
        else PsOptions(audio=settings.audio)
    )
    source = Replay(settings)

    def feed(frame: Frame) -> None:
        for packet in packetizer.packets(frame.pack(options), frame.pts):
            sender.send(packet)

    source.attach(feed)
    try:
        yield handle
    finally:
        source.detach(feed)
        kit.engine.close_leg(leg)
        sender.close()


def opus_packets(seconds: float) -> list[bytes]:
    """20 ms packets of a 440 Hz tone."""
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48000, "stereo", "s16"
    encoder.time_base = fractions.Fraction(1, 48000)
    out = []
    for number in range(round(seconds * 50)):
        wave = array("h")
        for n in range(number * 960, (number + 1) * 960):
            wave.extend([round(12000 * math.sin(math.tau * 440 * n / 48000))] * 2)
        frame = av.AudioFrame(format="s16", layout="stereo", samples=960)
        frame.planes[0].update(wave.tobytes())
        frame.sample_rate, frame.pts = 48000, number * 960
        out += [bytes(packet) for packet in encoder.encode(frame)]
    return out


def loudest(frames: list[Any]) -> int:
    """The greatest sample of decoded s16 audio frames."""
    return max(max(map(abs, array("h", bytes(frame.planes[0])))) for frame in frames)


def pcma_packets(seconds: float) -> list[bytes]:
    return [tone(number * 160, 160) for number in range(round(seconds * 50))]


@asynccontextmanager
async def voice(kit: Kit, ident: str, codec: str) -> AsyncIterator[int]:
    """Raw RTP of one voice codec (`opus` or `pcma`), 50 packets a second."""
    handle = kit.streams.open(ident)
    receiver, sender = udp_pair()
    pt, clock, packets = (111, 48000, opus_packets(2)) if codec == "opus" else (8, 8000, pcma_packets(2))
    payloads = [codecs.RtpMap(pt, codec, clock)]
    leg = kit.engine.open_rtp(handle, udp_fd=receiver.detach(), payloads=payloads, hint=codec)

    def numbered() -> Iterator[bytes]:
        number = 0
        while True:
            head = struct.pack("!BBHII", 0x80, pt, number & 0xFFFF, number * clock // 50 & 0xFFFF_FFFF, 77)
            yield head + packets[number % len(packets)]
            number += 1

    async def play() -> None:
        due = asyncio.get_running_loop().time()
        for packet in numbered():
            sender.send(packet)
            due += 0.02
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))

    task = asyncio.create_task(play())
    try:
        yield handle
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        kit.engine.close_leg(leg)
        sender.close()
