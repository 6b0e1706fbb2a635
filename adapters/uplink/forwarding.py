"""What a kit's outbox holds for a center goes there over the bundle: events in batches, then files piece by piece.

Nothing is let go before the center has said that it is on its disk; what it will never take is let go too, and said.
Files take only a part of what passes: they can wait.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgpack

from adapters.uplink.line import Line
from adapters.uplink.words import number
from gateway.base.errors import GatewayError, PeerError, RemoteProtocolError
from gateway.contract.forward import OutboxSide
from gateway.model.forward import Event, WaitingFile
from gateway.wire.records import plain

log = logging.getLogger(__name__)

BATCH = 32
BATCH_BYTES = 500_000
ANSWER_S = 60.0
AGAIN_S = 5.0
PIECE = 64 * 1024
SHARE = 0.25
"""Of what passes, for files."""


class Forwarding:
    """`run` until cancelled. `scope`: what the center may see; `passes`: bit/s that the links carry."""

    def __init__(self, side: OutboxSide, line: Line, scope: str, passes: Callable[[], float | None]) -> None:
        self._side = side
        self._line = line
        self._scope = scope.rstrip("/")
        self._passes = passes

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events())
            group.create_task(self._files())

    async def _events(self) -> None:
        while True:
            events = await self._side.waiting(BATCH)
            if not events:
                await self._side.more()
                continue
            try:
                await self._send(events)
            except GatewayError as exc:
                log.info("%d events wait for %s: %s (%s)", len(events), self._side.name, exc, exc.code)
                await asyncio.sleep(AGAIN_S)

    async def _send(self, events: Sequence[Event]) -> None:
        events = _fitting(events)
        theirs = [event for event in events if self._concerns(event)]
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

    def _concerns(self, event: Event) -> bool:
        """Of what the center may see; results of its orders always."""
        if not self._scope:
            return True
        try:
            body = json.loads(event.body)
        except ValueError:
            return False
        device = body.get("device") if isinstance(body, dict) else None
        if device is None:
            return True
        subject = f"{device}/{body.get('channel') or ''}"
        return subject.startswith(f"{self._scope}/") or str(device) == self._scope

    # — files —

    async def _files(self) -> None:
        while True:
            for waiting in await self._side.files(1):
                try:
                    await self._file(waiting)
                except PeerError as exc:
                    if exc.code == "file-damaged":
                        self._side.file_again(waiting.file.id, exc.code, str(exc))
                    else:
                        log.info("file %s waits: %s (%s)", waiting.file.name, exc, exc.code)
                except GatewayError as exc:
                    log.info("file %s waits: %s (%s)", waiting.file.name, exc, exc.code)
            await asyncio.sleep(AGAIN_S)

    async def _file(self, waiting: WaitingFile) -> None:
        file = waiting.file
        device = file.device
        if self._scope and not (device == self._scope or f"{device}/".startswith(f"{self._scope}/")):
            await self._side.file_done(file.id)
            return
        at = _received(await self._line.ask("file-begin", {"file": plain(file)}, within_s=ANSWER_S))
        while at < file.size:
            data = await self._side.read(file.id, at, PIECE)
            args = {"file": file.id, "offset": at, "data": data}
            at = _received(await self._line.ask("file-append", args, within_s=ANSWER_S))
            self._side.file_progress(file.id, at)
            bps = max((self._passes() or 0.0) * SHARE, 8_000.0)
            await asyncio.sleep(len(data) * 8 / bps)
        await self._side.file_done(file.id)


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
