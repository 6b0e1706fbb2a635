"""What adapters hand up: fulfils `contract.message.Messages`."""

from __future__ import annotations

from gateway.core.alarms import Alarms
from gateway.core.positions import Positions
from gateway.model.alarm import Alarm
from gateway.model.position import Position


class Reports:
    def __init__(self, alarms: Alarms, positions: Positions) -> None:
        self._alarms = alarms
        self._positions = positions

    async def alarm(self, alarm: Alarm) -> None:
        await self._alarms.report(alarm)

    async def far_alarm(self, alarm: Alarm) -> None:
        """An alarm of a kit, with the id that it has there."""
        await self._alarms.take(alarm)

    def position(self, position: Position) -> None:
        self._positions.report(position)
