"""What a technician may set for vehicle terminals: `[adapter.jt808]`."""

from __future__ import annotations

import ipaddress

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.config.units import Duration, HostPort, Listen


class Jt808Config(BaseModel):
    """Vehicle terminals. A terminal is admitted by its phone number, as any device is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: Listen = Field(HostPort("0.0.0.0", 8808), description="TCP address of JT/T 808 signalling")  # noqa: S104
    media: Listen = Field(HostPort("0.0.0.0", 1078), description="TCP address of JT/T 1078 pictures and sound")  # noqa: S104
    media_host: str = Field(
        "", description="address that terminals are told to send pictures to; empty: where they reached us"
    )
    idle: Duration = Field(180.0, ge=20, le=3600, description="a terminal that says nothing for so long is offline")
    answer: Duration = Field(8.0, ge=1, le=60, description="wait for a terminal's answer to an order")
    media_from_anywhere: bool = Field(
        False,
        description="take a terminal's pictures from another address than its signalling's: only where a NAT gives its "
        "connections several, for then whoever knows its number can bring pictures in its name",
    )
    dial_in: Duration = Field(15.0, ge=2, le=120, description="wait for a terminal to bring its picture")
    channels: int = Field(1, ge=1, le=64, description="cameras of a terminal that does not tell how many it has")
    max_terminals: int = Field(512, ge=1, le=20_000, description="connections at a time")
    talk: bool = Field(True, description="offer the terminals' loudspeakers to talk groups")

    @field_validator("media_host")
    @classmethod
    def _address(cls, value: str) -> str:
        if value:
            try:
                ipaddress.ip_address(value)
            except ValueError:
                raise ValueError("use an IP address; terminals resolve no names here") from None
        return value
