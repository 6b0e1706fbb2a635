"""The toy's configuration."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from gateway.config.units import HostPort, Listen


class ToyConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
    listen: Listen = Field(HostPort("127.0.0.1", 0), description="where")
    word: str = Field("", description="anything")
