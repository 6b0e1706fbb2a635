"""What waits for one far side. Fulfils `contract.forward.OutboxSide`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.model.forward import Batch, Event, Uplink, WaitingFile
from gateway.store.outbox import OutboxRepo

if TYPE_CHECKING:
    from gateway.core.outbox import Outbox

log = logging.getLogger(__name__)


class Side:
    def __init__(self, outbox: Outbox, repo: OutboxRepo, standing: Uplink) -> None:
        self._outbox = outbox
        self._repo = repo
        self._standing = standing
        self._more = asyncio.Event()

    @property
    def name(self) -> str:
        return self._standing.name

    async def waiting(self, limit: int, without: Sequence[str] = ()) -> Sequence[Event]:
        return await self._repo.waiting(self.name, limit=limit, without=without)

    def batch(self, events: Sequence[Event]) -> Batch:
        sent = self._outbox.moments.now()
        boots = {event.moment.boot_id for event in events} - {sent.boot_id}
        marks = tuple(mark for boot in sorted(boots) if (mark := self._outbox.marks.get(boot)) is not None)
        return Batch(tuple(events), sent, marks)

    async def acknowledge(self, ids: Sequence[str]) -> None:
        await self._repo.acknowledge(self.name, ids)

    async def more(self) -> None:
        await self._more.wait()
        self._more.clear()

    def wake(self) -> None:
        self._more.set()

    def standing(self) -> Uplink:
        return self._standing

    def stands(self, now: Uplink) -> None:
        self._standing = now

    # — files —

    async def files(self, limit: int = 4, without: Sequence[str] = ()) -> Sequence[WaitingFile]:
        return await self._repo.files(self.name, limit=limit, without=without)

    async def read(self, file: str, offset: int, length: int) -> bytes:
        return await self._outbox.stored.read(file, offset, length)

    def file_progress(self, file: str, sent: int) -> None:
        self._repo.file_progress(self.name, file, sent)

    async def file_done(self, file: str) -> None:
        if await self._repo.file_done(self.name, file):
            await self._outbox.stored.let_go(file)

    async def file_never(self, file: str, code: str, detail: str = "") -> None:
        if await self._repo.file_never(self.name, file):
            await self._outbox.stored.let_go(file)
        self._outbox.gave_up(f"file {file} for {self.name}: {code} {detail}".rstrip())

    def file_again(self, file: str, code: str, detail: str = "") -> None:
        log.warning("file %s is sent to %s from its beginning: %s %s", file, self.name, code, detail)
        self.file_progress(file, 0)
