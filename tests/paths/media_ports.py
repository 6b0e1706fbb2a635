"""Media ports that no other test has at the same time, whoever runs it on this machine.

RTP knows its peer by where packets come from. A port that one test's gateway has just left and another's takes gets
the packets of the phone that still sends there, is latched to it and answers: calls of two tests hear each other.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.config.units import PortRange

# Below the kernel's own (from 32768 on) and the blocks of tests.peers.stage.
FIRST_PORT, BLOCK, BLOCKS = 10_000, 200, 50


@contextmanager
def media_ports() -> Iterator[PortRange]:
    """One block, kept by a lock file while the context lasts. Which of its ports are free MediaPlane finds out."""
    for first in range(FIRST_PORT, FIRST_PORT + BLOCK * BLOCKS, BLOCK):
        with (Path(tempfile.gettempdir()) / f"fieldgate-media-{first}").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            yield PortRange(first, first + BLOCK - 1)
            return
    raise AssertionError(f"all {BLOCKS} blocks of media ports from {FIRST_PORT} on are taken")
