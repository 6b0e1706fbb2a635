"""How much devices' encoders may send: who wishes less, and what is told to the device.

The least wish counts; the last one gone, the device is told to be as it was before.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from gateway.base.errors import GatewayError
from gateway.core.stream import LiveStream
from gateway.model.ids import StreamId

log = logging.getLogger(__name__)

UNKNOWN = -1


@dataclass(eq=False, slots=True)
class _Encoder:
    wishes: dict[object, int] = field(default_factory=dict)
    told: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Encoders:
    def __init__(self) -> None:
        self._encoders: dict[StreamId, _Encoder] = {}
        self._leaving: set[asyncio.Task[bool]] = set()

    async def limit(self, stream: LiveStream, holder: object, bps: int) -> bool:
        """`bps` 0: no wish any more. False where the device can not be told, or refuses; then nothing is wished."""
        if stream.offer.encoder is None:
            return False
        encoder = self._encoders.setdefault(stream.id, _Encoder())
        if bps > 0:
            encoder.wishes[holder] = bps
        else:
            encoder.wishes.pop(holder, None)
        encoder.users += 1
        try:
            async with encoder.lock:
                done = await self._tell(stream, encoder)
        finally:
            encoder.users -= 1
            if not encoder.wishes and not encoder.users:
                self._encoders.pop(stream.id, None)
        if not done:
            encoder.wishes.pop(holder, None)
        return done

    def release(self, stream: LiveStream, holder: object) -> None:
        encoder = self._encoders.get(stream.id)
        if encoder is not None and holder in encoder.wishes:
            task = asyncio.create_task(self.limit(stream, holder, 0), name=f"encoder of {stream.id}")
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        while self._leaving:
            await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _tell(self, stream: LiveStream, encoder: _Encoder) -> bool:
        # What is wished by now: others may have come or gone while we waited.
        least = min(encoder.wishes.values(), default=0)
        if least == encoder.told:
            return True
        if stream.offer.encoder is None:
            return False
        try:
            await stream.offer.encoder(least)
        except GatewayError as exc:
            log.info("%s: its encoder can not be told %d bit/s: %s", stream.id, least, exc)
            encoder.told = UNKNOWN
            return False
        log.info("%s: its encoder sends %s", stream.id, f"at most {least} bit/s" if least else "as before")
        encoder.told = least
        return True
