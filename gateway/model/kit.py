"""Kits and centers, and the links between them, as the API and the console show them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.model.kit_state import KitCondition
from gateway.model.principal import Role
from gateway.model.telemetry import KitRecord


class KitState(StrEnum):
    """Where a kit or a center stands as seen from the other side."""

    ONLINE = "online"
    DEGRADED = "degraded"  # there, but a link of it is out, or something was given up; `code` says what
    OFFLINE = "offline"


class LinkUse(StrEnum):
    """What a link does now."""

    IN = "in"  # carries
    OUT = "out"  # tried, and carries nothing: `code` says why
    TRYING = "trying"  # not proved yet
    OFF = "off"  # its interface is down or has no address


@dataclass(frozen=True, slots=True)
class LinkState:
    """One link of the bundle between a kit and a center. Rates and round trip as the sender of pictures measures them;
    bytes are counted since the session began, at the side that shows them. None: not known yet."""

    name: str
    bearer: str = ""  # "lte", "satellite", "wire", "wifi", "tcp" (the fallback), "" not known
    interface: str = ""  # at the kit: "wwan0"
    state: LinkUse = LinkUse.TRYING
    code: str = ""
    rtt_ms: float | None = None
    loss: float | None = None  # 0 … 1, of the last seconds
    usable_bps: float | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    cost: int = 0  # 0: as good as any; higher ones are used when the lower do not suffice
    heard_at: float | None = None  # at a center, unix seconds of its clock: when it was last known to carry


@dataclass(frozen=True, slots=True)
class CenterState:
    """A center that holds this kit, as the kit sees it. `role` and `scope` are its rights here."""

    gateway: str
    name: str = ""
    state: KitState = KitState.OFFLINE
    code: str = ""
    detail: str = ""
    since: float = 0.0  # unix seconds
    last_seen: float | None = None
    address: str = ""
    role: Role = Role.VIEWER
    scope: str = ""
    links: tuple[LinkState, ...] = ()
    thumbnail_at: float | None = None  # when the picture was made that shows what the center receives


@dataclass(frozen=True, slots=True)
class GaveUp:
    """What a kit sends less of because its links do not carry more. `code` is a reason of model.reason."""

    stream: str
    code: str
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Kit:
    """At a center: a kit it holds. At a kit: the kit itself, with its `centers`. Data of the event `kit`."""

    gateway: str
    name: str = ""
    state: KitState = KitState.OFFLINE
    code: str = ""
    detail: str = ""
    since: float = 0.0  # unix seconds, of our clock: since when `state`
    last_seen: float | None = None
    boot: int = 0  # grows by one with each start of the kit
    version: str = ""
    adcode: str = ""  # GB/T 2260 division, six digits
    address: str = ""
    ways: tuple[str, ...] = ()  # by which it is here now: "uplink", "mqtt"
    links: tuple[LinkState, ...] = ()
    centers: tuple[CenterState, ...] = ()
    gave_up: tuple[GaveUp, ...] = ()
    devices: int = 0
    devices_online: int = 0
    clock_off_s: float | None = None  # its clock minus ours
    thumbnail_at: float | None = None
    thumbnail_of: str = ""  # the stream that the thumbnail shows
    condition: KitCondition | None = None  # how the kit itself stands; None: it has not told
    by_text: KitRecord | None = None  # what it told last by short message, when nothing else was left


@dataclass(frozen=True, slots=True)
class KitLinks:
    """The links of one kit (at a kit: to one center) now: data of the event `links`."""

    gateway: str
    at: float
    links: tuple[LinkState, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkTrail:
    """How one link was, oldest first: columns of the same length, one entry every `every_s` seconds. Rates in bit/s.
    Where nothing was measured there is no entry: look at `at` (unix seconds)."""

    name: str
    every_s: float
    at: tuple[float, ...] = ()
    used: tuple[bool, ...] = ()  # it carried
    rtt_ms: tuple[float | None, ...] = ()
    loss: tuple[float | None, ...] = ()
    usable_bps: tuple[float | None, ...] = ()
    in_bps: tuple[float, ...] = ()
    out_bps: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """What a center really receives of a kit: a small JPEG. `made_at` is unix seconds of our clock."""

    stream: str
    jpeg: bytes
    made_at: float
    age_s: float = 0.0  # how old the picture was when it was made

    def __repr__(self) -> str:
        return f"Thumbnail({self.stream}, {len(self.jpeg)} bytes)"
