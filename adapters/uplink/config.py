"""What a technician may set of the joining of kits and centers: `[adapter.uplink]`."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.config.units import Duration, HostPort, Listen, is_slug
from gateway.model.principal import Role

MOST_LINKS = 8
_SERVICE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_TARGET = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]{1,253}):([0-9]{1,5})")


class Link(BaseModel):
    """A link that is named: with it links are no longer found by themselves."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=24, pattern="^[a-z0-9][a-z0-9._-]*$", description="shown to people")
    interface: str = Field("", max_length=15, description="the kernel's name of it, as wwan0; empty: as routes lead")
    bearer: Literal["", "lte", "satellite", "wire", "wifi"] = Field("", description="what it is; empty: guessed")
    cost: int = Field(0, ge=0, le=100, description="0: as good as any; dearer ones are used when the cheap do not do")


class Service(BaseModel):
    """A TCP service here, and which gateways of the far side may open it. Written as a text it is `to` alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: str = Field(description="host and port, as 127.0.0.1:5060")
    role: Role = Field(Role.OPERATOR, description="at a kit: the least rights that a center has here; none of a part")
    peers: list[str] = Field([], max_length=64, description="ids of the gateways that may; empty: all that are paired")

    @field_validator("to")
    @classmethod
    def _target(cls, value: str) -> str:
        found = _TARGET.fullmatch(value)
        if found is None or not 1 <= int(found.group(2)) <= 65_535:
            raise ValueError(f"{value[:80]!r} is no host with a port, as 127.0.0.1:5060")
        return value

    @field_validator("role")
    @classmethod
    def _ladder(cls, value: Role) -> Role:
        if value in (Role.AUDITOR, Role.INFORMANT):
            raise ValueError("viewer, operator, technician or administrator")
        return value

    @field_validator("peers")
    @classmethod
    def _ids(cls, value: list[str]) -> list[str]:
        for one in value:
            if not is_slug(one):
                raise ValueError(f"{one[:64]!r} is no gateway's id")
        return value


class Forward(BaseModel):
    """A local port that leads to a service at the far side."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: Listen = Field(description="where it is opened here, as 127.0.0.1:15060")
    service: str = Field(description="a name of the far side's services")
    peer: str = Field("", max_length=64, description="at a center: the kit's id; at a kit: the center's, if several")

    @field_validator("service")
    @classmethod
    def _named(cls, value: str) -> str:
        return _service(value)


class UplinkConfig(BaseModel):
    """At a kit: which links are used. At a center: where kits call. Who is paired stands in the gateway's own store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen_udp: Listen = Field(
        HostPort("0.0.0.0", 8444),  # noqa: S104
        description="at a center: our UDP address for kits; where it does not pass they come by the API's TCP port",
    )
    links: Literal["auto"] | list[Link] = Field(
        "auto", description="at a kit: auto, every interface with a default route; or [[adapter.uplink.links]]"
    )
    without: list[str] = Field([], max_length=32, description='interfaces that auto leaves alone, as "docker*"')
    metered: dict[str, int] = Field(
        {}, max_length=32, description="costs of links that auto finds, by interface: { ppp0 = 10 }"
    )
    fallback: bool = Field(True, description="at a kit: TCP and TLS through the center's API port where UDP is silent")
    udp_patience: Duration = Field(5.0, ge=1, le=60, description="a link whose UDP is silent for this long tries TCP")
    mode: Literal["spread", "duplicate", "best"] = Field(
        "spread", description="pictures: over all links with parity, twice over the two best, or by the best alone"
    )
    playout: Duration = Field(0.4, ge=0, le=5, description="pictures wait so long at the center for what is late")
    voice_playout: Duration = Field(
        0.2, ge=0, le=2, description="voices wait so long for what is late; 400ms where a satellite is the second link"
    )
    ladder: bool = Field(True, description="send less of a picture when the links carry less; false: leave out frames")
    encoders: bool = Field(
        False, description="cameras that can be told (ONVIF) send less of their smaller picture while links are weak"
    )
    max_pictures: int = Field(64, ge=1, le=1024, description="pictures that a kit sends to one center at a time")
    max_kits: int = Field(5000, ge=1, le=50_000, description="at a center: kits that are here at a time")
    thumbnails: Duration = Field(
        10.0, ge=2, le=600, description="at a center: how often a kit is shown what is received of it"
    )
    services: dict[str, Service] = Field(
        {},
        max_length=32,
        description='TCP services here that the far side may open: { sip = "127.0.0.1:5060" }, at a kit centers with '
        'an operator\'s rights over all of it; or { sip = { to = "…", role = "technician", peers = ["county"] } }',
    )
    forwards: list[Forward] = Field([], max_length=64, description="local ports that lead to services of the far side")

    @field_validator("services", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {name: {"to": one} if isinstance(one, str) else one for name, one in value.items()}

    @field_validator("services")
    @classmethod
    def _names(cls, value: dict[str, Service]) -> dict[str, Service]:
        for name in value:
            _service(name)
        return value

    @field_validator("links")
    @classmethod
    def _different(cls, value: Literal["auto"] | list[Link]) -> Literal["auto"] | list[Link]:
        if value != "auto":
            if not 1 <= len(value) <= MOST_LINKS:
                raise ValueError(f"1 to {MOST_LINKS} links")
            names = [link.name for link in value]
            if len(set(names)) < len(names):
                raise ValueError("two links have the same name")
        return value

    @field_validator("forwards")
    @classmethod
    def _peers(cls, value: list[Forward]) -> list[Forward]:
        for one in value:
            if one.peer and not is_slug(one.peer):
                raise ValueError(f"{one.peer[:64]!r} is no gateway's id")
        return value


def _service(name: str) -> str:
    if not _SERVICE.fullmatch(name):
        raise ValueError("a service's name has lower-case letters, digits and '-', at most 32")
    return name


Config = UplinkConfig
