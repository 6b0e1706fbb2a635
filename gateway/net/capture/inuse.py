"""Which ports a process has: its sockets by /proc, as they are now."""

from __future__ import annotations

import os
import re
import socket
import struct
from pathlib import Path

_SOCKET = re.compile(r"socket:\[(\d+)\]")
_TABLES = ("tcp", "tcp6", "udp", "udp6")


def peer_of(unix_socket: Path) -> int:
    """The process that answers at a Unix socket; 0 when nobody does (unix(7): SO_PEERCRED)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        asked.settimeout(2.0)
        try:
            asked.connect(os.fspath(unix_socket))
            told = asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        except OSError:
            return 0
    return int(struct.unpack("=iII", told)[0])


def ports_of(pid: int, proc: Path = Path("/proc")) -> set[int]:
    """Local ports of its TCP and UDP sockets; empty when it is gone or not ours to look at."""
    inodes: set[str] = set()
    try:
        entries = list((proc / str(pid) / "fd").iterdir())
    except OSError:
        return set()
    for entry in entries:
        try:
            found = _SOCKET.fullmatch(os.readlink(entry))  # noqa: PTH115 - it is no path
        except OSError:
            continue  # closed meanwhile
        if found:
            inodes.add(found.group(1))
    ports: set[int] = set()
    for table in _TABLES:
        try:
            rows = (proc / str(pid) / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if len(fields) > 9 and fields[9] in inodes:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports - {0}
