"""Links: the ways out of a kit, what carries them, and what travels by which.

A **bearer** is the equipment (a modem, a mesh radio, a satellite station, a cable); an adapter that tends one tells its
`BearerFacts`. A **link** is a way northward: an interface of this machine together with the bearer behind it, judged by
whether data really passes. A bearer without an interface (a satellite phone) is a link that carries no packets.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BearerKind(StrEnum):
    LTE = "lte"
    NR = "nr"  # 5G
    SATELLITE = "satellite"  # a station that carries IP
    MESH = "mesh"
    WIRE = "wire"
    WIFI = "wifi"
    SATPHONE = "satphone"  # voice and short messages
    UNKNOWN = ""


class LinkPhase(StrEnum):
    """How far a link is. An adapter tells its bearer's; the link's own is that, or worse where data do not pass."""

    ABSENT = "absent"  # no device, no SIM: `code` says which
    LOCKED = "locked"  # a PIN is asked for, or the card is refused
    SEARCHING = "searching"  # no network yet
    REGISTERED = "registered"  # the network knows us; no data session
    CONNECTING = "connecting"  # a data session is being made, or nothing has been proved yet
    UP = "up"
    DEGRADED = "degraded"  # carries, but badly; or is back and on probation
    RECOVERING = "recovering"  # it hung, and is being brought back: `step` says how
    DOWN = "down"  # it should carry and does not
    OFF = "off"  # not to be used: switched off, roaming that is not allowed, quota spent


class TrafficClass(StrEnum):
    """What travels, the most important first: what gives way to what."""

    VOICE = "voice"
    CONTROL = "control"  # signalling, orders, alarms
    VIDEO = "video"
    DATA = "data"  # telemetry, web
    BULK = "bulk"  # files, updates


@dataclass(frozen=True, slots=True)
class Signal:
    """What a radio says of its reception. None or "": not known."""

    technology: str = ""  # "lte", "nr-sa", "nr-nsa", "hsdpa", …
    rssi_dbm: float | None = None
    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None
    bars: int | None = None  # 0 … 5
    band: str = ""
    cell: str = ""
    operator: str = ""


NO_SIGNAL = Signal()


@dataclass(frozen=True, slots=True)
class Recovery:
    """A step of a bearer's ladder back ("retry", "reopen", "radio", "reset", "power") and how often it was taken since
    the gateway started."""

    step: str
    count: int


@dataclass(frozen=True, slots=True)
class BearerFacts:
    """How a bearer stands now. `code` is a reason of model.reason, "" while all is well; it must be one unless `phase`
    is UP or CONNECTING. What the configuration says of cost, metering and quota comes before what is told here."""

    phase: LinkPhase
    interface: str = ""  # the kernel's name of it now, "wwan0"; "": none (yet)
    code: str = ""
    detail: str = ""
    signal: Signal = NO_SIGNAL
    roaming: bool | None = None
    metered: bool | None = None
    cost: int | None = None  # 0: as good as any … 100
    used_bytes: int | None = None  # of its quota, where the bearer or the network counts them itself
    step: str = ""  # of its ladder, while `phase` is RECOVERING
    recoveries: tuple[Recovery, ...] = ()
    device: str = ""  # what it is, for people: "Quectel EG25"


@dataclass(frozen=True, slots=True)
class Link:
    """One link as it stands: `GET /api/v1/links`, data of the event `link`. Times in unix seconds; None: not known."""

    name: str
    kind: BearerKind = BearerKind.UNKNOWN
    interface: str = ""
    phase: LinkPhase = LinkPhase.CONNECTING
    code: str = ""
    detail: str = ""
    since: float = 0.0
    usable: bool = False  # new connections may take it
    carries: tuple[TrafficClass, ...] = ()  # what takes it first now
    cost: int = 0
    metered: bool = False
    roaming: bool | None = None
    quota_bytes: int | None = None
    used_bytes: int = 0  # in this period of the quota
    signal: Signal = NO_SIGNAL
    device: str = ""
    step: str = ""
    recoveries: tuple[Recovery, ...] = ()
    addresses: tuple[str, ...] = ()
    rtt_ms: float | None = None
    loss: float | None = None  # 0 … 1 of the last probes
    in_bps: float = 0.0
    out_bps: float = 0.0
    downs: int = 0  # how often data stopped passing since the gateway started
    probe: str = ""  # what is asked: "192.0.2.1:8444"; "" nothing, the link is taken at its bearer's word
    bearer_phase: LinkPhase | None = None  # what its adapter says; None: no adapter tends it
