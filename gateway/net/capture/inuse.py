"""Which ports a process has: its sockets by /proc, as they are now."""

from __future__ import annotations

import os
import re
import socket
import struct
from pathlib import Path

_SOCKET = re.compile(r"socket:\[(\d+)\]")
_LISTEN = "0A"  # net/tcp_states.h
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
    """Local ports of its TCP and UDP sockets, and the far ones of connections that it made: its next connection there
    is seen from its first word. Empty when it is gone or not ours to look at."""
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
    listening: set[int] = set()
    made: list[tuple[int, int]] = []
    for table in _TABLES:
        try:
            rows = (proc / str(pid) / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if len(fields) > 9 and fields[9] in inodes:
                here, there = (int(place.rpartition(":")[2], 16) for place in fields[1:3])
                ports.add(here)
                if fields[3] == _LISTEN:
                    listening.add(here)
                elif table.startswith("tcp"):
                    made.append((here, there))
    return (ports | {there for here, there in made if here not in listening}) - {0}
