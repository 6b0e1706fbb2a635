"""How we describe a stream to readers and to servers: payload types, parameter sets, controls (RFC 8866)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.rtsp.protocol.described import Payload, safe_name
from gateway.model.media import Codec, Track, TrackKind
from gateway.wire.sdp.text import Attributes, Media, Sdp

_PTS = {
    Codec.H264: 96,
    Codec.H265: 96,
    Codec.MJPEG: 26,
    Codec.AAC: 97,
    Codec.OPUS: 97,
    Codec.L16: 97,
    Codec.PCMU: 0,
    Codec.PCMA: 8,
    Codec.G722: 9,
}
_NAMES = {
    Codec.H264: "H264",
    Codec.H265: "H265",
    Codec.MJPEG: "JPEG",
    Codec.AAC: "MPEG4-GENERIC",
    Codec.OPUS: "opus",
    Codec.L16: "L16",
    Codec.PCMU: "PCMU",
    Codec.PCMA: "PCMA",
    Codec.G722: "G722",
}
# ISO/IEC 14496-3 table 1.18.
_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_VPS, _SPS, _PPS = 32, 33, 34


@dataclass(frozen=True, slots=True)
class Described:
    """One track as it goes out."""

    track: Track
    payload: Payload
    control: str

    @property
    def kind(self) -> str:
        return self.track.kind.value


def described(tracks: Sequence[Track], control: str = "trackID={}") -> tuple[Described, ...]:
    """The first picture and the first sound, as they go out."""
    out: list[Described] = []
    for kind in (TrackKind.VIDEO, TrackKind.AUDIO):
        track = next((t for t in tracks if t.kind is kind and t.codec in _PTS), None)
        if track is not None:
            out.append(Described(track, _payload(track), control.format(len(out))))
    return tuple(out)


def write_description(tracks: Sequence[Described], title: str, address: str) -> bytes:
    media = tuple(_media(one) for one in tracks)
    ipv6 = ":" in address
    return bytes(
        Sdp(
            origin_id="1",
            origin_version="1",
            origin_address=address or "127.0.0.1",
            name=safe_name(title),
            connection="::" if ipv6 else "0.0.0.0",  # noqa: S104 - RFC 2326 §C.1.7: the addresses of SETUP count
            attributes=(("control", "*"), ("range", "npt=now-")),
            media=media,
        )
    )


def _media(one: Described) -> Media:
    payload, track = one.payload, one.track
    name = _NAMES[track.codec]
    suffix = f"/{track.channels if track.codec is not Codec.OPUS else 2}"
    rate = f"{name}/{payload.clock_hz}{suffix if track.kind is TrackKind.AUDIO and _says_channels(track) else ''}"
    lines: list[tuple[str, str | None]] = [("rtpmap", f"{payload.pt} {rate}")]
    if payload.fmtp:
        lines.append(("fmtp", f"{payload.pt} {payload.fmtp}"))
    lines.append(("control", one.control))
    attributes: Attributes = tuple(lines)
    return Media(track.kind.value, 0, "RTP/AVP", (str(payload.pt),), attributes)


def _says_channels(track: Track) -> bool:
    return track.codec is Codec.OPUS or track.channels > 1


def _payload(track: Track) -> Payload:
    clock = track.clock_hz
    if track.kind is TrackKind.VIDEO:
        clock = 90_000
    elif track.codec is Codec.OPUS:
        clock = 48_000  # RFC 7587 §4.1
    elif track.codec is Codec.G722:
        clock = 8000  # RFC 3551 §4.5.2
    return Payload(_PTS[track.codec], track.codec.value, clock, track.channels, _fmtp(track))


def _fmtp(track: Track) -> str:
    match track.codec:
        case Codec.H264:
            return _h264(track.sprop)
        case Codec.H265:
            return _h265(track.sprop)
        case Codec.AAC:
            config = aac_config(track.clock_hz, track.channels)
            return (
                "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;"
                f"config={config}"
            )
        case Codec.OPUS:
            return f"sprop-stereo={int(track.channels > 1)}"
        case _:
            return ""


def _h264(sprop: str) -> str:
    out = "packetization-mode=1"
    sets = _sets(sprop)
    sps = next((nalu for nalu in sets if nalu[0] & 0x1F == 7 and len(nalu) > 3), None)
    if sps is not None:
        out += f";profile-level-id={sps[1:4].hex()};sprop-parameter-sets={sprop}"
    return out


def _h265(sprop: str) -> str:
    by_kind: dict[int, list[str]] = {}
    for text, nalu in zip(sprop.split(","), _sets(sprop), strict=False):
        by_kind.setdefault(nalu[0] >> 1 & 0x3F, []).append(text)
    named = ((_VPS, "sprop-vps"), (_SPS, "sprop-sps"), (_PPS, "sprop-pps"))
    return ";".join(f"{name}={','.join(by_kind[kind])}" for kind, name in named if kind in by_kind)


def _sets(sprop: str) -> list[bytes]:
    out = []
    for text in sprop.split(","):
        try:
            nalu = base64.b64decode(text, validate=True)
        except binascii.Error:
            continue
        if len(nalu) > 1:
            out.append(nalu)
    return out


def aac_config(clock_hz: int, channels: int) -> str:
    """AudioSpecificConfig of AAC-LC in hexadecimal (ISO/IEC 14496-3 §1.6.2.1)."""
    layout = channels if channels <= 6 else 7
    if clock_hz in _RATES:
        return f"{2 << 11 | _RATES.index(clock_hz) << 7 | layout << 3:04x}"
    return f"{(2 << 35 | 15 << 31 | clock_hz << 7 | layout << 3):010x}"
