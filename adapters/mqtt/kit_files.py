"""Sends a center the files that wait for it: in pieces, on from where the center has got to, urgent things first. One
that is refused keeps none of the others back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from adapters.mqtt.connection import Connection
from adapters.mqtt.protocol import messages
from adapters.mqtt.protocol.messages import Ack, Piece
from adapters.mqtt.protocol.topics import Kind, Topic
from adapters.mqtt.seals import SealOf, closed
from gateway.base.clock import Clock
from gateway.base.errors import GatewayError, LinkDown, NotFound, PeerError
from gateway.contract.forward import OutboxSide
from gateway.model.forward import ForwardFile, WaitingFile
from gateway.wire.file_turns import Fate, FileTurns
from gateway.wire.sharing import within

log = logging.getLogger(__name__)

AHEAD = 4
"""Pieces under way."""
ANSWER_S = 15.0
ANNOUNCED_AT_MOST = 4
"""And no further in one turn: it is another file's then."""
UNHEARD_CODE = "kit-silent"
LOOK_EVERY_S = 30.0


class _Refusal(PeerError):
    """The center's word about one file; what the connection raises is no such."""


class FileSender:
    """`scope`: what the center may see."""

    def __init__(
        self,
        gateway: str,
        center: str,
        side: OutboxSide,
        piece: int,
        clock: Clock,
        seals: SealOf,
        scope: str = "",
    ) -> None:
        self._center = center
        self._seals = seals
        self._gateway = gateway
        self._side = side
        self._piece = piece
        self._clock = clock
        self._scope = scope
        self._turns = FileTurns()
        self._file = ""
        self._answer: asyncio.Queue[tuple[int, str]] = asyncio.Queue(64)
        self._more = asyncio.Event()

    def wake(self) -> None:
        """There may be a file now."""
        self._more.set()

    async def run(self, connection: Connection, calm: asyncio.Event) -> None:
        while True:
            self._more.clear()
            waiting = await self._waiting()
            if not waiting:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._more.wait()
                continue
            file = waiting[0].file
            self._file, self._answer = file.id, asyncio.Queue(64)
            try:
                if within(self._scope, file.device, file.channel):
                    await self._send(connection, file, calm)
                await self._side.file_done(file.id)
                self._turns.done(file.id)
            except NotFound as exc:
                self._turns.done(file.id)
                await self._side.file_never(file.id, exc.code, str(exc))
            except _Refusal as exc:
                await self._refused(file, exc.code, exc)
            except (LinkDown, PeerError):
                raise  # of the connection
            except GatewayError as exc:
                await self._refused(file, "", exc)
            finally:
                self._file = ""

    async def _waiting(self) -> Sequence[WaitingFile]:
        try:
            return await self._side.files(1, self._turns.waiting(self._clock.monotonic()))
        except GatewayError as exc:
            log.warning("%s: files wait: %s (%s)", self._gateway, exc, exc.code)
            return ()

    async def _refused(self, file: ForwardFile, code: str, exc: GatewayError) -> None:
        """`code` is the center's, "" where it is our own disk that failed."""
        now = self._clock.monotonic()
        if code == UNHEARD_CODE:
            self._turns.put_off(file.id, now)
            return
        match self._turns.refused(file.id, code, now):
            case Fate.NEVER:
                await self._side.file_never(file.id, exc.code, str(exc))
            case Fate.AGAIN:
                self._side.file_again(file.id, exc.code, str(exc))
            case Fate.LATER:
                log.info("%s: file %s waits: %s (%s)", self._gateway, file.name, exc, exc.code)

    def acknowledged(self, ack: Ack) -> None:
        if (told := ack.files.get(self._file)) is not None and not self._answer.full():
            self._answer.put_nowait(told)

    async def _send(self, connection: Connection, file: ForwardFile, calm: asyncio.Event) -> None:
        """Until the center has it whole. Raises _Refusal with the center's reason (`kit-silent`: it gives no answer),
        NotFound and GatewayError of our own disk; LinkDown and PeerError of the connection."""
        topic = str(Topic(self._gateway, Kind.FILE, file.id))
        center, most, in_vain = self._center or "the center", -1, 0
        while in_vain < ANNOUNCED_AT_MOST:
            in_vain += 1
            await calm.wait()
            await self._say(connection, topic, Piece(file))
            told = await self._told()
            if told is None:
                continue  # nobody answers: it is announced again
            have, code = told
            if code:
                raise _Refusal(f"{center} does not take {file.name}", code=code)
            if have > most:
                most, in_vain = have, 0
            if await self._pieces(connection, topic, file, have, calm):
                return
        raise _Refusal(f"{center} says nothing about {file.name}", code=UNHEARD_CODE)

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
