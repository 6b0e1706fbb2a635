"""Which cells of the interop matrix make sense, as a rule that anyone can read.

A cell is an *ingest* (a program not of ours, the way it brings its stream, a video and an audio codec) and one
*output*. An ingest is in the matrix when its way carries both codecs by its own specification, and its program can
produce them. Every ingest is watched through all outputs at once.

Full crosses of codecs stand where the wire format differs: FFmpeg's RTSP, RTMP, SRT and multicast, GStreamer's RTSP
server, our ball. Where only the program or the address differs, two or three ingests stand for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

VIDEO = ("h264", "h265", "h264b")
AUDIO = ("none", "aac", "pcma", "opus")
OUTPUTS = ("whep", "rtsp", "srt", "rtmp", "hls")

RTSP_TCP, RTSP_UDP, RTSP_PULL_TCP, RTSP_PULL_UDP = "rtsp-tcp", "rtsp-udp", "rtsp-pull-tcp", "rtsp-pull-udp"
RTMP, ERTMP, SRT, TS_UDP, TS_MULTICAST, WHIP, GB28181, ONVIF = (
    "rtmp", "rtmp-enhanced", "srt", "ts-udp", "ts-multicast", "whip", "gb28181", "onvif",
)  # fmt: skip

# What each way carries by its specification.
CARRIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    RTSP_TCP: (VIDEO, AUDIO),
    RTSP_UDP: (VIDEO, AUDIO),
    RTSP_PULL_TCP: (VIDEO, AUDIO),
    RTSP_PULL_UDP: (VIDEO, AUDIO),
    RTMP: (("h264", "h264b"), ("none", "aac", "pcma")),
    ERTMP: (("h265",), ("none", "aac", "opus")),
    SRT: (VIDEO, ("none", "aac", "opus")),
    TS_UDP: (VIDEO, ("none", "aac", "opus")),
    TS_MULTICAST: (VIDEO, ("none", "aac", "opus")),
    WHIP: (("h264",), ("none", "opus")),
    GB28181: (VIDEO, ("none", "aac", "pcma")),
    ONVIF: (("h264", "h265"), ("none", "aac", "pcma")),
}

# (program, way, codecs): "all" crosses whatever the way carries.
_ROWS: tuple[tuple[str, str, str], ...] = (
    ("ffmpeg", RTSP_TCP, "all"),
    ("ffmpeg", RTSP_UDP, "h264+none h264+aac h265+pcma h264b+opus"),
    ("ffmpeg", RTMP, "all"),
    ("ffmpeg8", ERTMP, "all"),
    ("ffmpeg", SRT, "all"),
    ("ffmpeg", TS_UDP, "h264+none h264b+aac h265+opus"),
    ("ffmpeg", TS_MULTICAST, "all"),
    ("ffmpeg8", WHIP, "h264+opus"),
    ("gstreamer", RTSP_PULL_TCP, "h264+none h264+aac h264+pcma h264+opus h265+none h265+aac h265+pcma h264b+aac"),
    ("gstreamer", RTSP_PULL_UDP, "h264+pcma h265+aac h264b+none"),
    ("gstreamer", RTSP_TCP, "h264+aac h265+pcma"),
    ("gstreamer", RTMP, "h264+aac h264b+none"),
    ("gstreamer", SRT, "h264+aac h265+none"),
    ("gstreamer", TS_UDP, "h264+aac h265+none"),
    ("srt-live-transmit", SRT, "h264+aac h265+opus h264b+none"),
    ("our ball", GB28181, "h264+none h264+pcma h265+none h265+pcma h264b+none h264b+pcma"),
    ("chromium", WHIP, "h264+none h264+opus"),
    ("ipycam", ONVIF, "h264+none"),
)


@dataclass(frozen=True, slots=True, order=True)
class Ingest:
    program: str
    way: str
    video: str
    audio: str

    @property
    def slug(self) -> str:
        """A name that may be part of an id."""
        return f"{self.program}-{self.way}-{self.video}-{self.audio}".replace(" ", "-")

    def __str__(self) -> str:
        return f"{self.program} · {self.way} · {self.video} · {self.audio}"


def ingests() -> list[Ingest]:
    """All of them, in the order of the table."""
    found = []
    for program, way, codecs in _ROWS:
        video, audio = CARRIES[way]
        pairs = product(video, audio) if codecs == "all" else (tuple(pair.split("+")) for pair in codecs.split())
        for v, a in pairs:
            if v not in video or a not in audio:
                raise ValueError(f"{way} does not carry {v} with {a}: the rule contradicts itself")
            found.append(Ingest(program, way, v, a))
    return found


def sample(all_: list[Ingest]) -> list[Ingest]:
    """The fewest, greedily, in which every way of every program and every pair of codecs stands once."""

    def pairs(one: Ingest) -> set[tuple[str, str]]:
        return {(one.way, one.program), (one.video, one.audio)}

    open_ = set().union(*(pairs(one) for one in all_))
    chosen: list[Ingest] = []
    while open_:
        best = max(all_, key=lambda one: len(pairs(one) & open_))
        chosen.append(best)
        open_ -= pairs(best)
    return chosen
