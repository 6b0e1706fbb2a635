"""What a technician may set for satellite phones: `[adapter.satphone]`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.base.serial import check_address
from gateway.config.units import Duration, is_slug


class PhoneConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    port: str = Field(description="/dev/serial/by-path/…, usb:1-1.3:2, or tcp://host:port of a serial server")
    kind: Literal["phone", "beidou", "sbd"] = Field(
        "phone", description="phone: AT, by a profile; beidou: a short message terminal; sbd: an Iridium 9602/9603"
    )
    profile: str = Field(
        "generic", description="of a phone: tiantong, thuraya, generic, or the path of a TOML file of yours"
    )
    protocol: Literal["2.1", "4.0", "bd3"] = Field("2.1", description="of a BeiDou terminal")
    baud: int = Field(115_200, ge=1200, le=921_600, description="of the port; BeiDou 4.0 terminals often have 19200")
    cost: int = Field(50, ge=0, le=100, description="0: as good as any; messages take the cheapest that is ready")
    every: Duration = Field(
        60.0, ge=1, description="least time between two messages of a BeiDou card that does not tell its own"
    )
    most_bytes: int = Field(78, ge=10, le=1750, description="most bytes of one BeiDou message by its card's level")
    look_every: Duration = Field(15.0, ge=1, description="how often signal and messages are looked at")

    @field_validator("port")
    @classmethod
    def _address(cls, value: str) -> str:
        check_address(value)
        return value

    @field_validator("profile")
    @classmethod
    def _profile(cls, value: str) -> str:
        if value not in ("tiantong", "thuraya", "generic") and not Path(value).is_absolute():
            raise ValueError("tiantong, thuraya, generic, or an absolute path of a profile")
        return value


class SatphoneConfig(BaseModel):
    """Satellite phones and terminals, by names that stay: each is a link and carries short messages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    phones: dict[str, PhoneConfig] = Field(
        {}, max_length=8, description='by name: { sat1 = { port = "tcp://192.168.1.9:4001", kind = "beidou" } }'
    )

    @field_validator("phones")
    @classmethod
    def _names(cls, value: dict[str, PhoneConfig]) -> dict[str, PhoneConfig]:
        if wrong := [name for name in value if not is_slug(name)]:
            raise ValueError(f"{wrong[0][:40]!r}: lower-case letters, digits, '.', '_' and '-'")
        return value


Config = SatphoneConfig
