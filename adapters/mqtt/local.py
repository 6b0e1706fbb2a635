"""Unix sockets in folders whose paths may be longer than the 107 bytes an address takes: by the folder's handle."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MOST = 100


@contextmanager
def short(path: Path) -> Iterator[str]:
    """A short name of the same place, good within the context."""
    if len(os.fsencode(path)) <= MOST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def bind_unix(path: Path) -> socket.socket:
    """A bound socket that only our own user may reach; one that a dead process left there is removed."""
    with suppress(FileNotFoundError):
        path.unlink()
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with short(path) as name:
            made.bind(name)
    except BaseException:
        made.close()
        raise
    finally:
        os.umask(before)
    return made
