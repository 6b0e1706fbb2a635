"""Satellite stations as an adapter: one task each, on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel

from adapters.station.config import StationsConfig
from adapters.station.session import Station
from gateway.contract.adapter import Context
from gateway.model.doctor import Finding, Grade, of_bearer


class Stations:
    """Implements contract.adapter.Adapter, contract.adapter.Measured and contract.adapter.Checked."""

    name: ClassVar[str] = "station"
    Config: ClassVar[type[BaseModel]] = StationsConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, StationsConfig)  # noqa: S101  (the core made it of Config)
        self._stations = [Station(name, one, context) for name, one in config.stations.items()]
        self._context = context

    async def run(self) -> None:
        self._context.ready()
        async with asyncio.TaskGroup() as tasks:
            for station in self._stations:
                tasks.create_task(station.run(), name=f"station {station.name}")
            if not self._stations:
                await asyncio.get_running_loop().create_future()

    def figures(self) -> Mapping[str, float]:
        """Of the first: a kit has one."""
        facts = self._stations[0].facts if self._stations else None
        told = {} if facts is None else {"esn0_db": facts.esn0_db, "locked": facts.lock, "muted": facts.muted}
        return {name: float(value) for name, value in told.items() if value is not None}

    def findings(self) -> Sequence[Finding]:
        return [of_bearer(f"station {one.name}", one.told) for one in self._stations if one.told is not None]

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Which variables stand on a maker's word alone."""
        assert isinstance(config, StationsConfig)  # noqa: S101
        return [
            Finding(
                f"station {name}",
                Grade.OK,
                f"OpenAMIP {one.openamip}: tried on no antenna unit"
                if one.openamip
                else f"{len(one.variables)} variables by SNMP",
            )
            for name, one in config.stations.items()
        ]
