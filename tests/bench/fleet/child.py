"""Processes of a run that are told what to do: one JSON object a line in, one a line back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from tests.bench.common import ROOT, rss_kb, thread_cpu_ns

Told = dict[str, Any]
LINE = 16 * 1024 * 1024


class Child:
    """One of them, seen from the bench."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self._log = log
        self._asking = asyncio.Lock()

    @classmethod
    async def start(cls, module: str, folder: Path, name: str, *arguments: str) -> Child:
        log = folder / f"{name}.log"
        with log.open("ab") as words:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                str(folder),
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=words,
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                limit=LINE,
            )
        return cls(name, process, log)

    async def ask(self, what: str, **more: Any) -> Told:
        """Raises RuntimeError, with the end of its log, where it ended instead of answering."""
        assert self.process.stdin is not None and self.process.stdout is not None
        async with self._asking:
            self.process.stdin.write(json.dumps({"do": what, **more}).encode() + b"\n")
            line = await self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise RuntimeError(f"{self.name} ended: {self._log.read_text()[-3000:]}")
        told: Told = json.loads(line)
        return told

    def cost(self) -> dict[str, float]:
        """Processor seconds until now, and resident MB."""
        pid = self.process.pid
        return {"cpu_s": thread_cpu_ns(pid) / 1e9, "rss_mb": rss_kb(pid) / 1024}

    async def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)
            try:
                await asyncio.wait_for(self.process.wait(), 30)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


async def obey(orders: Mapping[str, Callable[[Told], Awaitable[Told]]]) -> None:
    """The child's side, until stdin ends."""
    reader = asyncio.StreamReader(LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        told = json.loads(line)
        answer = await orders[told.pop("do")](told)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
