"""`[forward]`: what is kept for centers until they have it, and at a center what is kept of kits."""

from __future__ import annotations

from pydantic import Field

from gateway.config.section import Section
from gateway.config.units import ByteSize, Duration


class Forward(Section):
    rows: int = Field(
        100_000,
        ge=100,
        le=10_000_000,
        description="most events that wait for one center; beyond, positions give way, then lesser alarms",
    )
    size: ByteSize = Field(100_000_000, ge=100_000, description="and most bytes of them")
    keep: Duration = Field(30 * 86400.0, ge=3600, description="alarms, results of orders and files wait this long")
    keep_positions: Duration = Field(3 * 86400.0, ge=600, description="positions wait this long")
    reports: bool = Field(True, description="files that phones on site report are sent to the centers as well")
    file_quota: ByteSize = Field(
        4_000_000_000, ge=1_000_000, description="most that waiting files take; at a center: those that kits sent"
    )
    largest_file: ByteSize = Field(1_000_000_000, ge=1_000_000, description="most that one of them has")
    events: int = Field(
        1_000_000,
        ge=100,
        le=100_000_000,
        description="at a center: most events that are kept of all kits; one kit has half of it at most, and what is "
        "least important of it goes first",
    )
    events_size: ByteSize = Field(2_000_000_000, ge=100_000, description="and most bytes of them")
    keep_events: Duration = Field(365 * 86400.0, ge=86400, description="a center keeps events of kits this long")
    keep_files: Duration = Field(90 * 86400.0, ge=86400, description="and files of kits")
