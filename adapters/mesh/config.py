"""What a technician may set for mesh radios: `[adapter.mesh.sources.<name>]`."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator

from adapters.mesh.protocol.fields import LINK_KEYS, read_field, read_list
from gateway.config.snmp import SnmpAgent
from gateway.config.sources import Password
from gateway.config.units import Duration, HostPort, Listen, is_slug
from gateway.wire.snmp import parse_oid

_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[A-Za-z0-9_.-]{1,253}):\d{1,5}")
MOST_MESHES = 16
_IFACE = re.compile(r"[A-Za-z0-9_.-]{0,15}")


class Source(BaseModel):
    """What every kind of source has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mesh: str = Field("mesh", description="the mesh that it tells of; sources of one mesh are put together")
    node: str = Field("", max_length=64, description="name of the radio that is asked; empty: the source's name")
    own: bool = Field(False, description="it is the radio of this kit")
    interface: str = Field("", description="this machine's interface behind that radio: the mesh becomes a link by it")

    @field_validator("mesh")
    @classmethod
    def _slug(cls, value: str) -> str:
        if not is_slug(value):
            raise ValueError("use lower-case letters, digits, '.', '_' and '-'")
        return value

    @field_validator("interface")
    @classmethod
    def _interface(cls, value: str) -> str:
        if _IFACE.fullmatch(value) is None:
            raise ValueError("the name of a network interface, as `ip link` lists them")
        return value


def _an_address(value: str) -> str:
    """As datagrams have it: 192.0.2.1, fe80::1. Raises ValueError."""
    try:
        return str(ipaddress.ip_address(value.strip()))
    except ValueError:
        raise ValueError("an IP address, as 192.168.1.20: datagrams have no names") from None


Sender = Annotated[str, AfterValidator(_an_address)]


class BabelSource(Source):
    """babeld's local socket (`babeld -G /run/babeld.sock`, `-g 33123`)."""

    kind: Literal["babel"]
    socket: str = Field("/run/babeld.sock", description="its path, or host:port")

    @field_validator("socket")
    @classmethod
    def _socket(cls, value: str) -> str:
        if not value.startswith("/") and (_HOST_PORT.fullmatch(value) is None or int(value.rpartition(":")[2]) > 65535):
            raise ValueError("an absolute path, or host:port")
        return value


class UbusSource(Source):
    """An OpenWrt radio (Mesh Rider and others) by JSON-RPC: iwinfo, and batctl where it is allowed."""

    kind: Literal["ubus"]
    url: str = Field(pattern=r"^https?://\S{1,200}$", description="as in https://10.223.0.1/ubus")
    user: str = Field("root", max_length=64, description="of the radio's rpcd")
    password: Password = Field(SecretStr(""), description="of that user")
    batman: str = Field("", pattern=r"^[a-z0-9]{0,15}$", description="batman-adv interface to ask too, as bat0")
    every: Duration = Field(1.0, ge=0.5, le=60, description="how often it is asked")


class BatctlSource(Source):
    """batman-adv of this machine, by batctl."""

    kind: Literal["batctl"]
    batman: str = Field("bat0", pattern=r"^[a-z0-9]{1,15}$", description="the batman-adv interface")
    every: Duration = Field(1.0, ge=0.5, le=60, description="how often it is asked")


class SilvusSource(Source):
    """The streaming report of a StreamCaster radio; it is switched on at the radio."""

    kind: Literal["silvus"]
    listen: Listen = Field(HostPort("0.0.0.0", 30000), description="our UDP address that it sends to")  # noqa: S104
    sender: Sender = Field(max_length=45, description="the radio's address; others are not heard")
    peer: str = Field("", max_length=64, description="node id of the other radio, where there is one other")


class Mapped(Source):
    """Where nodes and links stand in the radio's JSON: README of adapters/mesh."""

    nodes: str = Field("", description='path of the list of nodes, as "data.nodes"')
    node_fields: dict[str, str] = Field({}, description='as { id = "mac", battery_percent = "bat" }')
    links: str = Field("", description='path of the list of links; "nodes.*.neighbours": of each node')
    link_fields: dict[str, str] = Field({}, description='as { a = "^mac", b = "peer", snr_db = "snr*0.1" }')

    @field_validator("nodes", "links")
    @classmethod
    def _list(cls, value: str) -> str:
        read_list(value)
        return value

    @field_validator("node_fields", "link_fields")
    @classmethod
    def _fields(cls, value: dict[str, str]) -> dict[str, str]:
        if len(value) > 32:
            raise ValueError("at most 32 fields")
        for text in value.values():
            read_field(text)
        return value

    @field_validator("link_fields")
    @classmethod
    def _links(cls, value: dict[str, str]) -> dict[str, str]:
        if strange := sorted(set(value) - set(LINK_KEYS)):
            raise ValueError(f"a link has {', '.join(LINK_KEYS)}; not {', '.join(strange)}")
        return value


class HttpSource(Mapped):
    """Any radio whose web server gives JSON."""

    kind: Literal["http"]
    url: str = Field(pattern=r"^https?://\S{1,500}$", description="what is fetched")
    user: str = Field("", max_length=64, description="where it asks for one; digest, Basic over https only")
    password: Password = Field(SecretStr(""), description="of that user")
    every: Duration = Field(1.0, ge=0.5, le=60, description="how often it is asked")


class UdpSource(Mapped):
    """Any radio that sends JSON by UDP."""

    kind: Literal["udp"]
    listen: Listen = Field(HostPort("0.0.0.0", 30001), description="our UDP address that it sends to")  # noqa: S104
    sender: Sender = Field(max_length=45, description="the radio's address; others are not heard")


class SnmpSource(Source):
    """Any radio with an SNMP table of its neighbours."""

    kind: Literal["snmp"]
    agent: SnmpAgent = Field(description="the radio, and how it is asked")
    own_fields: dict[str, str] = Field({}, description='OIDs of its own, as { battery_percent = "1.3.6.1.4.1.…" }')
    link_fields: dict[str, str] = Field({}, description='OIDs of columns, as { b = "1.3.6.…", rssi_dbm = "1.3.6.…" }')
    every: Duration = Field(1.0, ge=0.5, le=60, description="how often it is asked")

    @field_validator("own_fields", "link_fields")
    @classmethod
    def _oids(cls, value: dict[str, str]) -> dict[str, str]:
        if len(value) > 32:
            raise ValueError("at most 32 fields")
        for text in value.values():
            read_oid(text)
        return value


def read_oid(text: str) -> tuple[tuple[int, ...], float]:
    """An OID and its factor: `1.3.6.1.4.1.64000.1*0.1`. Raises ValueError."""
    oid, _, factor = text.partition("*")
    return parse_oid(oid), float(factor or 1)


class MeshtasticSource(Source):
    """Meshtastic's JSON at an MQTT broker: switch on "JSON output" in the gateway radio's MQTT module."""

    kind: Literal["meshtastic"]
    host: str = Field("127.0.0.1", min_length=1, max_length=253, description="the broker")
    port: int = Field(1883, ge=1, le=65535, description="its port")
    tls: bool = Field(False, description="speak TLS with it")
    user: str = Field("", max_length=128, description="where the broker asks for one")
    password: Password = Field(SecretStr(""), description="of that user")
    topic: str = Field("msh/+/2/json/#", min_length=1, max_length=200, description="what is subscribed to")


AnySource = Annotated[
    BabelSource | UbusSource | BatctlSource | SilvusSource | HttpSource | UdpSource | SnmpSource | MeshtasticSource,
    Field(discriminator="kind"),
]


class MeshConfig(BaseModel):
    """Mesh radios. Each source is one radio, or one place that knows of many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stale: Duration = Field(10.0, ge=1, le=600, description="what a source told counts so long after it fell silent")
    titles: dict[str, str] = Field({}, description="names of meshes for people")
    sources: dict[str, AnySource] = Field(
        {}, description="by name; kind: babel, ubus, batctl, silvus, http, udp, snmp or meshtastic"
    )

    @field_validator("sources")
    @classmethod
    def _names(cls, value: dict[str, AnySource]) -> dict[str, AnySource]:
        if len(value) > 128:
            raise ValueError("at most 128 sources")
        for name in value:
            if not is_slug(name):
                raise ValueError(f"{name!r}: use lower-case letters, digits, '.', '_' and '-'")
        if len({source.mesh for source in value.values()}) > MOST_MESHES:
            raise ValueError(f"at most {MOST_MESHES} meshes")
        return value


Config = MeshConfig
