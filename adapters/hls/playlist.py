"""Playlists as text (RFC 8216; its second edition for low latency). Sans-IO."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from adapters.hls.clock import HZ
from adapters.hls.window import Part, Segment, Window

PARTS_OF = 3
"""Parts are listed of the segments within this many target durations of the end (RFC 8216bis §6.2.2)."""
_LEAST_BPS = 500_000
BEGIN = "begin"
"""Of a media playlist's URL: the segment with which this player begins."""


def target_s(window: Window, segment_s: float) -> int:
    """No segment, rounded, is longer (§4.4.3.1)."""
    return max(1, math.ceil(segment_s), round(window.longest_segment_s))


def part_target_s(window: Window, part_s: float) -> float:
    return max(window.longest_part_s, 0.001) if window.longest_part_s else part_s


def media(window: Window, *, segment_s: float, part_s: float, begin: int = 0) -> str:
    """The media playlist as it stands, without the segments before `begin`."""
    segments = [segment for segment in window.segments if segment.number >= begin]
    before = sum(segment.discontinuity for segment in window.segments if segment.number < begin)
    target, part_target = target_s(window, segment_s), part_target_s(window, part_s)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:9",
        f"#EXT-X-TARGETDURATION:{target}",
        f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={part_target * 3.1:.3f},HOLD-BACK={target * 3}",
        f"#EXT-X-PART-INF:PART-TARGET={part_target:.5f}",
        f"#EXT-X-MEDIA-SEQUENCE:{max(window.first, begin)}",
    ]
    if dropped := window.dropped_discontinuities + before:
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{dropped}")
    left_s = sum(segment.duration_s for segment in segments)
    init = -1
    for segment in segments:
        if segment.discontinuity:
            lines.append("#EXT-X-DISCONTINUITY")
        if segment.init != init:
            init = segment.init
            lines.append(f'#EXT-X-MAP:URI="init-{init}.mp4"')
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_time(segment.wall)}")
        # Of the one that is not complete yet always: nothing else tells what is in it.
        if not segment.complete or left_s <= PARTS_OF * target:
            lines += [_part(segment, number, part) for number, part in enumerate(segment.parts)]
        left_s -= segment.duration_s
        if segment.complete:
            lines += [f"#EXTINF:{segment.duration_s:.5f},", f"seg-{segment.number}.m4s"]
    number, part_number = window.next_part
    lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part-{number}-{part_number}.m4s"')
    return "\n".join(lines) + "\n"


def multivariant(window: Window, *, width: int, height: int) -> str:
    """The one rendition, with what a player must know before it asks for media."""
    told = [f"BANDWIDTH={int(max(window.peak_bps, _LEAST_BPS) * 1.2)}", f'CODECS="{codecs_of(window.init or b"")}"']
    if width and height:
        told.append(f"RESOLUTION={width}x{height}")
    lines = ["#EXTM3U", "#EXT-X-VERSION:9", "#EXT-X-INDEPENDENT-SEGMENTS"]
    return "\n".join([*lines, "#EXT-X-STREAM-INF:" + ",".join(told), f"media.m3u8?{BEGIN}={window.form}", ""])


def codecs_of(init: bytes) -> str:
    """RFC 6381 names of an init segment's tracks, by the boxes that configure them."""
    names = []
    if (at := init.find(b"avcC")) > 0 and len(init) >= at + 8:
        names.append(f"avc1.{init[at + 5 : at + 8].hex()}")
    if (at := init.find(b"hvcC")) > 0 and len(init) >= at + 18:
        names.append(_hevc(init[at + 4 : at + 18]))
    if b"mp4a" in init:
        names.append("mp4a.40.2")
    if b"dOps" in init:
        names.append("opus")
    return ",".join(names)


def _hevc(config: bytes) -> str:
    """ISO/IEC 14496-15 annex E.3: hvc1.<space><profile>.<compatibility, reversed>.<tier><level>.<constraints>."""
    space, tier, profile = config[1] >> 6, config[1] >> 5 & 1, config[1] & 31
    compatible = int(f"{int.from_bytes(config[2:6], 'big'):032b}"[::-1], 2)
    constraints = config[6:12].rstrip(b"\0")
    text = f"hvc1.{('', 'A', 'B', 'C')[space]}{profile}.{compatible:X}.{'LH'[tier]}{config[12]}"
    return ".".join([text, *(f"{byte:X}" for byte in constraints)])


def _part(segment: Segment, number: int, part: Part) -> str:
    key = ",INDEPENDENT=YES" if part.key else ""
    return f'#EXT-X-PART:DURATION={part.duration / HZ:.5f},URI="part-{segment.number}-{number}.m4s"{key}'


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
