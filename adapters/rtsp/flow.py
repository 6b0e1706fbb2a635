"""What suits a reader or a server, and keeping it suited while the source changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from adapters.rtsp.protocol.describing import Described
from gateway import codecs
from gateway.base.errors import GatewayError, NotFound, RemoteProtocolError
from gateway.contract.media import Media, Needs, Viewing
from gateway.model.media import Codec, StreamState, TrackKind

log = logging.getLogger(__name__)

READERS = Needs(
    video=(Codec.H264, Codec.H265),
    audio=(Codec.AAC, Codec.OPUS, Codec.PCMA, Codec.PCMU, Codec.G722, Codec.L16),
)
"""RTSP has a payload format for all that we carry."""

_NONE = ("none", "no", "0", "off")


def wished(needs: Needs, wishes: Mapping[str, str]) -> Needs:
    """`?video=h264&audio=aac&height=360&fps=10&kbps=500`; "none" for a kind that is not wanted. Raises
    RemoteProtocolError (`bad-url`)."""
    try:
        if (video := wishes.get("video", "").lower()) in _NONE:
            needs = replace(needs, video=())
        elif video:
            needs = replace(needs, video=(_codec(video, TrackKind.VIDEO),))
        if (audio := wishes.get("audio", "").lower()) in _NONE:
            needs = replace(needs, audio=())
        elif audio:
            needs = replace(needs, audio=(_codec(audio, TrackKind.AUDIO),))
        return replace(
            needs,
            b_frames=wishes.get("b_frames", "1").lower() not in _NONE,
            max_height=_number(wishes.get("height", "0"), 16, 4320),
            max_fps=float(_number(wishes.get("fps", "0"), 1, 240)),
            max_bitrate_bps=_number(wishes.get("kbps", "0"), 8, 200_000) * 1000,
        )
    except ValueError as exc:
        raise RemoteProtocolError(f"the wishes behind ? can not be read: {exc}", code="bad-url") from exc


def _codec(text: str, kind: TrackKind) -> Codec:
    codec = Codec(text)
    if (codec in (Codec.H264, Codec.H265, Codec.MJPEG)) != (kind is TrackKind.VIDEO):
        raise ValueError(f"{codec} is no {kind}")
    return codec


def _number(text: str, low: int, high: int) -> int:
    value = int(text) if text.isascii() and len(text) <= 6 else -1
    if value and not low <= value <= high:
        raise ValueError(f"{text[:10]!r} is not {low} to {high}")
    return value


def narrowed(needs: Needs, chosen: Sequence[Described]) -> Needs:
    """What was described stays what it is: the reader can be told of no other codec."""
    video = tuple(one.track.codec for one in chosen if one.track.kind is TrackKind.VIDEO)
    audio = tuple(one.track.codec for one in chosen if one.track.kind is TrackKind.AUDIO)
    return replace(needs, video=video, audio=audio)


class Flow:
    """Keeps one subscription on a stream that suits its reader."""

    def __init__(self, media: Media, viewing: Viewing, needs: Needs, handle: int, protocol: str) -> None:
        self._media = media
        self._viewing = viewing
        self._needs = needs
        self._handle = handle
        self._protocol = protocol
        self._again = asyncio.Event()
        self._tracks: tuple[tuple[str, int], ...] = ()

    async def keep(self, subscription: int) -> None:
        """Until cancelled. Raises NotFound when the stream is no more."""
        self._media.on_subscription(subscription, self._heard)
        follow = asyncio.create_task(self._follow())
        try:
            while True:
                asked = asyncio.create_task(self._again.wait())
                try:
                    done, _ = await asyncio.wait({asked, follow}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    asked.cancel()
                if follow in done:
                    follow.result()
                    raise NotFound(f"{self._viewing.stream} is no more")
                self._again.clear()
                try:
                    suited = await self._viewing.suited(self._needs)
                except GatewayError as exc:
                    # It stays where it is; the stream's next change asks again.
                    log.warning("%s over %s: %s (%s)", self._viewing.stream, self._protocol, exc, exc.code)
                    continue
                if suited.handle != self._handle:
                    log.info("%s over %s: %s", self._viewing.stream, self._protocol, suited.converted or "as it is")
                    self._handle = suited.handle
                    self._media.engine.move_subscription(subscription, suited.handle)
        finally:
            self._media.forget_subscription(subscription)
            follow.cancel()
            await asyncio.gather(follow, return_exceptions=True)

    async def _follow(self) -> None:
        async with aclosing(self._viewing.changes()) as changes:  # type: ignore[type-var]
            async for status in changes:
                if status.state is StreamState.REMOVED:
                    return
                tracks = tuple((track.codec.value, track.generation) for track in status.tracks)
                if tracks and tracks != self._tracks:
                    self._tracks = tracks
                    self._again.set()

    def _heard(self, event: codecs.SubscriptionEvent) -> None:
        if event.state == "refused" and event.code != "link-down":
            self._again.set()
        elif event.state in ("congested", "recovered"):
            log.info("%s over %s: %s", self._viewing.stream, self._protocol, event.state)
