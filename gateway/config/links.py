"""Links northward: `[links]` and `[link.<name>]`."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from gateway.config.section import Section
from gateway.config.units import ByteSize, Duration

_TARGET = re.compile(r"(udp|dns)://(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]{1,253}):([0-9]{1,5})")


class Links(Section):
    probe: list[str] = Field(
        [],
        max_length=4,
        description='what is asked by each link whether data pass, the first that answers counts: "udp://host:port" '
        '(echo, as `echo` of a center), "dns://223.5.5.5:53"; none: only traffic tells',
    )
    interval: Duration = Field(
        0.2, ge=0.1, le=60, description="between two probes; a link is down after three and 2 RTT"
    )
    metered_interval: Duration = Field(
        30.0,
        ge=0.1,
        le=3600,
        description="the same on metered links at rest, of 100 bytes; sooner with traffic (2 % of it) and in doubt",
    )
    back_after: Duration = Field(
        10.0, ge=1, le=300, description="a link that was down is used after this long without a fault"
    )
    roaming: bool = Field(False, description="use modems that are in a foreign network")
    routes: bool = Field(
        False,
        description="routes for links: free tables from 100, rules of protocol 186 (CAP_NET_ADMIN). false: only look",
    )
    without: list[str] = Field(
        ["docker*", "veth*", "br-*", "virbr*", "vnet*", "lxc*", "tun*", "wg*", "tailscale*", "zt*"],
        max_length=32,
        description="interfaces that are no links",
    )
    echo: str = Field(
        "", pattern=r"^(\[[0-9a-fA-F:]+\]|[0-9.]+):[0-9]{1,5}$|^$", description='answer probes here, as "0.0.0.0:8445"'
    )

    @field_validator("probe")
    @classmethod
    def _targets(cls, value: list[str]) -> list[str]:
        for one in value:
            found = _TARGET.fullmatch(one)
            if found is None or not 1 <= int(found.group(3)) <= 65_535:
                raise ValueError(f'{one[:80]!r} is nothing to ask: write "udp://host:port" or "dns://host:53"')
        return value


class LinkSection(Section):
    """What a technician says of one link: named as its bearer, or as its interface."""

    interface: str = Field(
        "", max_length=15, description="the kernel's name of it, as eth1; empty: the link's own name"
    )
    kind: Literal["", "lte", "nr", "satellite", "mesh", "wire", "wifi"] = Field(
        "", description="lte, nr, satellite, mesh, wire, wifi; empty: guessed"
    )
    use: bool = Field(True, description="false: nothing is sent by it")
    cost: int | None = Field(None, ge=0, le=100, description="0: as good as any; none: what its bearer says")
    metered: bool | None = Field(
        None, description="what is sent costs; none: as its bearer says, else cellular and satellite"
    )
    roaming: bool | None = Field(None, description="as links.roaming, for this one")
    quota: ByteSize | None = Field(None, description='most that passes in a period, both ways: "10GB"')
    quota_every: Literal["day", "month"] = Field("month", description="the quota's period")
    quota_day: int = Field(1, ge=1, le=28, description="the day on which a month begins")
    classes: list[Literal["voice", "control", "video", "data", "bulk"]] = Field(
        ["voice", "control", "video", "data", "bulk"],
        min_length=1,
        description="what may take it: voice, control, video, data, bulk; the bundle too",
    )
    probe: list[str] = Field([], max_length=4, description="as links.probe, for this one")

    _check = field_validator("probe")(Links._targets.__func__)  # type: ignore[attr-defined]
