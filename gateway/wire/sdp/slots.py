"""The m-lines of one call as they stand: payload types and keys that stay over re-offers, and how a line is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from gateway.wire.sdp.agreed import Agreed, PayloadType
from gateway.wire.sdp.capability import Codec, Direction, Fingerprint, LocalMedia
from gateway.wire.sdp.crypto import CryptoLine, key_bytes
from gateway.wire.sdp.h264 import H264
from gateway.wire.sdp.text import Media
from gateway.wire.sdp.transport import Role

_DYNAMIC = (*range(96, 128), *range(35, 64))  # 64 to 95 would be taken for RTCP on a muxed port (RFC 5761 §4)

FormatKey = tuple[str, int, int, str]


def key_of(codec: Codec) -> FormatKey:
    """What makes two formats the same over the life of a call."""
    more = ""
    if codec.name == "h264":
        fmtp = H264.parse(codec.fmtp)
        more = f"{fmtp.mode} {fmtp.profile}"
    return (codec.name, codec.clock_hz, codec.channels, more)


@dataclass(slots=True)
class Slot:
    """One m-line's place. `formats` are those last written by either side, echoed when it is refused."""

    kind: str
    proto: str
    formats: tuple[str, ...] = ("0",)
    ours: bool = False  # carries media of ours
    pts: dict[int, FormatKey] = field(default_factory=dict)  # what our payload types mean, for the whole call
    keys: dict[str, CryptoLine] = field(default_factory=dict)  # our key by suite, kept while the line lives
    role: Role | None = None
    peer_prints: tuple[Fingerprint, ...] = ()
    agreed: Agreed | None = None

    def copy(self) -> Slot:
        return replace(self, pts=dict(self.pts), keys=dict(self.keys))

    def pt_for(self, codec: Codec, wanted: int | None = None) -> int | None:
        """Our payload type of a codec: the one it always had, else `wanted`, its own wish, or a free one; None when
        all are taken."""
        key = key_of(codec)
        held = [pt for pt, known in self.pts.items() if known == key]
        if wanted is not None and wanted in held:
            return wanted
        if wanted is None and held:
            return held[-1]
        tries: list[int | None] = [wanted, codec.pt, *_DYNAMIC]
        for pt in tries:
            if pt is not None and pt not in self.pts:
                self.pts[pt] = key
                return pt
        return held[-1] if held else None

    def key_for(self, suite: str, tag: int, random: Callable[[int], bytes]) -> CryptoLine:
        """Our key of a suite: the one in use, so that a re-offer does not re-key (RFC 4568 §7.1.4)."""
        held = self.keys.get(suite)
        if held is None:
            held = CryptoLine.make(tag, suite, random(key_bytes(suite)))
        line = self.keys[suite] = replace(held, tag=tag)
        return line


def refused(kind: str, proto: str, formats: tuple[str, ...]) -> Media:
    """A line at port 0 (RFC 3264 §6: its place stays, one format must stand)."""
    return Media(kind, 0, proto, formats[:1] or ("0",))


def written(
    media: LocalMedia,
    proto: str,
    formats: Sequence[PayloadType],
    direction: Direction,
    session_host: str,
    *,
    mux: bool,
    crypto: Sequence[CryptoLine] = (),
    fingerprint: Fingerprint | None = None,
    setup: str = "",
) -> Media:
    """Our m-line, in the order that most parsers in the field were tried with."""
    attributes: list[tuple[str, str | None]] = []
    for p in formats:
        channels = f"/{p.codec.channels}" if p.codec.channels > 1 else ""
        name = p.codec.name if p.codec.name in ("opus", "telephone-event") else p.codec.name.upper()
        attributes.append(("rtpmap", f"{p.pt} {name}/{p.codec.clock_hz}{channels}"))
        if p.codec.fmtp:
            attributes.append(("fmtp", f"{p.pt} {p.codec.fmtp}"))
        attributes += [("rtcp-fb", f"{p.pt} {value}") for value in p.codec.feedback]
    if media.kind == "audio":
        attributes.append(("ptime", str(media.ptime_ms)))
        if media.maxptime_ms:
            attributes.append(("maxptime", str(media.maxptime_ms)))
    rtcp_port = media.rtcp_port or media.port + 1
    if rtcp_port != media.port + 1:
        attributes.append(("rtcp", str(rtcp_port)))
    if mux:
        attributes.append(("rtcp-mux", None))
    attributes += [("crypto", str(line)) for line in crypto]
    if fingerprint is not None:
        attributes.append(("fingerprint", f"{fingerprint.algorithm} {fingerprint.value}"))
        attributes.append(("setup", setup))
    if media.ssrc:
        attributes.append(("ssrc", f"{media.ssrc} cname:{media.cname or '-'}"))
    attributes.append((direction, None))
    return Media(
        media.kind,
        media.port,
        proto,
        tuple(str(p.pt) for p in formats),
        tuple(attributes),
        None if media.host == session_host else media.host,
        1,
        (("b", f"AS:{media.bandwidth_kbps}"),) if media.bandwidth_kbps else (),
    )
