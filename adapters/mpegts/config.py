"""What a technician may set for MPEG-TS over UDP and RTP: `[adapter.mpegts]`."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator

_INTERFACE = re.compile(r"[A-Za-z0-9._:-]{0,45}")


class MpegTsConfig(BaseModel):
    """Sources `udp://group:port`, `rtp://…`, `udp://:port`; outputs to such URLs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interface: str = Field(
        "", description='interface or address of ours for multicast ("mesh0", "10.0.0.1"); empty: the route\'s'
    )
    ttl: int = Field(4, ge=0, le=255, description="hops that multicast of ours may take")
    programmes: bool = Field(
        True, description="a multicast source with several programmes: offer each as a stream of its own"
    )
    positions: bool = Field(True, description="take positions out of KLV metadata (MISB ST 0601)")

    @field_validator("interface")
    @classmethod
    def _named(cls, value: str) -> str:
        if _INTERFACE.fullmatch(value) is None:
            raise ValueError("the name of a network interface, or an address of this machine")
        return value
