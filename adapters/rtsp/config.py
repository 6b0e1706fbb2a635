"""What a technician may set for RTSP: `[adapter.rtsp]`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.config.units import ByteSize, Duration, HostPort, Listen


class RtspConfig(BaseModel):
    """RTSP in and out. Who may publish and read is said by `[program.<name>]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: Listen | None = Field(
        HostPort("0.0.0.0", 8554),  # noqa: S104
        description="our TCP address for senders and readers; none: only URLs are pulled and pushed to",
    )
    listen_tls: Listen | None = Field(
        None, description='RTSPS with the kit\'s own certificate, as "0.0.0.0:8322"; none: off'
    )
    udp: bool = Field(True, description="readers and senders may have their media over UDP; no: TCP only")
    algorithms: list[Literal["MD5", "SHA-256"]] = Field(
        ["MD5"],
        min_length=1,
        description="digest algorithms offered to senders and readers, the last one is what most of them take; "
        "FFmpeg, GStreamer and VLC know MD5 only",
    )
    connections: int = Field(200, ge=1, le=4000, description="most connections at a time")
    connections_per_address: int = Field(50, ge=1, le=4000, description="most of them from one address")
    patience: Duration = Field(
        10.0, ge=1, le=60, description="how long a server may take to answer, and a new connection to ask for something"
    )
    session_timeout: Duration = Field(
        60.0, ge=10, le=600, description="what senders and readers over UDP are told: silent for longer, they are gone"
    )
    queue: ByteSize = Field(
        4_000_000, ge=65_536, le=64_000_000, description="bytes that wait for a slow reader; then to the next key frame"
    )
