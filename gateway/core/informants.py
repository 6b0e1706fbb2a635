"""What phones on site report: kept, shown, given a place in the directory. Fulfils `contract.informant.Informants`.

A report is a row and, but for words and positions, a file. It is announced, its file grows chunk by chunk, and only
when all is on the disk the phone is told `complete` and forgets its own copy. The phone's id of it (a ULID) makes it
one, however often it is sent.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.base.errors import Busy, Denied, GatewayError, NotFound
from gateway.core.audit import Audit
from gateway.core.invitations import Invitations
from gateway.core.messages import Bus
from gateway.core.phones import Phones
from gateway.core.positions import Positions
from gateway.core.report_files import ReportFiles
from gateway.core.rights import in_scope, require_role
from gateway.model.informant import Draft, Phone, Progress, Report
from gateway.model.position import Datum, Position, PositionSource
from gateway.model.principal import Principal, Role
from gateway.store.informants import InformantRepo

if TYPE_CHECKING:
    from gateway.config.root import Reports as ReportsConfig

log = logging.getLogger(__name__)

PILE = 200
"""Unfinished reports of one phone."""
HOURLY = 600
"""Reports of one phone in an hour: of those with a file, and of those without; neither takes the other's room."""
HOUR_S = 3600.0
FUTURE_S = 60.0
SHARE = 4
"""One phone takes at most this part of the quota: it must not shut the others out."""
FORGET_S = 7 * 86400.0
"""An unfinished report is forgotten after this long; its phone, which still has it, announces it anew."""
_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


class Informants:
    def __init__(
        self,
        repo: InformantRepo,
        invitations: Invitations,
        phones: Phones,
        positions: Positions,
        bus: Bus,
        audit: Audit,
        clock: Clock,
        folder: Path,
        config: Callable[[], ReportsConfig],
    ) -> None:
        self._repo = repo
        self.invitations = invitations
        self._phones = phones
        self._positions = positions
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._config = config
        self._files = ReportFiles(folder)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: defaultdict[str, int] = defaultdict(int)
        self._admitting = asyncio.Lock()
        self.on_whole: Callable[[Report, Path], None] = lambda _report, _path: None
        """A report's file is here whole."""
        invitations.on_phone = phones.here
        invitations.on_revoked = phones.away

    # — phones —

    def serve(self) -> Callable[[], None]:
        self.invitations.served = True

        def stop() -> None:
            self.invitations.served = False

        return stop

    async def join(self, bearer: str, name: str, address: str) -> Phone:
        return await self.invitations.join(bearer, name, address)

    def phone(self, who: Principal) -> Phone:
        return self.invitations.phone(who)

    def seen(self, who: Principal) -> None:
        self.invitations.seen(who)

    async def begin(self, who: Principal, draft: Draft) -> Progress:
        phone = self.invitations.phone(who)
        if not _ID.fullmatch(draft.id):
            raise GatewayError("the report's id is no ULID", code="bad-request")
        async with self._one(draft.id):
            known = await self._repo.get(draft.id)
            if known is None:
                known = await self._keep(phone, draft)
            elif known.device != phone.device or (known.size, known.sha256) != (draft.size, draft.sha256):
                raise Denied(f"{draft.id} is another report", code="report-taken")
            return await self._settled(known)

    async def progress(self, who: Principal, report: str) -> Progress:
        async with self._one(report):
            return await self._settled(await self._own(who, report))

    async def append(self, who: Principal, report: str, offset: int, data: bytes) -> Progress:
        async with self._one(report):
            known = await self._own(who, report)
            if known.complete_at is not None:
                return Progress(known.size, complete=True)
            if offset + len(data) > known.size:
                raise GatewayError(f"the report has {known.size} bytes, not more", code="bad-request")
            await asyncio.to_thread(self._files.append, report, offset, data)
            return await self._settled(known)

    # — people —

    async def recent(
        self,
        who: Principal,
        *,
        device: str = "",
        before: float | None = None,
        limit: int = 200,
        positions: bool = True,
    ) -> Sequence[Report]:
        require_role(who, Role.VIEWER, "read reports")
        return await self._repo.recent(scope=who.scope, device=device, before=before, limit=limit, positions=positions)

    async def file(self, who: Principal, id_: str) -> tuple[Report, Path]:
        """Of a whole report. Raises NotFound. Looking at it is audited."""
        require_role(who, Role.VIEWER, "read reports")
        report = await self._repo.get(id_) if _ID.fullmatch(id_) else None
        if report is None or not in_scope(who, report.device) or not report.size or report.complete_at is None:
            raise NotFound(f"there is no report {id_[:40]!r} with a file")
        self._audit.note(who, "report.read", report.device, detail=f"{report.kind} {report.id}")
        return report, self._files.path(report.id)

    async def mark_seen(self, who: Principal, id_: str) -> Report:
        require_role(who, Role.OPERATOR, "mark reports as seen")
        report = await self._repo.get(id_) if _ID.fullmatch(id_) else None
        if report is None or not in_scope(who, report.device):
            raise NotFound(f"there is no report {id_[:40]!r}")
        report = await self._repo.seen(id_, who.name, self._clock.wall()) or report
        self._bus.publish("report", report.device, report)
        return report

    async def remove(self, who: Principal, id_: str) -> None:
        require_role(who, Role.ADMINISTRATOR, "delete reports")
        report = await self._repo.get(id_) if _ID.fullmatch(id_) else None
        if report is None or not in_scope(who, report.device):
            raise NotFound(f"there is no report {id_[:40]!r}")
        await self._audit.record(who, "report.delete", report.device, detail=f"{report.kind} {report.id}")
        await self._drop(id_)
        self._bus.publish("report", report.device, report, gone=True)

    async def prune(self, now: float) -> None:
        """Reports older than they are to be kept go with their files."""
        self.invitations.prune(now)
        for id_ in await self._repo.older(now - self._config().keep, now - FORGET_S):
            await self._drop(id_)

    # — within —

    async def _keep(self, phone: Phone, draft: Draft) -> Report:
        config = self._config()
        if draft.size > config.largest:
            raise GatewayError(f"a report's file has at most {config.largest} bytes", code="too-large")
        async with self._admitting:  # two at once must not both take the last room
            if await self._repo.unfinished(phone.device) >= PILE:
                raise Busy(f"{PILE} reports of {phone.device} are unfinished", code="report-pile")
            held, own = await self._repo.held_bytes(phone.device)
            if draft.size and held + draft.size > config.quota:
                raise Busy(f"reports take {held} of {config.quota} bytes", code="reports-full")
            if draft.size and own + draft.size > config.quota // SHARE:
                raise Busy(f"reports of {phone.device} take {own} of its {config.quota // SHARE}", code="reports-full")
            now = self._clock.wall()
            if await self._repo.received(phone.device, now - HOUR_S, now, files=draft.size > 0) >= HOURLY:
                raise Busy(f"{phone.device} made {HOURLY} reports within an hour", code="report-rate")
            await asyncio.to_thread(self._files.room, draft.size)
            report = Report(
                id=draft.id,
                device=phone.device,
                who=phone.name,
                place=phone.place,
                kind=draft.kind,
                text=draft.text,
                media_type=draft.media_type,
                size=draft.size,
                sha256=draft.sha256,
                taken_at=min(draft.taken_at, now + FUTURE_S),
                received_at=now,
                where=draft.where,
                complete_at=None if draft.size else now,
            )
            await self._repo.put(report)
        self._locate(report)
        self._bus.publish("report", report.device, report)
        log.info("%s (%s) reports: %s", report.device, report.who, report.kind)
        return report

    async def _settled(self, report: Report) -> Progress:
        """How far it is; a file that is all here is checked and becomes whole."""
        if report.complete_at is not None:
            return Progress(report.size, complete=True)
        length = await asyncio.to_thread(self._files.length, report.id)
        if length < report.size:
            return Progress(length, complete=False)
        await asyncio.to_thread(self._files.finish, report.id, report.size, report.sha256)
        now = self._clock.wall()
        await self._repo.complete(report.id, now)
        whole = replace(report, complete_at=now)
        self._bus.publish("report", report.device, whole)
        self.on_whole(whole, self._files.path(report.id))
        return Progress(report.size, complete=True)

    async def _own(self, who: Principal, id_: str) -> Report:
        phone = self.invitations.phone(who)
        report = await self._repo.get(id_) if _ID.fullmatch(id_) else None
        if report is None or report.device != phone.device:
            raise NotFound(f"there is no report {id_[:40]!r} of {phone.device}")
        return report

    def _locate(self, report: Report) -> None:
        where = report.where
        if where is None:
            return
        self._positions.report(
            Position(
                device=report.device,
                channel="",
                longitude=where.longitude,
                latitude=where.latitude,
                datum=Datum.WGS84,
                source=PositionSource.GNSS if (where.accuracy_m or 1e9) <= 100 else PositionSource.NETWORK,
                taken_at=min(where.taken_at, report.received_at),
                received_at=report.received_at,
                accuracy_m=where.accuracy_m,
            )
        )

    async def _drop(self, id_: str) -> None:
        async with self._one(id_):
            await self._repo.remove(id_)
            await asyncio.to_thread(self._files.remove, id_)

    @asynccontextmanager
    async def _one(self, id_: str) -> AsyncIterator[None]:
        """One at a time of each report; the lock is forgotten when nobody waits for it."""
        key = id_[:40]
        self._waiting[key] += 1
        try:
            async with self._locks[key]:
                yield
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key], self._locks[key]
