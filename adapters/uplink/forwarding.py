"""What a kit's outbox holds for a center goes there over the bundle: events in batches, then files piece by piece.

Nothing is let go before the center has said that it is on its disk; what it will never take is let go too, and said.
Files take only a part of what passes: they can wait. One that is refused keeps none of the others back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgpack

from adapters.uplink.line import Line
from adapters.uplink.words import number
from gateway.base.errors import GatewayError, LinkDown, NotFound, PeerError, RemoteProtocolError
from gateway.contract.forward import OutboxSide
from gateway.model.forward import Event, ForwardFile
from gateway.wire.file_turns import Fate, FileTurns
from gateway.wire.records import plain
from gateway.wire.sharing import may_have, within

log = logging.getLogger(__name__)

BATCH = 32
BATCH_BYTES = 500_000
ANSWER_S = 60.0
AGAIN_S = 5.0
PIECE = 64 * 1024
LEAST_PIECE = 2 * 1024
SHARE, ALONE = 0.25, 0.75
"""Of what passes, for files: beside pictures, and while none is given."""
PIECE_S = 0.25
"""A piece takes no longer than this of its share: it goes before pictures, as everything does that is asked here."""


class Forwarding:
    """`run` until cancelled. `scope`: what the center may see; `room`: bit/s that files may take, 0 if not known."""

    def __init__(self, side: OutboxSide, line: Line, scope: str, room: Callable[[], float]) -> None:
        self._side = side
        self._line = line
        self._scope = scope
        self._room = room
        self._turns = FileTurns()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events())
            group.create_task(self._files())

    async def _events(self) -> None:
        while True:
            try:
                if events := await self._side.waiting(BATCH):
                    await self._send(events)
                    continue
            except GatewayError as exc:
                log.info("events wait for %s: %s (%s)", self._side.name, exc, exc.code)
                await asyncio.sleep(AGAIN_S)
            else:
                await self._side.more()

    async def _send(self, events: Sequence[Event]) -> None:
        events = _fitting(events)
        theirs = [event for event in events if may_have(self._scope, event.body)]
        kept: list[str] = [event.id for event in events if event not in theirs]
        if theirs:
            # Packed of its own: bodies of events may be longer than other texts.
            batch = msgpack.packb(plain(self._side.batch(theirs)))
            answer = await self._line.ask("events", {"batch": batch}, within_s=ANSWER_S)
            match answer:
                case {"kept": list(ids), "refused": dict(refused)}:
                    known = {event.id for event in theirs}
                    kept += [id_ for id_ in (*ids, *refused) if id_ in known]
                    for id_, code in refused.items():
                        log.warning("%s refuses event %.40s: %.40s", self._side.name, id_, code)
                case _:
                    raise RemoteProtocolError("an answer to events that is none", code="record-damaged")
        if not kept:
            raise RemoteProtocolError("the center keeps nothing and refuses nothing", code="record-damaged")
        await self._side.acknowledge(kept)

    # — files —

    async def _files(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            try:
                waiting = await self._side.files(1, self._turns.waiting(now()))
                if waiting:
                    await self._turn(waiting[0].file, now())
                    continue
            except GatewayError as exc:
                log.info("files wait for %s: %s (%s)", self._side.name, exc, exc.code)
            await asyncio.sleep(AGAIN_S)

    async def _turn(self, file: ForwardFile, now: float) -> None:
        """Send it, or do what follows from its refusal. Raises GatewayError: it is the line's fault, or the store's."""
        try:
            if within(self._scope, file.device, file.channel):
                await self._send_file(file)
            await self._side.file_done(file.id)
            self._turns.done(file.id)
        except NotFound as exc:  # here: what the center says is a PeerError
            self._turns.done(file.id)
            await self._side.file_never(file.id, exc.code, str(exc))
        except LinkDown:
            raise
        except GatewayError as exc:
            match self._turns.refused(file.id, exc.code if isinstance(exc, PeerError) else "", now):
                case Fate.NEVER:
                    await self._side.file_never(file.id, exc.code, str(exc))
                case Fate.AGAIN:
                    self._side.file_again(file.id, exc.code, str(exc))
                case Fate.LATER:
                    log.info("file %s waits for %s: %s (%s)", file.name, self._side.name, exc, exc.code)

    async def _send_file(self, file: ForwardFile) -> None:
        at = _received(await self._line.ask("file-begin", {"file": plain(file)}, within_s=ANSWER_S))
        while at < file.size:
            share = self._room()
            piece = min(PIECE, max(LEAST_PIECE, int(share * PIECE_S / 8)))
            data = await self._side.read(file.id, at, piece)
            args = {"file": file.id, "offset": at, "data": data}
            at = _received(await self._line.ask("file-append", args, within_s=ANSWER_S))
            self._side.file_progress(file.id, at)
            await asyncio.sleep(len(data) * 8 / max(share, 8_000.0))


def _fitting(events: Sequence[Event]) -> Sequence[Event]:
    """As many as a message holds; the first one always."""
    room, fit = BATCH_BYTES, list[Event]()
    for event in events:
        room -= len(event.body.encode()) + 500
        if fit and room < 0:
            break
        fit.append(event)
    return fit


def _received(answer: Any) -> int:
    args: Mapping[str, Any] = answer if isinstance(answer, dict) else {}
    return int(number(args, "received", 0, 1 << 50))
