"""What a technician may set for phones: `[adapter.phone]`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from gateway.config.units import ByteSize, Duration


class PhoneConfig(BaseModel):
    """Phones report by a page that is opened from a link: no account, no app (`fieldgate invite new`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chunk: ByteSize = Field(
        256_000,
        ge=4096,
        le=1_000_000,
        description="most bytes of a file in one request; phones on weak links take less",
    )
    requests_at_once: int = Field(64, ge=1, le=1000, description="requests of all phones that are worked on together")
    patience: Duration = Field(
        30.0, ge=1, le=600, description="a request waits this long for its turn, then is refused"
    )


Config = PhoneConfig
