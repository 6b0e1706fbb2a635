"""What a technician may set for HLS: `[adapter.hls]`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.config.units import ByteSize, Duration


class HlsConfig(BaseModel):
    """HLS with low latency, on the API's own port, for players that can do nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    segment: Duration = Field(2.0, ge=0.5, le=20, description="length of a segment; it ends before a key frame")
    part: Duration = Field(0.2, ge=0.1, le=2, description="length of a part: how soon a picture can be had")
    window: int = Field(8, ge=4, le=60, description="segments that are kept for players who come late")
    most_bytes: ByteSize = Field(64_000_000, ge=1_000_000, description="most memory of one stream")
    streams: int = Field(64, ge=1, le=1000, description="streams at one time")
    idle_close: Duration = Field(15.0, ge=3, le=600, description="let go when no player has asked for this long")
    link_life: Duration = Field(12 * 3600.0, ge=60, le=30 * 86400, description="a link with its ticket works this long")
    video: list[Literal["h264", "h265"]] = Field(
        ["h264"], min_length=1, description="what is passed as it is; other codecs are converted to the first"
    )


Config = HlsConfig
