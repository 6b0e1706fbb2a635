"""What the picture that goes out is, in the words of SDP: profile, level and parameter sets of the stream, where they
are known by then.

The sets also go in the stream, before each key frame (`sprop-*` has them ahead: RFC 6184 §8.1, RFC 7798 §7.1). Of H.264
they say the profile to the bit; the media plane's words ("high@4.0") stand in where there are none.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from gateway.model.media import Codec as StreamCodec
from gateway.model.media import Track
from gateway.wire.sdp import Codec, video_codecs
from gateway.wire.sdp.h264 import H264

USUAL = "42e01f"
"""Constrained baseline at level 3.1: what every video phone has."""

# profile_idc and constraints. "baseline" is taken for the constrained one: nobody encodes ASO or FMO.
_H264 = {"baseline": "42e0", "main": "4d00", "extended": "5800", "high": "6400", "high10": "6e00", "high422": "7a00",
         "high444": "f400"}  # fmt: skip
_H264_SPS = 7
_H265_SETS = {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}  # nal_unit_type (H.265 table 7-1)
_H265 = {"main": 1, "main10": 2, "main-still": 3, "rext": 4, "scc": 9}


def picture_codecs(names: Sequence[str], tracks: Sequence[Track], *, fallback: bool = True) -> tuple[Codec, ...]:
    """Our video formats for a stream with these tracks. With `fallback`, the usual profile at the stream's level stands
    behind the stream's own: most phones decode more than they say, and would else refuse the line. The parameter sets
    are those of the stream in both: they are what comes."""
    h264, sprop, h265 = USUAL, "", ""
    for track in tracks:
        if track.codec is StreamCodec.H264:
            h264 = profile_of(track.sprop) or profile_level_id(track.profile) or h264
            sprop = track.sprop
        elif track.codec is StreamCodec.H265:
            h265 = ";".join(filter(None, (h265_fmtp(track.profile), h265_sprop(track.sprop))))
    found = list(video_codecs(names, h264_profile=h264, h264_sprop=sprop, h265_fmtp=h265))
    own = [codec for codec in found if codec.name == "h264"]
    if fallback and own and H264(h264).profile != "cb":
        usual = video_codecs(["h264"], h264_profile=USUAL[:4] + h264[4:], h264_sprop=sprop)
        at = found.index(own[0])
        found[at : at + len(own)] = [codec for pair in zip(own, usual, strict=True) for codec in pair]
    return tuple(found)


def profile_of(sprop: str) -> str:
    """Of H.264's parameter sets: the three bytes behind the SPS's header, "42001f"; "" where there is no SPS."""
    sps = next((one for _, one in _sets(sprop) if one[0] & 0x1F == _H264_SPS), b"")
    return sps[1:4].hex() if len(sps) >= 4 else ""


def h265_sprop(sprop: str) -> str:
    """H.265's parameter sets by kind: sprop-vps, -sps and -pps of RFC 7798 §7.1, each with its sets, in their order."""
    found: dict[str, list[str]] = {}
    for text, one in _sets(sprop):
        name = _H265_SETS.get(one[0] >> 1 & 0x3F)
        if name is not None:
            found.setdefault(name, []).append(text)
    return ";".join(f"{name}={','.join(found[name])}" for name in _H265_SETS.values() if name in found)


def _sets(sprop: str) -> list[tuple[str, bytes]]:
    """Each set as written and as bytes; what is no base64, or is empty, is left out."""
    found = []
    for text in sprop.split(","):
        try:
            one = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue
        if one:
            found.append((text, one))
    return found


def profile_level_id(profile: str) -> str:
    """Of the media plane's "high@4.0": "640028"; "" for what is not known."""
    name, _, level = profile.partition("@")
    start = _H264.get(name)
    if start is None:
        return ""
    if level == "1b":  # level_idc 11 with constraint_set3 below High (H.264 §A.3.1)
        return (
            f"{start[:2]}{int(start[2:], 16) | 0x10:02x}0b"
            if name in ("baseline", "main", "extended")
            else f"{start}09"
        )
    number = _number(level, 10)
    return f"{start}{number:02x}" if number else ""


def h265_fmtp(profile: str) -> str:
    """Of "main@4.0": profile-id and level-id of RFC 7798 §7.1; "" for what is not known."""
    name, _, level = profile.partition("@")
    number = _number(level, 30)
    return f"profile-id={_H265[name]};level-id={number}" if name in _H265 and number else ""


def _number(level: str, unit: int) -> int:
    """ "4.1" in units of 1/`unit`; 0 for what is none."""
    whole, _, tenth = level.partition(".")
    if not (whole.isascii() and whole.isdigit() and tenth.isascii() and tenth.isdigit()) or len(whole + tenth) > 3:
        return 0
    number = int(whole) * unit + int(tenth) * unit // 10
    return number if number < 256 else 0
