"""Who did what: every act becomes a row of the chained record, in the order of the acts.

`record` waits until the row is durable, `note` does not: moving a camera must not wait for a disk. While the disk is
full rows are held in memory (at most `HELD`) and written when there is room again; beyond that the oldest give way,
and a row says how many are missing. Refusals, which strangers cause, are `refused`: many become one row with a count.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gateway.base.clock import Clock
from gateway.base.errors import GatewayError
from gateway.core.refusals import Refusals
from gateway.core.rights import require
from gateway.model.command import Action
from gateway.model.principal import SYSTEM, Principal
from gateway.store.audit import Act, AuditRepo
from gateway.store.rows import AuditHead, AuditRow, AuditVerdict

log = logging.getLogger(__name__)

HELD = 4096
BATCH = 256
RETRY_S = 2.0
EXPORT_PAGE = 500
MAX_TEXT = 500


@dataclass(slots=True)
class _Held:
    act: Act
    durable: asyncio.Future[None] | None


class Audit:
    """`run` is a task of the daemon."""

    def __init__(self, repo: AuditRepo, clock: Clock) -> None:
        self._repo = repo
        self._clock = clock
        self._held: deque[_Held] = deque()
        self._wake = asyncio.Event()
        self._refusals = Refusals()
        self.lost = 0
        self._untold = 0
        self._in_flight = 0  # rows at the front that are just being written

    def note(
        self,
        who: Principal,
        act: str,
        target: str = "",
        *,
        outcome: str = "done",
        code: str = "",
        detail: str = "",
    ) -> None:
        self._put(self._act(who, act, target, outcome, code, detail), None)

    def refused(self, who: Principal, act: str, target: str = "", *, code: str, detail: str = "") -> None:
        """`note`, unless it happens over and over: then it is counted, and the count is noted."""
        windows = len(self._refusals)
        if self._refusals.tells(who, act, target, code, self._clock.monotonic()):
            self.note(who, act, target, outcome="refused", code=code, detail=detail)
        elif len(self._refusals) != windows:
            self._wake.set()  # there is something new to be told in time

    async def noted(
        self,
        who: Principal,
        act: str,
        target: str = "",
        *,
        outcome: str = "done",
        code: str = "",
        detail: str = "",
    ) -> None:
        """`note`, for whoever chooses between it and `record`."""
        self.note(who, act, target, outcome=outcome, code=code, detail=detail)

    async def record(
        self,
        who: Principal,
        act: str,
        target: str = "",
        *,
        outcome: str = "done",
        code: str = "",
        detail: str = "",
    ) -> None:
        """Durable when it returns. On `disk-full` the error is raised, and the row is held to be written later."""
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._put(self._act(who, act, target, outcome, code, detail), durable)
        await durable

    async def read(self, who: Principal, *, after: int = 0, limit: int = 500) -> Sequence[AuditRow]:
        require(who, Action.AUDIT_READ)
        await self.record(who, Action.AUDIT_READ, detail=f"rows after {after}")
        return await self._repo.read(after=after, limit=min(max(limit, 1), 5000))

    async def export(self, who: Principal) -> AsyncIterator[AuditRow | AuditHead]:
        """Every row as the record stands now, in order, then its head. The order (`Action.EXPORT`) is its entry."""
        require(who, Action.EXPORT)
        head = AuditHead(*await self._repo.head())
        after = 0
        while after < head.number:
            rows = await self._repo.read(after=after, limit=min(EXPORT_PAGE, head.number - after))
            if not rows:
                break  # cut off behind our back: the head tells it
            for row in rows:
                yield row
            after = rows[-1].number
        yield head

    async def verify(self, who: Principal) -> AuditVerdict:
        require(who, Action.AUDIT_READ)
        verdict = await self._repo.verify()
        detail = f"{verdict.rows} rows sound" if verdict.sound else verdict.detail
        await self.record(who, "audit.verify", outcome="done" if verdict.sound else "failed", detail=detail)
        return verdict

    async def run(self) -> None:
        """Write what is held, in order, until cancelled; then once more."""
        try:
            while True:
                await self._wait()
                self._tell_counted(self._clock.monotonic())
                if await self._flush_whole():
                    self._wake.clear()
                    if self._held:
                        self._wake.set()
                else:
                    await asyncio.sleep(RETRY_S)
        finally:
            self._tell_counted(math.inf)
            await self._flush_whole()
            self._fail_waiting(GatewayError("the gateway stops", code="store-busy"))

    async def _wait(self) -> None:
        """Until something is held, or a count of refusals is to be told."""
        at = self._refusals.next_timer()
        with suppress(TimeoutError):
            async with asyncio.timeout(None if at is None else max(0.0, at - self._clock.monotonic())):
                await self._wake.wait()

    def _tell_counted(self, now: float) -> None:
        for row in self._refusals.due(now):
            self.note(row.who, row.act, row.target, outcome="refused", code=row.code, detail=row.detail)

    async def _flush_whole(self) -> bool:
        """A flush that cancellation waits for: the store goes on with a batch it has, and a batch that was cut off here
        would stay held and be written twice."""
        flush = asyncio.ensure_future(self._flush())
        try:
            return await asyncio.shield(flush)
        except asyncio.CancelledError:
            await flush
            raise

    async def _flush(self) -> bool:
        """True when nothing is left."""
        while self._held:
            batch = [self._held[i] for i in range(min(BATCH, len(self._held)))]
            self._in_flight = len(batch)
            acts = [held.act for held in batch]
            untold = self._untold
            if untold:
                text = f"{untold} rows were lost while the disk was full"
                acts.insert(0, self._act(SYSTEM, "audit.lost", "", "failed", "disk-full", text))
            try:
                await self._repo.append(acts)
            except GatewayError as exc:
                self._fail_waiting(exc)
                return False
            finally:
                self._in_flight = 0
            self._untold -= untold
            for held in batch:
                self._held.popleft()
                if held.durable is not None and not held.durable.done():
                    held.durable.set_result(None)
        return True

    def _fail_waiting(self, exc: GatewayError) -> None:
        for held in self._held:
            if held.durable is not None and not held.durable.done():
                held.durable.set_exception(exc)
            held.durable = None

    def _put(self, act: Act, durable: asyncio.Future[None] | None) -> None:
        if len(self._held) >= HELD:
            # The oldest that is not just being written.
            oldest = self._held[self._in_flight]
            del self._held[self._in_flight]
            self.lost += 1
            self._untold += 1
            if oldest.durable is not None and not oldest.durable.done():
                oldest.durable.set_exception(GatewayError("the audit record can not be written", code="disk-full"))
        self._held.append(_Held(act, durable))
        self._wake.set()

    def _act(self, who: Principal, act: str, target: str, outcome: str, code: str, detail: str) -> Act:
        return Act(
            at=self._clock.wall(),
            name=who.name[:MAX_TEXT],
            role=who.role.value,
            session=who.session[:MAX_TEXT],
            address=who.address[:MAX_TEXT],
            act=str(act),
            target=target[:MAX_TEXT],
            outcome=outcome,
            code=code,
            detail=detail[:MAX_TEXT],
        )
