"""Sends a center the files that wait for it: in pieces, on from where the center has got to, urgent things first."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from adapters.mqtt.connection import Connection
from adapters.mqtt.protocol import messages
from adapters.mqtt.protocol.messages import Ack, Piece
from adapters.mqtt.protocol.topics import Kind, Topic
from adapters.mqtt.seals import SealOf, closed
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError
from gateway.contract.forward import OutboxSide
from gateway.model.forward import ForwardFile

log = logging.getLogger(__name__)

AHEAD = 4
"""Pieces under way."""
ANSWER_S = 15.0
AGAIN_S = 60.0
"""A center that has no room is asked again after this long."""
LOOK_EVERY_S = 30.0

# Nothing that is sent again will be taken.
_NEVER = frozenset({"too-large", "file-taken", "kit-foreign-id", "event-damaged", "record-damaged"})


class FileSender:
    def __init__(self, gateway: str, center: str, side: OutboxSide, piece: int, clock: Clock, seals: SealOf) -> None:
        self._center = center
        self._seals = seals
        self._gateway = gateway
        self._side = side
        self._piece = piece
        self._clock = clock
        self._file = ""
        self._answer: asyncio.Queue[tuple[int, str]] = asyncio.Queue(64)
        self._more = asyncio.Event()

    def wake(self) -> None:
        """There may be a file now."""
        self._more.set()

    async def run(self, connection: Connection, calm: asyncio.Event) -> None:
        while True:
            self._more.clear()
            waiting = await self._side.files(1)
            if not waiting:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._more.wait()
                continue
            file = waiting[0].file
            self._file, self._answer = file.id, asyncio.Queue(64)
            try:
                code = await self._send(connection, file, calm)
            except GatewayError as exc:
                if exc.code not in ("not-found", "store-fault"):
                    raise
                log.warning("%s: file %s can not be sent: %s", self._gateway, file.name, exc)
                code = "too-large"
            finally:
                self._file = ""
            if code in _NEVER:
                log.warning("%s: the center will not have file %s: %s", self._gateway, file.name, code)
                await self._side.file_done(file.id)
            elif code:
                await asyncio.sleep(AGAIN_S)

    def acknowledged(self, ack: Ack) -> None:
        if (told := ack.files.get(self._file)) is not None and not self._answer.full():
            self._answer.put_nowait(told)

    async def _send(self, connection: Connection, file: ForwardFile, calm: asyncio.Event) -> str:
        """Until the center has it whole; a reason code when it will not take it (now, or ever)."""
        topic = str(Topic(self._gateway, Kind.FILE, file.id))
        while True:
            await calm.wait()
            await self._say(connection, topic, Piece(file))
            told = await self._told()
            if told is None:
                continue  # nobody answers: it is announced again
            have, code = told
            if code == "file-damaged":
                self._side.file_again(file.id, code)
                await asyncio.sleep(1.0)
                continue
            if code:
                return code
            if await self._pieces(connection, topic, file, have, calm):
                await self._side.file_done(file.id)
                return ""

    async def _pieces(
        self, connection: Connection, topic: str, file: ForwardFile, have: int, calm: asyncio.Event
    ) -> bool:
        """From `have` on. False: announce it again, the center lost the thread or does not answer."""
        sent = have
        while have < file.size:
            while sent < file.size and sent - have < AHEAD * self._piece:
                await calm.wait()
                data = await self._side.read(file.id, sent, self._piece)
                await self._say(connection, topic, Piece(None, sent, data))
                sent += len(data)
            told = await self._told()
            if told is None or told[1] or told[0] < have:
                return False
            if told[0] > have:
                have = told[0]
                self._side.file_progress(file.id, have)
        return True

    async def _say(self, connection: Connection, topic: str, piece: Piece) -> None:
        await connection.publish(topic, closed(self._seals(self._center), topic, messages.piece_bytes(piece)))

    async def _told(self) -> tuple[int, str] | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                return await self._answer.get()
        return None
