"""What a technician may set for satellite receivers: `[adapter.gnss]`."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.config.units import Duration


class GnssConfig(BaseModel):
    """Receivers on this machine; those within modems are told by their own adapters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpsd: str = Field("127.0.0.1:2947", description="host:port of gpsd; where none runs, nothing is said; empty: never")
    port: str = Field(
        "", description="a receiver that sends NMEA, as /dev/serial/by-path/…, usb:1-1.3:2, tcp://host:port"
    )
    baud: int = Field(9600, ge=1200, le=921_600, description="of that port")
    silent: Duration = Field(10.0, ge=2, le=600, description="a receiver without a word for this long is called silent")

    @field_validator("gpsd")
    @classmethod
    def _gpsd(cls, value: str) -> str:
        if value and re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]{1,253}):\d{1,5}", value) is None:
            raise ValueError('write host:port, as "127.0.0.1:2947"')
        if value and not 1 <= int(value.rpartition(":")[2]) <= 65_535:
            raise ValueError("a port is 1 to 65535")
        return value

    @field_validator("port")
    @classmethod
    def _port(cls, value: str) -> str:
        if value:
            from gateway.base.serial import check_address

            check_address(value)
        return value


Config = GnssConfig
