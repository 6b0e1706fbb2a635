"""A ring of pcapng files: each of bounded size, so many of them, the oldest goes; and what is done when the disk fills.

Each file stands for itself (section, interfaces), so that any of them can be read alone. Files are 0600 in a folder of
0700: what is captured is other people's talk, even with the secrets taken out.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from gateway.base.errors import GatewayError
from gateway.wire import pcapng

_NAME = re.compile(r"fieldgate-(\d{8}-\d{6})-(\d{5})\.pcapng")
CHECK_EVERY = 1_000_000
"""Bytes between two looks at how much room the disk has."""


class Ring:
    def __init__(
        self,
        folder: Path,
        *,
        file_bytes: int,
        files: int,
        keep_free: int,
        interfaces: Sequence[tuple[str, int, int]],
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        """`interfaces`: name, LINKTYPE and snap length of each. Raises GatewayError (`disk-full`, `capture-folder`)."""
        self._folder, self._file_bytes, self._files, self._keep_free = folder, file_bytes, files, keep_free
        self._interfaces = interfaces
        self._free = free
        self._file: BinaryIO | None = None
        self._size = 0
        self._looked = 0
        self._number = 0
        self._begun = time.strftime("%Y%m%d-%H%M%S")
        self.written: list[Path] = []
        self.dropped_files = 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as exc:
            raise GatewayError(f"{folder}: {exc.strerror}", code="capture-folder") from exc

    def write(self, number: int, at_ns: int, data: bytes, whole: int) -> None:
        """Raises GatewayError (`disk-full`) when no older file of the ring gives way any more; what was written stays
        whole."""
        self._put(pcapng.packet(number, at_ns, data, whole))

    def statistics(self, number: int, at_ns: int, received: int, dropped: int) -> None:
        self._put(pcapng.statistics(number, at_ns, received, dropped))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    # — within —

    def _put(self, block: bytes) -> None:
        if self._file is None or self._size + len(block) > self._file_bytes:
            self._next()
        if self._size - self._looked >= CHECK_EVERY:
            self._look()
        while True:
            assert self._file is not None  # noqa: S101  (`_next` opened it)
            try:
                if self._file.write(block) != len(block):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError as exc:
                if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise GatewayError(f"{self._folder}: {exc.strerror}", code="capture-folder") from exc
                # What half came of the block is cut off again: the file ends with a whole one.
                self._cut()
                if not self._drop_oldest():
                    raise GatewayError(f"{self._folder}: no room left on the disk", code="disk-full") from exc
                continue
            self._size += len(block)
            return

    def _next(self) -> None:
        self.close()
        self._look()
        self._number += 1
        path = self._folder / f"fieldgate-{self._begun}-{self._number:05}.pcapng"
        head = pcapng.section() + b"".join(pcapng.interface(*one) for one in self._interfaces)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._file = os.fdopen(fd, "wb", buffering=0)
            self._file.write(head)
        except OSError as exc:
            code = "disk-full" if exc.errno in (errno.ENOSPC, errno.EDQUOT) else "capture-folder"
            raise GatewayError(f"{path}: {exc.strerror}", code=code) from exc
        self._size, self._looked = len(head), 0
        self.written.append(path)
        while len(self.written) > self._files:
            self._drop_oldest()

    def _look(self) -> None:
        """Room enough? Else the oldest of ours go, and then it ends."""
        self._looked = self._size
        while self._free(self._folder) < self._keep_free:
            if not self._drop_oldest():
                text = f"{self._folder}: less than {self._keep_free // 1_000_000} MB would be left on the disk"
                raise GatewayError(text, code="disk-full")

    def _drop_oldest(self) -> bool:
        """The oldest file of this ring; its newest stays. False: there is no other."""
        if len(self.written) <= 1:
            return False
        oldest = self.written.pop(0)
        oldest.unlink(missing_ok=True)
        self.dropped_files += 1
        return True

    def _cut(self) -> None:
        assert self._file is not None  # noqa: S101
        self._file.truncate(self._size)
        self._file.seek(self._size)


def files_of(path: Path) -> Sequence[Path]:
    """A file, or those of a folder in the order they were written. Raises GatewayError (`not-found`)."""
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if _NAME.fullmatch(p.name))
        if found:
            newest = _NAME.fullmatch(found[-1].name)
            assert newest is not None  # noqa: S101
            return [p for p in found if p.name.startswith(f"fieldgate-{newest.group(1)}-")]
    elif path.is_file():
        return [path]
    raise GatewayError(f"{path}: no capture is there", code="not-found")
