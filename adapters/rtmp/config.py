"""What a technician may set for RTMP: `[adapter.rtmp]`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.config.units import ByteSize, Duration, HostPort, Listen

AppName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class RtmpConfig(BaseModel):
    """RTMP in and out. Who may publish and read is said by `[program.<name>]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: Listen | None = Field(
        HostPort("0.0.0.0", 1935),  # noqa: S104
        description="our TCP address for senders and players; none: only URLs are pulled and pushed to",
    )
    listen_tls: Listen | None = Field(
        None, description='RTMPS with the kit\'s own certificate, as "0.0.0.0:1936"; none: off'
    )
    apps: list[AppName] = Field(
        ["live", "app", "stream", "push"],
        max_length=16,
        description="application names that mean nothing: rtmp://gateway/live/drone-1 is drone-1",
    )
    connections: int = Field(200, ge=1, le=4000, description="most connections at a time")
    connections_per_address: int = Field(50, ge=1, le=4000, description="most of them from one address")
    patience: Duration = Field(
        10.0, ge=1, le=60, description="how long a new connection may take until it has asked for something"
    )
    queue: ByteSize = Field(
        4_000_000, ge=65_536, le=64_000_000, description="bytes that wait for a slow player; then to the next key frame"
    )
