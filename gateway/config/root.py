"""The sections of the configuration file. What stands here is set by a technician; the daemon never writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, Field, field_validator

from gateway.config.forward import Forward
from gateway.config.kit import Kit, Team
from gateway.config.links import Links, LinkSection
from gateway.config.section import Section
from gateway.config.sources import Program, Push, Security, Source
from gateway.config.talk import Talk
from gateway.config.texts import LastResort, Texts
from gateway.config.units import ByteSize, Duration, OwnAddress, PortRange, Ports, is_slug


class Gateway(Section):
    id: str = Field("kit1", description="this gateway's part of every id, as in kit1/ball-1/ch1; lower case")
    name: str = Field("", description="shown to people; empty: the id")
    role: Literal["edge", "center"] = Field(
        "edge", description="edge: a kit on site, which may call centers; center: kits that it admitted call it"
    )
    adcode: str = Field(
        "", pattern="^([0-9]{6}|[0-9]{9}|[0-9]{12})?$", description="division where it belongs (GB/T 2260), six digits"
    )
    state_dir: Path = Field(Path("/var/lib/fieldgate"), description="where the gateway keeps what it learns")

    @field_validator("id")
    @classmethod
    def _slug(cls, value: str) -> str:
        if not is_slug(value):
            raise ValueError("use at most 64 lower-case letters, digits, '.', '_' and '-', the first a letter or digit")
        return value


class Media(Section):
    RENAMED: ClassVar[dict[str, str]] = {"ports": "rtp_ports", "host": "rtp_host"}

    rtp_host: OwnAddress = Field(
        "", description="address on which devices' media arrives; empty: where its adapter listens"
    )
    rtp_ports: Ports = Field(PortRange(30000, 30499), description="UDP and TCP ports of media; open them in firewalls")
    threads: int = Field(1, ge=1, le=64, description="media threads; more than the cores there are is no use")
    gop_bytes: ByteSize = Field(8_000_000, description="most that is kept of a stream for viewers who join")


class Streams(Section):
    idle_close: Duration = Field(10.0, ge=0, description="a source is let go this long after its last viewer left")
    stall: Duration = Field(3.0, ge=0.5, le=60, description="no frame for this long is called stalled")
    patience: Duration = Field(10.0, ge=1, le=600, description="a stalled source is asked anew after this long")
    open_patience: Duration = Field(60.0, ge=5, le=600, description="an attempt without media ends after this long")
    retry_first: Duration = Field(0.5, ge=0.1, le=60, description="wait before the second attempt; doubles each time")
    retry_most: Duration = Field(15.0, ge=0.5, le=600, description="longest wait between attempts")
    max_viewings: int = Field(1024, ge=1, le=100_000, description="viewings open at a time, all streams together")


class Convert(Section):
    enabled: bool = Field(True, description="make pictures and sound that a viewer can not take into what it can")
    cores: float = Field(
        0.0, ge=0, le=256, description="processor cores that conversions may take together; 0: three quarters of all"
    )
    max_conversions: int = Field(16, ge=1, le=256, description="most conversions at a time, each a process of its own")
    hardware: Literal["auto", "off"] = Field(
        "auto", description="auto: encode on a graphics chip where one really does (tried once); off: never"
    )
    linger: Duration = Field(10.0, ge=0, le=600, description="a conversion ends this long after its last viewer left")
    memory: ByteSize = Field(1_500_000_000, ge=256_000_000, description="most memory of one conversion's process")
    snapshot_every: Duration = Field(1.0, ge=0.2, le=60, description="a stream's snapshot is made at most this often")


class Ptz(Section):
    hold_most: Duration = Field(5.0, ge=0.2, le=60, description="a move not renewed within this is stopped")
    keep: Duration = Field(5.0, ge=0, le=600, description="a camera stays with whoever moved it for this long")
    per_second: float = Field(10.0, ge=1, le=50, description="most moves a second and camera; the latest wins")


class Devices(Section):
    allow: list[str] = Field([], description='external ids admitted unseen; a "*" at the end stands for any digits')
    max_pending: int = Field(256, ge=1, le=10_000, description="refused devices remembered; the oldest gives way")
    max_admitted: int = Field(5000, ge=1, le=100_000, description="most devices")
    max_channels: int = Field(4096, ge=1, le=65_536, description="most channels of one device")


class Accounts(Section):
    lock_after: int = Field(5, ge=1, le=100, description="wrong passwords until an account is locked")
    lock_for: Duration = Field(60.0, ge=1, description="how long; doubles each time, up to 15 minutes")
    min_password: int = Field(10, ge=8, le=128, description="shortest password taken")


class Api(Section):
    listen: str = Field("0.0.0.0", description="address of console and API")  # noqa: S104
    port: int = Field(8443, ge=0, le=65535, description="TCP port of console and API")
    tls: bool = Field(True, description="HTTPS by the kit's own certificate authority; false only behind a proxy")
    tls_cert: Path | None = Field(None, description="your own certificate with its chain, PEM; else the kit's")
    tls_key: Path | None = Field(None, description="its key, PEM")
    hostnames: list[str] = Field([], description="names by which browsers reach this gateway, for its certificate")
    cors_origins: list[str] = Field([], description="other sites whose pages may use the API")
    session_idle: Duration = Field(1800.0, ge=60, description="a person is signed out after this long without an act")
    session_max: Duration = Field(43200.0, ge=300, description="a person signs in anew after this long")


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least that is written")
    format: Literal["text", "json"] = Field("text", description="text for people, json for collectors")


class Store(Section):
    queue: int = Field(4096, ge=64, le=1_000_000, description="writes that may wait for the disk")
    trail_every: Duration = Field(10.0, ge=1, description="at most one position this often is kept of each device")
    trail_keep: Duration = Field(30 * 86400.0, ge=3600, description="positions are kept this long")
    alarms_keep: Duration = Field(
        365 * 86400.0, ge=86400, description="acknowledged alarms are kept this long, others twice as long"
    )
    spurts_keep: Duration = Field(90 * 86400.0, ge=3600, description="who spoke when is kept this long")


class Map(Section):
    file: Path | None = Field(
        None, description="the console's base map: a PMTiles file, pictures or vectors; none: bare ground"
    )
    datum: Literal["wgs84", "gcj02"] = Field("wgs84", description="what the base map is drawn in; ours is WGS-84")
    attribution: str = Field("", max_length=200, description="whose map it is, shown in its corner")

    @field_validator("file")
    @classmethod
    def _kind(cls, value: Path | None) -> Path | None:
        if value is not None and value.suffix != ".pmtiles":
            raise ValueError("name a file that ends in .pmtiles")
        return value


class Reports(Section):
    quota: ByteSize = Field(4_000_000_000, description="most that files of reports from phones take together")
    largest: ByteSize = Field(64_000_000, description="most that one of them has")
    keep: Duration = Field(365 * 86400.0, ge=86400, description="reports are kept this long")


class AdapterSection:
    """One adapter that shall run: `[adapter.<name>]` with its `type` taken out."""

    __slots__ = ("_values", "name", "type", "untouched")

    def __init__(self, name: str, type_: str, values: BaseModel | Callable[[], BaseModel]) -> None:
        """`values` may be how its defaults are had, where nothing was written: loading them may wait."""
        self.name = name
        self.type = type_
        self.untouched = not isinstance(values, BaseModel)
        self._values = values

    @property
    def values(self) -> BaseModel:
        """Raises ConfigError (`not-installed`) where they are to be loaded and can not."""
        if not isinstance(self._values, BaseModel):
            self._values = self._values()
        return self._values

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AdapterSection):
            return NotImplemented
        return (self.name, self.type, self.values) == (other.name, other.type, other.values)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. Two that are equal need nothing done."""

    gateway: Gateway = field(default_factory=Gateway)
    media: Media = field(default_factory=Media)
    streams: Streams = field(default_factory=Streams)
    convert: Convert = field(default_factory=Convert)
    ptz: Ptz = field(default_factory=Ptz)
    devices: Devices = field(default_factory=Devices)
    talk: Talk = field(default_factory=Talk)
    accounts: Accounts = field(default_factory=Accounts)
    security: Security = field(default_factory=Security)
    api: Api = field(default_factory=Api)
    log: Log = field(default_factory=Log)
    store: Store = field(default_factory=Store)
    source: dict[str, Source] = field(default_factory=dict)
    program: dict[str, Program] = field(default_factory=dict)
    push: dict[str, Push] = field(default_factory=dict)
    reports: Reports = field(default_factory=Reports)
    map: Map = field(default_factory=Map)
    forward: Forward = field(default_factory=Forward)
    kit: Kit = field(default_factory=Kit)
    team: Team = field(default_factory=Team)
    texts: Texts = field(default_factory=Texts)
    last_resort: LastResort = field(default_factory=LastResort)
    links: Links = field(default_factory=Links)
    link: dict[str, LinkSection] = field(default_factory=dict)
    adapters: dict[str, AdapterSection] = field(default_factory=dict)


SECTIONS: dict[str, type[Section]] = {
    "gateway": Gateway,
    "media": Media,
    "streams": Streams,
    "convert": Convert,
    "ptz": Ptz,
    "devices": Devices,
    "talk": Talk,
    "accounts": Accounts,
    "security": Security,
    "api": Api,
    "log": Log,
    "store": Store,
    "reports": Reports,
    "map": Map,
    "forward": Forward,
    "kit": Kit,
    "team": Team,
    "texts": Texts,
    "last_resort": LastResort,
    "links": Links,
}


@dataclass(frozen=True, slots=True)
class NamedSection:
    """`[<kind>.<name>]`: any number of them."""

    model: type[Section]
    most: int
    comment: str
    example: tuple[str, str]
    """A name, and its keys as TOML lines."""


NAMED: dict[str, NamedSection] = {
    "link": NamedSection(
        LinkSection,
        32,
        "What a way northward costs and may carry: [link.<name>], named as its bearer (a modem, say) or its interface.",
        ("wwan0", 'cost = 10\nmetered = true\nquota = "20GB"'),
    ),
    "source": NamedSection(
        Source,
        1024,
        "A picture that is pulled from a URL: [source.<name>], the name being the device's part of its id.",
        ("gate", 'url = "rtsp://user:password@192.168.1.64:554/Streaming/Channels/101"'),
    ),
    "program": NamedSection(
        Program,
        256,
        "A sender or reader that is not a person (a drone's controller, an encoder, VLC on a wall): [program.<name>].",
        ("drone", 'publish = ["drone-*"]\nread = ["ball-1"]'),
    ),
    "push": NamedSection(
        Push,
        256,
        "A stream that is sent to a URL as long as this stands here: [push.<name>].",
        ("center", 'stream = "ball-1/ch1"\nurl = "rtmp://user:password@center.example/live/ball-1"'),
    ),
}
