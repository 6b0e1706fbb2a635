"""What a technician may set for the kit itself, and for what the field team sees: `[kit]` and `[team]`."""

from __future__ import annotations

import ipaddress
from typing import Literal

from pydantic import Field, field_validator, model_validator

from gateway.config.section import Section
from gateway.config.units import Duration


class Kit(Section):
    longitude: float | None = Field(None, ge=-180, le=180, description="where a kit stands that no receiver tells it")
    latitude: float | None = Field(None, ge=-90, le=90, description="of the same place")
    altitude: float | None = Field(None, ge=-500, le=9000, description="of the same place, metres")
    datum: Literal["WGS-84", "CGCS2000", "GCJ-02"] = Field("WGS-84", description="what those numbers are in")
    battery_low: float = Field(0.25, ge=0.02, le=0.9, description="below this part of full it is said")
    battery_critical: float = Field(0.1, ge=0.01, le=0.5, description="below this it is said loudly")
    hot: float = Field(80.0, ge=40, le=120, description="a sensor of the machine above this is called hot, °C")
    look_every: Duration = Field(5.0, ge=1, le=300, description="how often power, heat and disk are looked at")

    @model_validator(mode="after")
    def _whole(self) -> Kit:
        if (self.longitude is None) != (self.latitude is None):
            raise ValueError("a place has a longitude and a latitude: set both or neither")
        if self.battery_critical >= self.battery_low:
            raise ValueError("battery_critical is below battery_low")
        return self


class Team(Section):
    page: bool = Field(True, description="the page /field: the team's word, without sign-in, on the kit's network only")
    networks: list[str] = Field(
        [], description='networks that see it, as "192.168.10.0/24"; empty: private addresses, by no link'
    )
    center: bool = Field(True, description="ready is when a center holds the kit; false: when a link carries")
    technician_after: Duration = Field(600.0, ge=30, le=86400, description="without a center this long: call for help")

    @field_validator("networks")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for one in value:
            try:
                ipaddress.ip_network(one)
            except ValueError:
                raise ValueError(f'{one!r} is no network: write it as "192.168.10.0/24"') from None
        return value
