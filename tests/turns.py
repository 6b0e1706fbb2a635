"""Who may run a test now, among the workers of one run: many beside each other, or one alone.

Two lock files in a folder that the workers share. `gate` is the way to `room`: who wants the room alone keeps the gate
shut while it waits for those within to leave, so it waits for one test of each worker at most.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Turns:
    def __init__(self, folder: Path | None) -> None:
        """None: there are no other workers."""
        self._folder = folder

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Others may be within."""
        with self._within(fcntl.LOCK_SH):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._within(fcntl.LOCK_EX):
            yield

    @contextmanager
    def _within(self, how: int) -> Iterator[None]:
        if self._folder is None:
            yield
            return
        with (self._folder / "gate").open("a") as gate, (self._folder / "room").open("a") as room:
            fcntl.flock(gate, how)
            fcntl.flock(room, how)
            fcntl.flock(gate, fcntl.LOCK_UN)
            yield
