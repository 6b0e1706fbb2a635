"""What suits a reader or a server, and keeping it suited while the source changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from adapters.rtsp.protocol.describing import Described
from gateway.base.errors import RemoteProtocolError
from gateway.contract.media import Media, Needs, Suited, Viewing
from gateway.model.media import Codec, TrackKind
from gateway.net.suiting import Suiting

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


async def keep_suited(
    media: Media, viewing: Viewing, needs: Needs, suited: Suited, protocol: str, subscription: int
) -> None:
    """The subscription, that is on `suited`, stays on what suits. Until cancelled; raises NotFound when the stream is
    no more, and what `suited` raises when the source came back with what was not described: RTSP has no word for
    another codec, and who connects again is told of it."""
    kept = Suiting(media, viewing, protocol, lambda: viewing.suited(needs))
    await kept.keep(subscription, suited.handle, patient=False)
