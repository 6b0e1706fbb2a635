"""The soak's side of a nursery: publishers one after the other, each a process of its own that can be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any


class Forked:
    """One publisher; `ended` resolves to its exit code."""

    def __init__(self, pid: int, ended: asyncio.Future[int]) -> None:
        self._pid, self.ended = pid, ended

    def send(self, number: signal.Signals) -> None:
        if not self.ended.done():
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)


class Nursery:
    """A process that forks publishers of one kind, one at a time. `stop` ends it, and who is still there."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._process: asyncio.subprocess.Process | None = None
        self._told: asyncio.Task[int] | None = None

    async def fork(self, *given: Any) -> Forked:
        """Waits for the one before it to be gone."""
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.soak.nursery", self._kind, stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(given).encode() + b"\n")
        pid = await self._line()
        self._told = asyncio.create_task(self._line())
        return Forked(pid, self._told)

    async def _line(self) -> int:
        assert self._process is not None and self._process.stdout is not None
        return int(await self._process.stdout.readline())

    async def stop(self) -> None:
        if self._told is not None:
            self._told.cancel()
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
