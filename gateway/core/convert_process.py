"""A conversion worker as the daemon sees it: started with its sockets, listened to, ended. Its death is an event."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import gateway

log = logging.getLogger(__name__)

MAX_RECORD = 64 << 10
MAX_WORDS = 4000
HUNG_S = 6.0
"""Without a word for this long it is taken to hang. A picture takes a worker some hundredths of a second."""
START_S = 20.0
"""Until the first word: a machine that is busy loads the codecs slowly."""
END_S = 1.0

Told = Callable[[Mapping[str, Any]], None]


class ConvertProcess:
    """`told` hears every record of the worker, on the loop. It lives from `start` until `end`, or its own end."""

    def __init__(self, name: str, told: Told, *, hung_s: float | None = HUNG_S) -> None:
        """`hung_s` None: one that speaks only when it is asked."""
        self._name = name
        self._hung_s = hung_s
        self._told = told
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._words = b""
        self._heard_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self.ready = False
        self.over: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()
        """Done when it ended by itself, or was found hanging: reason code and words."""

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    async def start(self, what: str, given: Mapping[str, Any], sockets: tuple[socket.socket, ...] = ()) -> None:
        """Sockets are the worker's from then on, also when this raises. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._control = ours
        numbers = [one.fileno() for one in (theirs, *sockets)]
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway.convert",
                what,
                *map(str, numbers),
                json.dumps(given),
                pass_fds=numbers,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=environment(),
                start_new_session=True,
            )
        finally:
            for one in (theirs, *sockets):
                one.close()
        self._heard_at = asyncio.get_running_loop().time()
        self._tasks = [
            asyncio.create_task(self._listen(ours), name=f"{self._name} {self.pid}"),
            asyncio.create_task(self._read_words(), name=f"{self._name} {self.pid} words"),
            asyncio.create_task(self._watch(), name=f"{self._name} {self.pid} watch"),
        ]

    def order(self, record: Mapping[str, Any], port: socket.socket | None = None) -> bool:
        """False when it is gone or does not read."""
        if self._control is None:
            return False
        try:
            data = json.dumps(record).encode()
            socket.send_fds(self._control, [data], [port.fileno()] if port is not None else [])
        except OSError:
            return False
        return True

    async def end(self) -> None:
        """Ask, then kill. Safe to call twice."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._control is not None:
            self._control.close()  # a worker that works ends by this
            self._control = None
        if (process := self._process) is not None and process.returncode is None:
            try:
                async with asyncio.timeout(END_S):
                    await process.wait()
            except TimeoutError:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if not self.over.done():
            self.over.cancel()

    async def _listen(self, control: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                data, descriptors = await self._record(control)
            except OSError:
                break
            if not data:
                break
            self._heard_at = loop.time()
            self.ready = True
            try:
                record = json.loads(data)
                if descriptors:
                    record["descriptor"] = descriptors[0]
                self._told(record)
            except (ValueError, KeyError, TypeError) as exc:
                log.warning("%s: %r", self._name, exc)
        await self._ended()

    async def _record(self, control: socket.socket) -> tuple[bytes, list[int]]:
        """The next record, with the descriptor that came with it."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(control, MAX_RECORD, 1)
                return data, descriptors
            except BlockingIOError:
                waiting: asyncio.Future[None] = loop.create_future()
                loop.add_reader(control.fileno(), _done, waiting)
                try:
                    await waiting
                finally:
                    loop.remove_reader(control.fileno())

    async def _ended(self) -> None:
        assert self._process is not None  # noqa: S101
        code = await self._process.wait()
        await asyncio.gather(self._tasks[1], return_exceptions=True)
        how = signal.Signals(-code).name if code < 0 else f"exit {code}"
        said = self._words.decode(errors="replace").strip().rpartition("\n")[2][-200:]
        self._is_over("convert-worker-died", f"{how} {said}".strip())

    async def _read_words(self) -> None:
        assert self._process is not None and self._process.stderr is not None  # noqa: S101
        while data := await self._process.stderr.read(1024):
            self._words = (self._words + data)[-MAX_WORDS:]

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            limit = self._hung_s if self.ready else START_S
            if limit is None:
                return
            left = self._heard_at + limit - loop.time()
            if left <= 0:
                self._is_over("convert-worker-hung", f"no word for {limit:.0f} s")
                return
            # Its first word shortens the wait.
            await asyncio.sleep(min(left, 1.0))

    def _is_over(self, code: str, words: str) -> None:
        if not self.over.done():
            self.over.set_result((code, words))


def _done(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def environment() -> dict[str, str]:
    """The daemon's, with the place that this very package was loaded from first."""
    home = str(Path(gateway.__file__).parents[1])
    found = [home, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return os.environ | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(found)), "MALLOC_ARENA_MAX": "2"}
