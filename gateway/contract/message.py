"""The bus: what devices report, published once, heard by whoever subscribed."""

from __future__ import annotations

from typing import Protocol

from gateway.model.alarm import Alarm
from gateway.model.position import Position


class Messages(Protocol):
    async def alarm(self, alarm: Alarm) -> None:
        """Store and publish. Returns when it is durable (FULL sync): only then may the device be told OK.

        Deduplicated by `Alarm.key`. Raises GatewayError `disk-full` when it can not be kept.
        """

    def position(self, position: Position) -> None:
        """Publish and keep the latest per device and channel; thinned before storing."""
