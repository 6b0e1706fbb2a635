"""Holes in the directory: kits of which fewer devices came than they have are asked for again, of the broker.

A broker hands on what it retains when somebody begins to listen. It may leave some of it out without a word: mosquitto
when too much waits for a slow center, NATS when its store does not answer in time. A kit says how many devices it has;
where some are missing the center listens to that kit's devices once more, by their own filter, and lets go of it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from adapters.mqtt.center_kit import HeardKit
from adapters.mqtt.connection import Connection
from adapters.mqtt.protocol.topics import filter_of_devices
from gateway.base.clock import Clock

log = logging.getLogger(__name__)

LOOK_S = 1.0
AT_ONCE = 64
"""Kits in one question."""


class Holes:
    def __init__(self, kits: Mapping[str, HeardKit], clock: Clock) -> None:
        self._kits = kits
        self._clock = clock

    async def run(self, connection: Connection) -> None:
        """While the connection stands. Raises LinkDown, PeerError."""
        while True:
            await asyncio.sleep(LOOK_S)
            now = self._clock.monotonic()
            late = [kit.gateway for kit in self._kits.values() if kit.lacks(now)]
            if late:
                log.info("devices of %d kits did not come; the broker is asked for them again", len(late))
            for start in range(0, len(late), AT_ONCE):
                filters = [filter_of_devices(gateway) for gateway in late[start : start + AT_ONCE]]
                await connection.subscribe(filters, qos=0)
                await connection.unsubscribe(*filters)
