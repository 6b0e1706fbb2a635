"""Store and forward as people see it. Fulfils `core.faces_north.ForwardFace`."""

from __future__ import annotations

import logging
import mimetypes
from collections.abc import AsyncIterable, Sequence
from pathlib import Path

from gateway.base.errors import GatewayError, NotFound, Unsupported
from gateway.core.audit import Audit
from gateway.core.directory import Directory
from gateway.core.inbox import Inbox
from gateway.core.outbox import Outbox
from gateway.core.rights import in_scope, require_role, require_whole
from gateway.model.forward import ForwardFile, KeptEvent, KeptFile, Uplink, WaitingFile
from gateway.model.informant import Report
from gateway.model.principal import Principal, Role

log = logging.getLogger(__name__)


class ForwardView:
    def __init__(self, gateway: str, outbox: Outbox, inbox: Inbox, audit: Audit, directory: Directory) -> None:
        self._gateway = gateway
        self._outbox = outbox
        self._inbox = inbox
        self._audit = audit
        self._directory = directory

    def uplinks(self, who: Principal) -> Sequence[Uplink]:
        require_role(who, Role.VIEWER, "see what waits")
        return self._outbox.standing() if in_scope(who, self._gateway) else []

    async def waiting_files(self, who: Principal) -> Sequence[WaitingFile]:
        require_role(who, Role.OPERATOR, "see the files that wait")
        files = await self._outbox.waiting_files()
        return [one for one in files if in_scope(who, one.file.device or self._gateway)]

    async def send(self, who: Principal, name: str, device: str, pieces: AsyncIterable[bytes]) -> ForwardFile:
        doing = "send files to the centers"
        require_role(who, Role.OPERATOR, doing)
        if device:
            device = self._directory.device(who, device).id
            if not device.startswith(f"{self._gateway}/"):
                raise Unsupported(f"{device} is another gateway's: its files are sent from there")
        else:
            require_whole(who, self._gateway, doing)
        if not self._outbox.wanted:
            raise Unsupported("no center is joined", code="outbox-nobody")
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        file = ForwardFile("", name or "recording", media_type, 0, "", device=device)
        kept = await self._outbox.hand_in(file, pieces)
        self._audit.note(who, "outbox.send", device or self._gateway, detail=f"{kept.name[:80]} {kept.id}")
        return kept

    async def leave(self, who: Principal, name: str) -> None:
        require_role(who, Role.ADMINISTRATOR, "drop what waits")
        require_whole(who, self._gateway, "drop what waits")
        if name not in {uplink.name for uplink in self._outbox.standing()}:
            raise NotFound(f"nothing is sent to {name[:80]!r}")
        await self._audit.record(who, "outbox.leave", detail=name)
        await self._outbox.leave(name)

    async def events(
        self, who: Principal, *, gateway: str = "", after: int = 0, before: float | None = None, limit: int = 200
    ) -> Sequence[KeptEvent]:
        return await self._inbox.recent(who, gateway=gateway, after=after, before=before, limit=limit)

    async def files(
        self, who: Principal, *, gateway: str = "", before: float | None = None, limit: int = 200
    ) -> Sequence[KeptFile]:
        return await self._inbox.files(who, gateway=gateway, before=before, limit=limit)

    async def file(self, who: Principal, gateway: str, id_: str) -> tuple[KeptFile, Path]:
        found, path = await self._inbox.file(who, gateway, id_)
        self._audit.note(who, "kit-file.read", found.file.device or gateway, detail=f"{found.file.name} {id_}")
        return found, path

    async def remove(self, who: Principal, gateway: str, id_: str) -> None:
        require_role(who, Role.ADMINISTRATOR, "delete files of kits")
        found, _ = await self._inbox.file(who, gateway, id_)
        await self._audit.record(
            who, "kit-file.remove", found.file.device or gateway, detail=f"{found.file.name} {id_}"
        )
        await self._inbox.remove_file(who, gateway, id_)


async def sent_on(outbox: Outbox, report: Report, path: Path) -> None:
    """The file of a phone's report, for the centers. That there is no room is said, and the report stays here."""
    end = mimetypes.guess_extension(report.media_type) or ""
    file = ForwardFile(
        id=report.id,
        name=f"{report.kind}-{report.id}{end}",
        media_type=report.media_type,
        size=report.size,
        sha256=report.sha256,
        device=report.device,
        at=report.received_at,
    )
    try:
        await outbox.add_file(str(path), file, keep=True)
    except GatewayError as exc:
        log.warning("the file of report %s is not sent on: %s (%s)", report.id, exc, exc.code)
