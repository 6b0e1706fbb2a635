"""What all devices of one running adapter share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from adapters.gb28181.config import Gb28181Config
from adapters.gb28181.crew import Crew
from adapters.gb28181.line import Line
from adapters.gb28181.protocol.ids import SsrcPool
from gateway.base.clock import Clock
from gateway.contract.adapter import Context

PROBES_AT_ONCE = 32
"""Devices asked at once after our start whether they are still there."""


@dataclass(slots=True)
class Station:
    """The platform as its devices see it. `crew` carries work that outlives a device's own tasks (BYEs)."""

    config: Gb28181Config
    context: Context
    line: Line
    ssrcs: SsrcPool
    clock: Clock = field(default_factory=Clock)
    crew: Crew = field(default_factory=lambda: Crew("platform", 256))
    probes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PROBES_AT_ONCE))
