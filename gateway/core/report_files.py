"""Files of reports, and of kits at a center, on the disk: they grow by chunks, each synced before it is acknowledged;
whole ones get their name.

`<id>.part` while it arrives, `<id>.bin` when it is whole and its SHA-256 is what was announced. Its length on the disk
is what counts after a crash: more than was acknowledged does no harm, for the hash decides. Blocking; call in a
thread.
"""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

from gateway.base.errors import GatewayError, RemoteProtocolError

RESERVE_BYTES = 64 * 1024 * 1024
"""Free space that reports leave to the rest of the gateway."""
_PIECE = 1 << 20


class ReportFiles:
    def __init__(self, folder: Path, damaged: str = "report-damaged") -> None:
        """`damaged`: the reason code of one that is not what was announced."""
        self._folder = folder
        self._damaged = damaged

    def path(self, id_: str) -> Path:
        """Where the whole file is."""
        return self._folder / f"{id_}.bin"

    def length(self, id_: str) -> int:
        for path in (self.path(id_), self._part(id_)):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                continue
        return 0

    def room(self, size: int) -> None:
        """Raises GatewayError `disk-full` when the disk does not take `size` more bytes."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            about = os.statvfs(self._folder)
        except OSError as exc:
            raise _named(exc, self._folder) from exc
        if about.f_bavail * about.f_frsize < size + RESERVE_BYTES:
            raise GatewayError(f"{self._folder} has no room for {size} bytes more", code="disk-full")

    def append(self, id_: str, offset: int, data: bytes) -> int:
        """Write at the end and sync; the length then. Nothing is written when the end is not at `offset`."""
        if self.path(id_).exists():
            return self.length(id_)
        try:
            with open(self._part(id_), "ab", opener=_private) as file:
                if file.tell() != offset:
                    return file.tell()
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                return file.tell()
        except OSError as exc:
            raise _named(exc, self._part(id_)) from exc

    def finish(self, id_: str, size: int, sha256: str) -> None:
        """Give the whole file its name. Raises RemoteProtocolError (`damaged`), and the file is gone."""
        part = self._part(id_)
        if self.path(id_).exists():
            return
        try:
            digest, length = hashlib.sha256(), 0
            with part.open("rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
                    length += len(piece)
            if length != size or digest.hexdigest() != sha256:
                part.unlink()
                text = f"the {length} bytes of {id_} are not the {size} that were announced"
                raise RemoteProtocolError(text, code=self._damaged)
            with part.open("rb") as file:
                os.fsync(file.fileno())  # also what an append that failed may have left unsynced
            part.rename(self.path(id_))
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as exc:
            raise _named(exc, part) from exc

    def remove(self, id_: str) -> None:
        for path in (self.path(id_), self._part(id_)):
            path.unlink(missing_ok=True)

    def _part(self, id_: str) -> Path:
        return self._folder / f"{id_}.part"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _named(exc: OSError, path: Path) -> GatewayError:
    full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
    return GatewayError(f"writing {path}: {exc.strerror}", code="disk-full" if full else "store-fault")
