"""Payload formats of an m-line: read, compared, chosen (RFC 3264 §6.1, RFC 4733, RFC 6184 §8.2.2, RFC 7587, 7798)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.wire.sdp.agreed import PayloadType
from gateway.wire.sdp.capability import Codec
from gateway.wire.sdp.h264 import H264
from gateway.wire.sdp.text import Media

MAX_FORMATS = 128  # read of one m-line: there are no more payload types

_STATIC_MORE = {"10": Codec("l16", 44100, 2), "11": Codec("l16", 44100, 1), "13": Codec("cn", 8000)}


def params_of(fmtp: str) -> dict[str, str]:
    """`name=value; name=value` of a=fmtp, names in lower case."""
    out: dict[str, str] = {}
    for piece in fmtp.split(";"):
        name, _, value = piece.partition("=")
        if name.strip():
            out.setdefault(name.strip().lower(), value.strip())
    return out


def formats_of(media: Media) -> list[PayloadType]:
    """The formats of a peer's m-line in its order, each with its fmtp and feedback. What is malformed is left out."""
    maps = {m.pt: m for m in media.rtpmaps}
    fmtp: dict[str, str] = {}
    for value in media.attributes_of("fmtp"):
        pt, _, text = value.partition(" ")
        fmtp.setdefault(pt.strip(), text.strip())
    feedback: dict[str, list[str]] = {}
    for value in media.attributes_of("rtcp-fb")[: 4 * MAX_FORMATS]:
        pt, _, text = value.partition(" ")
        feedback.setdefault(pt.strip(), []).append(" ".join(text.lower().split()))
    found: list[PayloadType] = []
    for fmt in dict.fromkeys(media.formats[:MAX_FORMATS]):
        if not fmt.isascii() or not fmt.isdigit() or len(fmt) > 3 or int(fmt) > 127:
            continue
        said = maps.get(int(fmt))
        codec = _STATIC_MORE.get(fmt) if said is None else _codec(said.encoding, said.clock_hz, said.channels)
        if codec is None:
            continue
        takes = tuple(dict.fromkeys(feedback.get(fmt, []) + feedback.get("*", [])))
        found.append(PayloadType(int(fmt), replace(codec, fmtp=fmtp.get(fmt, ""), feedback=takes)))
    return found


def _codec(encoding: str, clock_hz: int, channels: int) -> Codec:
    name = encoding.lower()
    if name == "g722":
        clock_hz = 8000  # RFC 3551 §4.5.2; some write 16000, as it should have been
    if name == "opus":
        channels = 2  # RFC 7587 §7: always /2; some leave it out
    return Codec(name, clock_hz, channels)


@dataclass(frozen=True, slots=True)
class Match:
    """One of our codecs met one of the peer's. `codec` is as we answer it: with the fmtp of an answer."""

    ours: Codec
    theirs: PayloadType
    codec: Codec
    rank: int = 0  # lower fits better


def same_format(ours: Codec, theirs: Codec, *, any_profile: bool = True) -> int | None:
    """How well two formats fit, 0 best; None: they are not the same format."""
    if (ours.name, ours.clock_hz) != (theirs.name, theirs.clock_hz):
        return None
    if ours.name == "l16" and ours.channels != theirs.channels:
        return None
    if ours.name == "h264":
        return H264.parse(ours.fmtp).fits(H264.parse(theirs.fmtp), any_profile=any_profile)
    if ours.name == "h265":
        mode = params_of(theirs.fmtp).get("tx-mode", "SRST")
        return 0 if mode.upper() == "SRST" else None
    return 0


def matches(ours: Sequence[Codec], theirs: Sequence[PayloadType], *, any_profile: bool = True) -> list[Match]:
    """Our codecs that the peer has too, in our order; each of the peer's formats is used once, by the one that fits it
    best: a near fit must not take it from an exact one that stands behind."""
    fits = sorted(
        (rank, mine, i)
        for mine, codec in enumerate(ours)
        for i, p in enumerate(theirs)
        if (rank := same_format(codec, p.codec, any_profile=any_profile)) is not None
    )
    found: dict[int, Match] = {}
    used: set[int] = set()
    for rank, mine, i in fits:
        if mine not in found and theirs[i].pt not in used:
            used.add(theirs[i].pt)
            found[mine] = Match(ours[mine], theirs[i], _answered(ours[mine], theirs[i].codec), rank)
    return [found[mine] for mine in sorted(found)]


def _answered(ours: Codec, theirs: Codec) -> Codec:
    feedback = tuple(f for f in ours.feedback if f in theirs.feedback)
    fmtp = ours.fmtp
    if ours.name == "h264":
        fmtp = H264.parse(ours.fmtp).answer_to(H264.parse(theirs.fmtp))
    return replace(ours, fmtp=fmtp, feedback=feedback)


def names_of(formats: Sequence[PayloadType] | Sequence[Codec]) -> str:
    """For people: the codecs of a line, without those that ride beside."""
    codecs = [f.codec if isinstance(f, PayloadType) else f for f in formats]
    named = dict.fromkeys(c.name[:16] for c in codecs if not c.auxiliary)
    return ", ".join(list(named)[:8]) or "none"
