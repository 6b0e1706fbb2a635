"""A camera's live picture: the order, the connection that the terminal brings it on, and the order to end it.

open ─► wait at the door ─► order 0x9101 ─► the terminal dials in ─► media ─► until it ends ─► order 0x9102
"""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress

from adapters.jt808.config import Jt808Config
from adapters.jt808.door import MediaDoor
from adapters.jt808.line import Line
from adapters.jt808.protocol import messages
from adapters.jt808.protocol.messages import Live, Order
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown
from gateway.contract.media import Publication

log = logging.getLogger(__name__)

FIRST_MEDIA_S = 10.0


async def dialled_in(
    line: Line, door: MediaDoor, config: Jt808Config, number: int, what: Live
) -> tuple[socket.socket, bytes]:
    """Have the terminal connect for a channel. Raises what the order raises, and LinkDown (`jt1078-no-connection`,
    `jt1078-other-address`)."""
    waiting = door.wait(line.phone, number, "" if config.media_from_anywhere else line.host)
    try:
        host = config.media_host or line.local_host
        await line.order(Order.LIVE, messages.live(host, door.port, number, what), config.answer)
        async with asyncio.timeout(config.dial_in):
            return await waiting.brought
    except TimeoutError:
        if waiting.stranger:
            raise LinkDown(
                f"{line.phone} is at {line.host}, and its picture came from {waiting.stranger}",
                code="jt1078-other-address",
            ) from None
        raise LinkDown(
            f"{line.phone} agreed, and did not connect to {host}:{door.port}", code="jt1078-no-connection"
        ) from None
    finally:
        waiting.brought.cancel()


class LivePicture:
    def __init__(self, line: Line, door: MediaDoor, config: Jt808Config, number: int) -> None:
        self._line = line
        self._door = door
        self._config = config
        self._number = number

    async def run(self, publication: Publication, engine: codecs.Engine) -> None:
        """See contract.media.Open."""
        publication.say("opening")
        connection, head = await dialled_in(self._line, self._door, self._config, self._number, Live.BOTH)
        try:
            leg = publication.leg(
                engine.open_bytes_in(
                    publication.handle, connection.detach(), "jt1078", initial=head, stall_ms=publication.stall_ms
                )
            )
            publication.say("waiting-media")
            await leg.first_media(FIRST_MEDIA_S)
            code = await leg.ended()
            raise LinkDown(f"{self._line.phone} channel {self._number} ended", code=code)
        finally:
            await asyncio.shield(self._hang_up())

    async def _hang_up(self) -> None:
        """The terminal goes on sending otherwise. One that is away has no line to hear it by."""
        with suppress(GatewayError):
            await self._line.order(Order.LIVE_CONTROL, messages.live_close(self._number), self._config.answer)
