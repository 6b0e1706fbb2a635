"""Holes in what a center heard: kits of which fewer devices came than they have, or whose birth did not come, are asked
for again, of the broker.

A broker hands on what it retains when somebody begins to listen. It may leave some of it out without a word: mosquitto
when too much waits for a slow center, NATS when its store does not answer in time, and what a kit said while it was
looked for. A kit says how many devices it has, and in which life it is; where something is missing the center listens
to that once more, by the kit's own filter, and lets go of it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from adapters.mqtt.center_kit import HeardKit
from adapters.mqtt.connection import Connection
from adapters.mqtt.protocol.topics import filter_of_devices, filter_of_state
from gateway.base.clock import Clock

log = logging.getLogger(__name__)

LOOK_S = 1.0
AT_ONCE = 64
"""Kits in one question."""


class Holes:
    """`devices`: they are listened to by now, so that some can be missing."""

    def __init__(self, kits: Mapping[str, HeardKit], clock: Clock) -> None:
        self._kits = kits
        self._clock = clock
        self.devices = False

    async def run(self, connection: Connection) -> None:
        """While the connection stands. Raises LinkDown, PeerError."""
        while True:
            await asyncio.sleep(LOOK_S)
            now = self._clock.monotonic()
            kits = list(self._kits.values())
            if unborn := [filter_of_state(kit.gateway) for kit in kits if kit.unborn(now)]:
                log.info("births of %d kits did not come; the broker is asked for them again", len(unborn))
                await _ask(connection, unborn)
            if not self.devices:
                continue
            if late := [filter_of_devices(kit.gateway) for kit in kits if kit.lacks(now)]:
                log.info("devices of %d kits did not come; the broker is asked for them again", len(late))
                await _ask(connection, late)


async def _ask(connection: Connection, filters: Sequence[str]) -> None:
    for start in range(0, len(filters), AT_ONCE):
        some = filters[start : start + AT_ONCE]
        await connection.subscribe(some, qos=0)
        await connection.unsubscribe(*some)
