"""What a technician may set for satellite stations: `[adapter.station]`."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.config.snmp import SnmpAgent
from gateway.config.units import Duration, is_slug

_OID = re.compile(r"1(\.\d{1,10}){3,30}")
FIGURES = ("lock", "esn0", "azimuth", "elevation", "muted", "beam", "pointing")


class Variable(BaseModel):
    """One variable of the maker's MIB. Rows of this kind are unverified until somebody has tried them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    oid: str = Field(description="as 1.3.6.1.4.1.…")
    scale: float = Field(1.0, description="what it is multiplied by: 0.1 where the agent tells tenths")
    true: list[int] = Field([1], max_length=8, description="of lock, muted and pointing: the values that mean yes")

    @field_validator("oid")
    @classmethod
    def _dotted(cls, value: str) -> str:
        if _OID.fullmatch(value) is None:
            raise ValueError("numbers with dots, as 1.3.6.1.4.1.99.1.0")
        return value


class StationConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    interface: str = Field("", max_length=15, description="the kernel's interface that leads to it")
    agent: SnmpAgent | None = Field(None, description="of its modem or antenna unit, by SNMP")
    variables: dict[str, Variable] = Field(
        {}, description="of the agent: lock, esn0, azimuth, elevation, muted, beam, pointing, as far as it has them"
    )
    openamip: str = Field("", description="its antenna unit by OpenAMIP: host:port")
    weak: float = Field(6.0, ge=-20, le=40, description="Es/N0 in dB below which its signal is called weak")
    look_every: Duration = Field(1.0, ge=0.5, le=600, description="how often the agent is asked")
    silent: Duration = Field(15.0, ge=1, le=600, description="without a word for so long it is called silent")

    @field_validator("variables")
    @classmethod
    def _known(cls, value: dict[str, Variable]) -> dict[str, Variable]:
        if wrong := [name for name in value if name not in FIGURES]:
            raise ValueError(f"{wrong[0][:40]!r}: use {', '.join(FIGURES)}")
        return value

    @field_validator("openamip")
    @classmethod
    def _address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value and not (host and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError("host:port")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> StationConfig:
        if (self.agent is None) == (not self.openamip):
            raise ValueError("either an agent with its variables, or openamip")
        if self.agent is not None and not self.variables:
            raise ValueError("an agent needs its variables: lock at least")
        return self


class StationsConfig(BaseModel):
    """Portable satellite stations by names that stay: what they say of themselves stands beside their link."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stations: dict[str, StationConfig] = Field(
        {}, max_length=8, description='by name: { sat0 = { interface = "eth1", openamip = "192.168.1.2:2000" } }'
    )

    @field_validator("stations")
    @classmethod
    def _names(cls, value: dict[str, StationConfig]) -> dict[str, StationConfig]:
        if wrong := [name for name in value if not is_slug(name)]:
            raise ValueError(f"{wrong[0][:40]!r}: lower-case letters, digits, '.', '_' and '-'")
        return value


Config = StationsConfig
