"""What a server's, or a sender's, description offers, and what of it is taken (RFC 2326 Annex C, RFC 8866)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.base.errors import RemoteProtocolError, Unsupported
from gateway.wire.rtsp import join_control
from gateway.wire.sdp.text import Media, RtpMap, Sdp

# SDP's names of what the media plane takes in (`RtpMap.codec`).
_VIDEO = {
    "H264": "h264",
    "H265": "h265",
    "HEVC": "h265",
    "JPEG": "mjpeg",
    "MPV": "mpeg2video",
    "MP2T": "ts",
    "MP2P": "ps",
    "PS": "ps",
}
_AUDIO = {
    "MPEG4-GENERIC": "mpeg4-generic",
    "MP4A-LATM": "mp4a-latm",
    "PCMA": "pcma",
    "PCMU": "pcmu",
    "OPUS": "opus",
    "G722": "g722",
    "MPA": "mp2",
}
_TALK = {"PCMU": "pcmu", "PCMA": "pcma", "G722": "g722", "OPUS": "opus", "L16": "l16"}
# Of RFC 3551 tables 4 and 5 those that are met and not taken, by name.
_STATIC = {"3": "GSM", "4": "G723", "18": "G729", "34": "H263"}
# What people call what SDP calls otherwise.
_SPOKEN = {"MP4V-ES": "MPEG-4 part 2", "AC3": "AC-3", "EAC3": "E-AC-3"}
# Of those tables, what is taken and often said by its number alone.
_BY_NUMBER = (RtpMap(26, "JPEG", 90_000), RtpMap(32, "MPV", 90_000), RtpMap(14, "MPA", 90_000))
_NAMES = re.compile(r"[^A-Za-z0-9.\-]")
MAX_TRACKS = 16


@dataclass(frozen=True, slots=True)
class Payload:
    """One payload type as the media plane takes it."""

    pt: int
    codec: str
    clock_hz: int
    channels: int = 1
    fmtp: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """One m= line. `control` is its whole URI. Without `payloads` none of its codecs can be taken."""

    kind: str  # "video" or "audio"
    control: str
    payloads: tuple[Payload, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """`tracks`: at most one picture and one sound. `talk`: the back channel, where there is one. `passed_over` names
    what was not taken. `control` is that of the whole."""

    control: str
    tracks: tuple[Offered, ...]
    talk: Offered | None = None
    passed_over: tuple[str, ...] = ()
    title: str = ""
    left_out: tuple[Offered, ...] = ()
    """The m= lines behind `passed_over`."""
    missing: str = ""
    """The picture or sound that was not taken, where nothing else of its kind was: its codec by name, as all languages
    have it."""


def read_description(body: bytes, base: str, *, sends: bool = False) -> Description:
    """`base`: Content-Base, Content-Location or the URI asked for. `sends`: it is a sender's own (ANNOUNCE).

    Raises RemoteProtocolError (`rtsp-sdp`), Unsupported (`source-codec`) where nothing in it can be taken.
    """
    try:
        sdp = Sdp.parse(body)
    except RemoteProtocolError as exc:
        raise RemoteProtocolError(f"the description can not be read: {exc}", code="rtsp-sdp") from exc
    whole = join_control(base, sdp.attribute("control"))
    found: dict[str, Offered] = {}
    talk: Offered | None = None
    passed: list[str] = []
    left: list[Offered] = []
    named: list[tuple[str, str]] = []
    for media in sdp.media[:MAX_TRACKS]:
        names = ", ".join(_SPOKEN.get(m.encoding.upper(), m.encoding) for m in _maps(media)) or "/".join(
            _STATIC.get(one, one) for one in media.formats[:4]
        )
        # A relative control counts from the base, also where the whole has a control of its own.
        control = join_control(base, media.attribute("control") or whole)
        if media.kind not in ("video", "audio") or not media.proto.upper().startswith(("RTP/", "TCP/RTP")):
            passed.append(_printable(f"{media.kind} {names}"))
            left.append(Offered(media.kind, control, ()))
            continue
        if media.direction == "sendonly" and media.kind == "audio" and not sends:
            # ONVIF Streaming Specification §5.3: what the camera receives.
            payloads = _payloads(media, _TALK)
            talk = talk or (Offered("audio", control, payloads) if payloads else None)
            continue
        payloads = _payloads(media, _VIDEO if media.kind == "video" else _AUDIO)
        if not payloads or media.kind in found:
            passed.append(_printable(f"{media.kind} {names}"))
            left.append(Offered(media.kind, control, ()))
            named.append((media.kind, _printable(names)))
            continue
        found[media.kind] = Offered(media.kind, control, payloads)
    if not found and talk is None:
        raise Unsupported(
            ", ".join(name for _, name in named)[:200] or f"SDP: {', '.join(passed)[:200]}".rstrip(": "),
            code="source-codec",
        )
    tracks = tuple(found[kind] for kind in ("video", "audio") if kind in found)
    lacking = [name for kind, name in named if kind not in found]
    return Description(
        whole,
        tracks,
        talk,
        tuple(passed),
        _printable(sdp.name if sdp.name != "-" else ""),
        tuple(left),
        ", ".join(lacking)[:200],
    )


def _maps(media: Media) -> tuple[RtpMap, ...]:
    maps = media.rtpmaps
    said = {one.pt for one in maps}
    return (*maps, *(one for one in _BY_NUMBER if str(one.pt) in media.formats and one.pt not in said))


def _payloads(media: Media, names: dict[str, str]) -> tuple[Payload, ...]:
    out = []
    for found in _maps(media):
        codec = names.get(found.encoding)
        if codec is None:
            continue
        fmtp = _fmtp(media, found.pt)
        if codec == "mpeg4-generic" and "mode" in fmtp.lower() and "aac" not in fmtp.lower():
            continue
        # RFC 6184 and its like know 90 kHz only; what is said else is a slip of the device's.
        clock = 90_000 if media.kind == "video" else found.clock_hz
        if not 1000 <= clock <= 192_000:
            continue
        channels = found.channels if codec == "l16" else 1
        out.append(Payload(found.pt, codec, clock, min(channels, 2), fmtp))
    return tuple(out[:8])


def _fmtp(media: Media, pt: int) -> str:
    values = media.attributes_of("fmtp")
    for value in values:
        number, _, rest = value.partition(" ")
        if number.strip() == str(pt):
            return rest.strip()[:4096]
    # Some devices write the number of another line: with one format it can be meant for that one only.
    return values[0].partition(" ")[2].strip()[:4096] if len(values) == 1 and len(media.formats) == 1 else ""


def _printable(text: str) -> str:
    return "".join(ch for ch in text if ch.isprintable())[:200]


def safe_name(text: str) -> str:
    """For `s=`."""
    return _NAMES.sub("-", text)[:64] or "-"
