"""Files that wait on the disk until the centers have them: one copy each, however many it goes to.

`<id>` is the whole file, synced with its folder before a row names it; a file without a row is from a crash in
between, and is swept away at start. No room: lower ranks give way, the oldest first; else the new one is refused.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import os
import re
import shutil
from collections.abc import AsyncIterable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gateway.base.errors import Busy, GatewayError, NotFound
from gateway.base.moment import Moment
from gateway.model.forward import ForwardFile
from gateway.store.outbox import OutboxRepo

if TYPE_CHECKING:
    from gateway.config.forward import Forward

log = logging.getLogger(__name__)

RESERVE_BYTES = 64 * 1024 * 1024
"""Free space that waiting files leave to the rest of the gateway."""
MOST_COMING = 4
"""Files that are handed in at a time."""
_PIECE = 1 << 20
_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


class OutboxFiles:
    def __init__(
        self,
        folder: Path,
        repo: OutboxRepo,
        config: Callable[[], Forward],
        dropped: Callable[[str, int], None],
        now: Callable[[], Moment],
    ) -> None:
        self._folder = folder
        self._repo = repo
        self._config = config
        self._dropped = dropped
        self._now = now
        self._adding = asyncio.Lock()
        self._coming: set[str] = set()

    async def take_in(self, id_: str, pieces: AsyncIterable[bytes]) -> Path:
        """What somebody hands in, beside the files that wait: `add` it from there, or remove it. What a crash leaves of
        it is swept away at start. Raises GatewayError (`too-large`, `disk-full`, `file-empty`, `busy`), with nothing
        left."""
        if len(self._coming) >= MOST_COMING:
            raise Busy(f"{MOST_COMING} files are being handed in already")
        path, most, size = self._path(id_).with_suffix(".in"), self._config().largest_file, 0
        self._coming.add(path.name)
        try:
            file = await asyncio.to_thread(_begun, path)
            try:
                async for piece in pieces:
                    size += len(piece)
                    if size > most:
                        raise _too_large(most)
                    await asyncio.to_thread(_more, file, path, piece)
            finally:
                file.close()
            if not size:
                raise GatewayError("a file without a byte in it is not sent on", code="file-empty")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            self._coming.discard(path.name)
        return path

    async def add(self, path: Path, file: ForwardFile, uplinks: Sequence[str], *, keep: bool = False) -> ForwardFile:
        """Move `path` in for `uplinks` (copied where it lies on another disk); with `keep` it stays where it is too.
        It goes from there when the row that names it is durable, and stays when there is none."""
        async with self._adding:  # two at once must not both take the last room
            size = await asyncio.to_thread(_size, path)
            await self._room(size, file)
            size, digest = await asyncio.to_thread(self._take_in, path, file.id, keep)
            kept = replace(file, size=size, sha256=digest)
            try:
                await self._repo.put_file(uplinks, kept, self._now())
            except GatewayError:
                await self.let_go(file.id)
                raise
        if not keep:
            await asyncio.to_thread(_given_up, path)
        if not uplinks:
            await self.let_go(file.id)
        return kept

    async def read(self, id_: str, offset: int, length: int) -> bytes:
        return await asyncio.to_thread(self._read, id_, offset, length)

    async def let_go(self, id_: str) -> None:
        await asyncio.to_thread(self._path(id_).unlink, True)

    async def expire(self, keep_s: float) -> dict[str, int]:
        """Those that waited longer go; uplink → how many."""
        gone, ids = await self._repo.expire_files(self._now(), keep_s)
        for id_ in ids:
            await self.let_go(id_)
        return gone

    async def sweep(self) -> None:
        """At start: files that nobody waits for. None comes in meanwhile: what has no row yet would go with them."""

        def job(known: set[str]) -> None:
            for path in self._folder.glob("*"):
                if path.name not in known and path.name not in self._coming:
                    path.unlink(missing_ok=True)

        async with self._adding:
            await asyncio.to_thread(job, {waiting.file.id for waiting in await self._repo.files(limit=1_000_000)})

    async def _room(self, size: int, file: ForwardFile) -> None:
        config = self._config()
        if size > config.largest_file:
            raise _too_large(config.largest_file)
        if size > config.file_quota:
            raise Busy(f"waiting files take at most {config.file_quota} bytes", code="outbox-full")
        while await self._repo.file_bytes() + size > config.file_quota:
            lesser = [one.file for one in await self._repo.files(limit=1_000_000) if one.file.rank > file.rank]
            if not lesser:
                raise Busy(f"waiting files take {config.file_quota} bytes already", code="outbox-full")
            worst = max(one.rank for one in lesser)
            oldest = min((one for one in lesser if one.rank == worst), key=lambda one: one.id)
            for uplink in await self._repo.drop_file(oldest.id):
                self._dropped(uplink, 1)
            await self.let_go(oldest.id)

    # — in threads —

    def _path(self, id_: str) -> Path:
        if not _ID.fullmatch(id_):
            raise NotFound(f"there is no file {id_[:40]!r}")
        return self._folder / id_

    def _take_in(self, path: Path, id_: str, keep: bool) -> tuple[int, str]:
        target = self._path(id_)
        fresh = target.with_suffix(".new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh.unlink(missing_ok=True)
            try:
                fresh.hardlink_to(path)
            except OSError as exc:
                if exc.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP):
                    raise
                if shutil.disk_usage(self._folder).free < path.stat().st_size + RESERVE_BYTES:
                    raise GatewayError(f"{self._folder} has no room for {path.name}", code="disk-full") from exc
                shutil.copyfile(path, fresh)
            if not keep:
                fresh.chmod(0o600)
            digest, size = hashlib.sha256(), 0
            with fresh.open("rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
                    size += len(piece)
                os.fsync(file.fileno())
            fresh.rename(target)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as exc:
            raise _named(exc, path) from exc
        return size, digest.hexdigest()

    def _read(self, id_: str, offset: int, length: int) -> bytes:
        try:
            with self._path(id_).open("rb") as file:
                data = os.pread(file.fileno(), length, offset)
        except FileNotFoundError:
            raise NotFound(f"file {id_} is no longer on the disk") from None
        except OSError as exc:
            raise GatewayError(f"reading file {id_}: {exc.strerror}", code="store-fault") from exc
        if not data:
            raise NotFound(f"file {id_} ends before {offset} on the disk")
        return data


def _given_up(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        log.warning("%s waits to be sent on and can not be taken from where it was: %s", path, exc.strerror)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as exc:
        raise NotFound(f"{path}: {exc.strerror}") from exc


def _begun(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return open(path, "wb", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_CLOEXEC, 0o600))
    except OSError as exc:
        raise _named(exc, path) from exc


def _more(file: BinaryIO, path: Path, piece: bytes) -> None:
    try:
        about = os.fstatvfs(file.fileno())
        if about.f_bavail * about.f_frsize < len(piece) + RESERVE_BYTES:
            raise OSError(errno.ENOSPC, "no room")
        left = memoryview(piece)
        while left:
            left = left[file.write(left) :]
    except OSError as exc:
        raise _named(exc, path) from exc


def _too_large(most: int) -> GatewayError:
    return GatewayError(f"a file that is sent on has at most {most} bytes", code="too-large")


def _named(exc: OSError, path: Path) -> GatewayError:
    full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
    return GatewayError(f"keeping {path}: {exc.strerror}", code="disk-full" if full else "store-fault")
