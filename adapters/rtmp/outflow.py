"""A stream going out over a link, to a player or to another server: what suits the far side, kept suited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from adapters.rtmp.link import Link
from adapters.rtmp.protocol.amf import Value
from gateway import codecs
from gateway.contract.media import Media, Needs, Suited, Viewing
from gateway.model.media import Codec, Track, TrackKind
from gateway.net.suiting import Suiting

UNKNOWN_S = 7.0
"""A wire that nobody binds is closed after ten seconds: until then the source's tracks should be known, else the
connection waits within the source's own stream."""

_FLV_IDS: dict[Codec, float] = {
    Codec.H264: 7.0,
    Codec.H265: float(int.from_bytes(b"hvc1")),
    Codec.AAC: 10.0,
    Codec.PCMA: 7.0,
    Codec.PCMU: 8.0,
    Codec.OPUS: float(int.from_bytes(b"Opus")),
}


def needs(takes: frozenset[str]) -> Needs:
    """What a peer with these FourCCs takes; H.264 and AAC are what every one does."""
    every = "*" in takes
    video = (Codec.H264, Codec.H265) if every or "hvc1" in takes else (Codec.H264,)
    audio = (Codec.AAC, Codec.OPUS) if every or "Opus" in takes else (Codec.AAC,)
    return Needs(video=video, audio=audio)


def is_enhanced(wanted: Needs) -> bool:
    return Codec.H265 in wanted.video or Codec.OPUS in wanted.audio


def metadata(tracks: tuple[Track, ...]) -> dict[str, Value]:
    """onMetaData of what is sent."""
    out: dict[str, Value] = {"encoder": f"Fieldgate {codecs.VERSION}"}
    for track in tracks:
        if track.kind is TrackKind.VIDEO:
            out |= {"width": float(track.width), "height": float(track.height)}
            out["videocodecid"] = _FLV_IDS.get(track.codec, 7.0)
        else:
            out |= {"audiosamplerate": float(track.clock_hz), "stereo": track.channels > 1}
            out["audiocodecid"] = _FLV_IDS.get(track.codec, 10.0)
    return out


class Outflow:
    def __init__(
        self,
        media: Media,
        link: Link,
        viewing: Viewing,
        wanted: Needs,
        queue_bytes: int,
        told: Callable[[Suited], None],
    ) -> None:
        """`told` is called when what is sent becomes known, or another."""
        self._media = media
        self._link = link
        self._viewing = viewing
        self._wanted = wanted
        self._queue_bytes = queue_bytes
        self._told = told
        self._sent: tuple[Track, ...] = ()

    async def run(self, message_stream: int, accepted: Callable[[Suited | None], None]) -> None:
        """Until cancelled or the stream is no more. `accepted` is called before the first media goes; with None while
        the source's tracks are not known. Raises what `Viewing.suited` raises at first."""
        first = asyncio.create_task(self._suits())
        try:
            done, _ = await asyncio.wait({first}, timeout=UNKNOWN_S)
            suited = first.result() if done else None
            accepted(suited)
            self._sent = suited.tracks if suited is not None else ()
            handle = suited.handle if suited is not None else self._viewing.handle
            subscription = self._link.bind_out(
                handle,
                message_stream=message_stream,
                enhanced=is_enhanced(self._wanted),
                queue_bytes=self._queue_bytes,
            )
            try:
                kept = Suiting(self._media, self._viewing, "RTMP", self._suits)
                await kept.keep(subscription, handle, first=None if done else first, told=self._fits)
            finally:
                self._media.engine.unsubscribe(subscription)
        finally:
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)

    async def _suits(self) -> Suited:
        return await self._viewing.suited(self._wanted)

    def _fits(self, suited: Suited) -> None:
        if suited.tracks != self._sent:
            self._sent = suited.tracks
            self._told(suited)
