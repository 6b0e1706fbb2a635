"""Files of kits at their center: put together from pieces, each synced before it is acknowledged, verified by hash.

They lie in a folder a kit. The length on the disk says where to go on, after a restart of either side as well.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.base.clock import Clock
from gateway.base.errors import Busy, Denied, GatewayError, NotFound, RemoteProtocolError
from gateway.core.report_files import ReportFiles
from gateway.model.forward import ForwardFile, KeptFile
from gateway.model.ids import is_slug
from gateway.store.inbox import InboxRepo

if TYPE_CHECKING:
    from gateway.config.forward import Forward

log = logging.getLogger(__name__)

SHARE = 2
"""One kit takes at most this part of the quota: it must not shut the others out."""
UNDER_WAY = 1024
"""Files whose rows are held in memory while they come."""
_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class InboxFiles:
    def __init__(self, folder: Path, repo: InboxRepo, clock: Clock, config: Callable[[], Forward]) -> None:
        self._folder = folder
        self._repo = repo
        self._clock = clock
        self._config = config
        self._coming: OrderedDict[tuple[str, str], tuple[KeptFile, asyncio.Lock]] = OrderedDict()
        self._admitting = asyncio.Lock()

    def path(self, gateway: str, id_: str) -> Path:
        return self._of(gateway).path(id_)

    async def begin(self, gateway: str, file: ForwardFile) -> int:
        file = _checked(gateway, file)
        async with self._admitting:  # two at once must not both take the last room
            known = await self._repo.file(gateway, file.id)
            if known is None:
                await self._room(gateway, file)
                await asyncio.to_thread(self._of(gateway).remove, file.id)  # of one that was pruned, and a crash
                known = KeptFile(gateway, file, 0, self._clock.wall())
                await self._repo.put_file(known)
                log.info("%s sends %s (%d bytes)", gateway, file.name, file.size)
            elif (known.file.size, known.file.sha256) != (file.size, file.sha256):
                raise Denied(f"{file.id} of {gateway} is another file", code="file-taken")
        if known.complete_at is not None:
            return file.size
        known, lock = self._hold(known)
        async with lock:
            length = await asyncio.to_thread(self._of(gateway).length, file.id)
            # All of its bytes may be here and yet not be verified, or have no row that says so: after a crash.
            return length if length < file.size else await self._finish(known)

    async def append(self, gateway: str, id_: str, offset: int, data: bytes) -> int:
        known, lock = await self._known(gateway, id_)
        if known.complete_at is not None:
            return known.file.size
        async with lock:
            if offset < 0 or offset + len(data) > known.file.size:
                raise RemoteProtocolError(f"file {id_} of {gateway} has {known.file.size} bytes", code="file-damaged")
            files = self._of(gateway)
            length = await asyncio.to_thread(files.append, id_, offset, data)
            return length if length < known.file.size else await self._finish(known)

    async def seen(self, one: KeptFile) -> KeptFile:
        """With how much of it is here."""
        if one.complete_at is not None:
            return one
        return replace(one, received=await asyncio.to_thread(self._of(one.gateway).length, one.file.id))

    async def prune(self, before: float) -> None:
        for gateway, id_ in await self._repo.older_files(before):
            await self.remove(gateway, id_)

    async def remove(self, gateway: str, id_: str) -> None:
        await self._repo.remove_file(gateway, id_)
        self._coming.pop((gateway, id_), None)
        await asyncio.to_thread(self._of(gateway).remove, id_)

    # — within —

    async def _finish(self, known: KeptFile) -> int:
        """Under its lock: verified, with its name and its row, and only then whole. Raises RemoteProtocolError
        (`file-damaged`), and it begins anew."""
        gateway, file = known.gateway, known.file
        await asyncio.to_thread(self._of(gateway).finish, file.id, file.size, file.sha256)
        await self._repo.complete_file(gateway, file.id, self._clock.wall())
        self._coming.pop((gateway, file.id), None)
        log.info("%s of %s is here whole", file.name, gateway)
        return file.size

    def _of(self, gateway: str) -> ReportFiles:
        return ReportFiles(self._folder / gateway, "file-damaged")

    async def _known(self, gateway: str, id_: str) -> tuple[KeptFile, asyncio.Lock]:
        if (held := self._coming.get((gateway, id_))) is not None:
            self._coming.move_to_end((gateway, id_))
            return held
        known = await self._repo.file(gateway, id_) if _ID.fullmatch(id_) else None
        if known is None:
            raise NotFound(f"{gateway} has not announced file {id_[:40]!r}")
        return self._hold(known)

    def _hold(self, known: KeptFile) -> tuple[KeptFile, asyncio.Lock]:
        key = (known.gateway, known.file.id)
        held = self._coming.get(key)
        if held is None:
            held = self._coming[key] = (known, asyncio.Lock())
            while len(self._coming) > UNDER_WAY:
                self._coming.popitem(last=False)
        return held

    async def _room(self, gateway: str, file: ForwardFile) -> None:
        config = self._config()
        if file.size > config.largest_file:
            raise GatewayError(f"a file has at most {config.largest_file} bytes", code="too-large")
        held, own = await self._repo.file_bytes(gateway)
        if held + file.size > config.file_quota or own + file.size > config.file_quota // SHARE:
            raise Busy(f"files of kits take {held}, of {gateway} {own} of {config.file_quota} bytes", code="inbox-full")
        await asyncio.to_thread(self._of(gateway).room, file.size)


def _checked(gateway: str, file: ForwardFile) -> ForwardFile:
    """Raises RemoteProtocolError. Its name is for people only and never a path."""
    if not is_slug(gateway) or not _ID.fullmatch(file.id) or not _SHA256.fullmatch(file.sha256) or file.size < 1:
        raise RemoteProtocolError(f"{gateway[:80]}: not a file: {file.id[:40]!r}", code="event-damaged")
    if file.device and not file.device.startswith(f"{gateway}/"):
        raise RemoteProtocolError(f"{gateway} sends a file of {file.device[:120]!r}", code="kit-foreign-id")
    name = "".join(c for c in file.name if c.isprintable() and c not in "/\\").strip(". ")[:120]
    return replace(file, name=name or file.id, media_type=file.media_type[:80], channel=file.channel[:64])
