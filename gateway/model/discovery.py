"""What a search of the network finds: devices that answer or announce themselves, and streams seen on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class FindWay(StrEnum):
    """How something was found."""

    WS_DISCOVERY = "ws-discovery"
    MDNS = "mdns"
    SSDP = "ssdp"
    WIRE = "wire"  # seen by listening
    PLUG = "plug"  # plugged into this machine: V4L2, ALSA


class FindKind(StrEnum):
    CAMERA = "camera"  # speaks ONVIF
    SOURCE = "source"  # has a URL that can be pulled (RTSP, SRT, …)
    STREAM = "stream"  # RTP or MPEG-TS on the wire
    OTHER = "other"  # answers, and is shown only


@dataclass(frozen=True, slots=True)
class Find:
    """One device or stream, however many ways it was seen. Text came from outside: bounded, no control characters.

    `key` is stable while the search's results are kept. `urls` are what it can be reached by, the best first.
    `adopt` says what adopting makes of it: "onvif" (a camera), "source" (a URL that is pulled), "" (nothing).
    """

    key: str
    kind: FindKind
    ways: tuple[FindWay, ...]
    address: str
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    urls: tuple[str, ...] = ()
    external_id: str = ""  # "host:port" of an ONVIF service, as a camera of that scheme is admitted
    identity: str = ""  # what it calls itself for good: "urn:uuid:…"
    source: str = ""  # of a stream on the wire: "192.168.1.9:5004"
    destination: str = ""  # "239.1.1.1:5004"
    interface: str = ""
    codecs: tuple[str, ...] = ()
    bitrate_bps: float | None = None
    packets: int = 0
    adopt: str = ""
    adopted: str = ""  # the device or source it is in the gateway already
    first_seen: float = 0.0
    last_seen: float = 0.0


@dataclass(frozen=True, slots=True)
class SearchStatus:
    """The search now under way, or the last one. `until` is unix seconds; `notes` are (reason code, detail) of ways
    that could not be used; `left_out` counts answers past the bound."""

    running: bool = False
    started_at: float = 0.0
    until: float = 0.0
    by: str = ""
    ways: tuple[FindWay, ...] = ()
    finds: int = 0
    left_out: int = 0
    notes: tuple[tuple[str, str], ...] = field(default_factory=tuple)
