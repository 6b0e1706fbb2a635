"""What a technician may set for cameras and microphones of this machine: `[adapter.local]`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from gateway.config.units import Duration


class LocalConfig(BaseModel):
    """Local capture: `v4l2:/dev/v4l/by-id/…`, `alsa:hw:1,0` as sources (`fieldgate sources local` lists them)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: int = Field(8, ge=1, le=64, description="devices that are captured at one time")
    look_every: Duration = Field(1.0, ge=0.1, le=60, description="how often it is looked for what was plugged in")


Config = LocalConfig
