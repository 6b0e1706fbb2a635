"""babeld in three network namespaces, each two joined by a cable, each with its local socket."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAIRS = ("ab", "bc", "ac")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def babel_triangle(folder: Path) -> Iterator[str]:
    """Gives the namespaces' common name; the sockets are `a`, `b` and `c` in `folder`. Interfaces: vab, vba, …"""
    name = f"fgb{os.getpid()}"
    started: list[subprocess.Popen[bytes]] = []
    try:
        for node in "abc":
            ip("netns", "add", name + node)
            ip("-n", name + node, "link", "set", "lo", "up")
            ip("-n", name + node, "addr", "add", f"10.77.0.{ord(node) - 96}/32", "dev", "lo")
        for one, other in PAIRS:
            ends = (f"v{one}{other}", f"v{other}{one}")
            ip(
                "link",
                "add",
                ends[0],
                "netns",
                name + one,
                "type",
                "veth",
                "peer",
                "name",
                ends[1],
                "netns",
                name + other,
            )
            ip("-n", name + one, "link", "set", ends[0], "up")
            ip("-n", name + other, "link", "set", ends[1], "up")
        for node in "abc":
            interfaces = [f"v{node}{other}" for other in "abc" if other != node]
            said = ["redistribute local ip 10.77.0.0/24 allow", "redistribute local deny"]
            files = ["-I", folder / f"{node}.pid", "-S", folder / f"{node}.state", "-G", folder / node]
            command = ["ip", "netns", "exec", name + node, "babeld", *files, "-h", "1", "-H", "1", "-L", "/dev/null"]
            started.append(subprocess.Popen([*command, *(w for s in said for w in ("-C", s)), *interfaces]))
        yield name
    finally:
        for process in started:
            process.terminate()
            process.wait(10)
        for node in "abc":
            subprocess.run(["ip", "netns", "del", name + node], check=False, capture_output=True)
