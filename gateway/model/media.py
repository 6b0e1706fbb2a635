"""What can be watched: codecs, tracks, streams and their state."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.model.ids import DeviceId, StreamId


class Codec(StrEnum):
    """Names as the media plane spells them (gateway/codecs.pyi)."""

    H264 = "h264"
    H265 = "h265"
    MJPEG = "mjpeg"
    MPEG2 = "mpeg2video"  # MPEG-1 too; like MP2, AC-3 and E-AC-3 only taken in, to be converted
    AAC = "aac"
    PCMA = "pcma"
    PCMU = "pcmu"
    OPUS = "opus"
    G722 = "g722"
    L16 = "l16"
    MP2 = "mp2"  # MPEG audio of any layer
    AC3 = "ac3"
    EAC3 = "eac3"


class TrackKind(StrEnum):
    VIDEO = "video"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True)
class Track:
    """One codec of a stream. `generation` grows when its parameters change; zero width means not known yet."""

    kind: TrackKind
    codec: Codec
    clock_hz: int
    generation: int = 0
    width: int = 0
    height: int = 0
    profile: str = ""
    b_frames: bool = False
    channels: int = 1
    sprop: str = ""  # video's parameter sets, (VPS,) SPS, PPS: base64 with commas between; "" when not known


class StreamState(StrEnum):
    """Where a stream stands. Viewers stay attached in every state but `REMOVED`."""

    IDLE = "idle"  # offered, nobody watches
    OPENING = "opening"  # asked the source, no media yet
    LIVE = "live"  # frames arrive
    STALLED = "stalled"  # frames stopped, source still thinks it sends
    WAITING = "waiting"  # the attempt failed; the next one is timed
    OFFLINE = "offline"  # the device is not there
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """Live figures, measured by the media plane over the last second or two. None means not known."""

    fps: float | None = None
    bitrate_bps: float | None = None
    loss_ratio: float | None = None
    jitter_ms: float | None = None
    frame_age_s: float | None = None
    packets: int = 0
    lost: int = 0
    reordered: int = 0
    frames: int = 0


class RenditionState(StrEnum):
    STARTING = "starting"  # its worker starts, or waits for the source's first key frame
    RUNNING = "running"
    WAITING = "waiting"  # its worker ended; the next one is timed, `code` says why


@dataclass(frozen=True, slots=True)
class Rendition:
    """A stream made of another one, for all who can not take that as it is."""

    name: str  # what is made: "h264 + opus", "h264 360p 10 fps"
    video: str = ""  # in words: "h265 → h264", "as it is"; "" when it has none
    audio: str = ""
    why: tuple[str, ...] = ()  # reason codes: convert-codec, convert-b-frames, convert-audio, convert-smaller
    state: RenditionState = RenditionState.STARTING
    code: str = ""
    detail: str = ""
    encoder: str = ""  # "libx264", "h264_vaapi"; "" while it is not known, or no picture is made
    viewers: int = 0
    since: float = 0.0  # unix seconds, for showing only
    cores: float | None = None  # processor cores that its worker takes now
    fps: float | None = None  # pictures made a second


@dataclass(frozen=True, slots=True)
class StreamSource:
    """Who sends a stream, and how. `address` is the sender's, or the URL without its credentials."""

    protocol: str  # "rtsp", "rtmp", "srt", "whip", "ts", …
    address: str = ""
    software: str = ""  # what it calls itself: "FFmpeg 6.0"
    who: str = ""  # the program or person that publishes; "" when it is pulled
    since: float = 0.0  # unix seconds; 0.0: pulled


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A JPEG of a stream. `made_at`: unix seconds; `age_s`: how old the picture was then."""

    jpeg: bytes = field(repr=False)
    width: int
    height: int
    made_at: float
    age_s: float


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """What the API, the console and the log say of a stream. `code` is a reason of model.reason; empty when live."""

    id: StreamId
    device: DeviceId
    title: str
    state: StreamState
    code: str = ""
    detail: str = ""
    since: float = 0.0  # unix seconds, wall clock, for showing only
    retry_in_s: float | None = None
    viewers: int = 0
    tracks: tuple[Track, ...] = ()
    figures: StreamFigures = field(default_factory=StreamFigures)
    alias: str = ""
    source: StreamSource | None = None
    renditions: tuple[Rendition, ...] = ()
