"""Pictures for calls: a device that sends one into a stream, a phone's camera and screen, and a decoder."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import av

from adapters.sip.line import rtp_maps
from gateway import codecs
from gateway.sim.encoder import Frame, VideoSettings
from gateway.sim.ps import H265, PsOptions
from gateway.sim.replay import Replay, one_gop
from gateway.sim.rtp import RtpPacketizer
from tests.paths.sip_rig import Phone
from tests.paths.sip_sound import PATIENCE_S
from tests.peers.frames import FrameReader

SMALL = VideoSettings(width=320, height=240, fps=25, bitrate=400_000, gop_s=1.0, audio=False)


@asynccontextmanager
async def picture(engine: codecs.Engine, stream: int, settings: VideoSettings = SMALL) -> AsyncIterator[None]:
    """A device that sends a program stream over RTP into `stream`, at once: who waits for it waits for no encoder."""
    await asyncio.to_thread(one_gop, settings)
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    receiver.bind(("127.0.0.1", 0))
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sender.connect(receiver.getsockname())
    leg = engine.open_rtp(stream, udp_fd=receiver.detach(), hint="ps")
    packetizer = RtpPacketizer(0x0100_0001)
    options = PsOptions(audio=False, video_type=H265) if settings.codec == "h265" else PsOptions(audio=False)
    source = Replay(settings)

    def feed(frame: Frame) -> None:
        for packet in packetizer.packets(frame.pack(options), frame.pts):
            sender.send(packet)

    source.attach(feed)
    try:
        yield
    finally:
        source.detach(feed)
        engine.close_leg(leg)
        sender.close()


async def decoded(engine: codecs.Engine, stream: int, *, frames: int = 10) -> tuple[int, int]:
    """Decode so many pictures of a stream, from a key frame on; gives their size. Raises TimeoutError."""
    reader = FrameReader(engine, stream)
    try:
        decoder: Any = None
        seen = 0
        async with asyncio.timeout(PATIENCE_S):
            while True:
                unit = await reader.video()
                if decoder is None:
                    if not unit.key:
                        continue
                    decoder = av.CodecContext.create("hevc" if unit.codec == "h265" else "h264", "r")
                for image in decoder.decode(av.Packet(unit.annexb)):
                    seen += 1
                    if seen >= frames:
                        return image.width, image.height
    finally:
        engine.unsubscribe(reader.subscription)
        reader.close()


@asynccontextmanager
async def received(phone: Phone) -> AsyncIterator[int]:
    """The picture that a phone gets, as a stream of its own media plane."""
    media = await phone.media(lambda media: media.video is not None and media.video.receive)
    stream = phone.engine.open_stream("received", near=media.video.session)
    leg = phone.engine.open_session_in(stream, media.video.session, video=rtp_maps(media.video.receive), audio=[])
    try:
        yield stream
    finally:
        phone.engine.close_leg(leg)
        phone.engine.close_stream(stream)


@asynccontextmanager
async def sent(phone: Phone, settings: VideoSettings = SMALL) -> AsyncIterator[None]:
    """A phone's camera."""
    media = await phone.media(lambda media: media.video is not None and media.video.send)
    stream = phone.engine.open_stream("camera", near=media.video.session)
    subscription = phone.engine.subscribe_session(
        stream,
        media.video.session,
        video=rtp_maps(media.video.send),
        audio=[],
        video_ssrc=4711,
        video_rtx_ssrc=0,
        audio_ssrc=0,
        cname="camera",
    )
    try:
        async with picture(phone.engine, stream, settings):
            yield
    finally:
        phone.engine.unsubscribe(subscription)
        phone.engine.close_stream(stream)
