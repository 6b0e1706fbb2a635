"""A worker as the gateway sees it: started, listened to, ended; its death is an event."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from adapters.sip.pjsua2.records import MAX_RECORD, pack, unpack
from gateway.base.errors import LinkDown, LocalProtocolError, Unsupported

log = logging.getLogger(__name__)

READY_S = 10.0
STOP_S = 6.0
MAX_WORDS = 4000


def installed() -> bool:
    """The extra `[pjsua2]` is there. Looks, does not import: PJSIP never lives in this process."""
    import importlib.util

    return importlib.util.find_spec("pjsua2") is not None


class WorkerProcess:
    """`async with WorkerProcess(on_event, on_death)`: ready inside. `on_death(words)` at most once, and not when it is
    ended by us."""

    def __init__(
        self,
        on_event: Callable[[dict[str, Any]], None],
        on_death: Callable[[str], None],
        *,
        rtp_port: int = 0,
        log_level: int = 0,
    ) -> None:
        self._on_event = on_event
        self._on_death = on_death
        self._environment = {"FIELDGATE_PJSUA2_RTP": str(rtp_port), "FIELDGATE_PJSUA2_LOG": str(log_level)}
        self._control: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._ending = False
        self._words = b""

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    async def __aenter__(self) -> WorkerProcess:
        """Raises Unsupported (`not-installed`), LinkDown (`sip-worker-died`)."""
        if not installed():
            raise Unsupported(
                "the extra [pjsua2] is not installed: pip install 'fieldgate[pjsua2]'", code="not-installed"
            )
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._control = ours
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "adapters.sip.pjsua2.worker",
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=os.environ | self._environment,
                start_new_session=True,
            )
        self._tasks = [
            asyncio.create_task(self._listen(ours), name=f"pjsua2 {self.pid}"),
            asyncio.create_task(self._read_words(), name=f"pjsua2 {self.pid} words"),
        ]
        try:
            async with asyncio.timeout(READY_S):
                await asyncio.shield(self._ready)
        except TimeoutError:
            await self._end()
            raise LinkDown(f"the pjsua2 worker was not ready in {READY_S:.0f} s", code="sip-worker-died") from None
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    def order(self, record: dict[str, Any], pcm: socket.socket | None = None) -> None:
        """Raises LinkDown (`sip-worker-died`) when it is gone or does not read."""
        if self._control is None:
            raise LinkDown("the pjsua2 worker is gone", code="sip-worker-died")
        try:
            socket.send_fds(self._control, [pack(record)], [pcm.fileno()] if pcm is not None else [])
        except OSError as exc:
            raise LinkDown(f"the pjsua2 worker takes no orders: {exc.strerror}", code="sip-worker-died") from exc

    async def _listen(self, control: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                data = await loop.sock_recv(control, MAX_RECORD)
            except OSError:
                data = b""
            if not data:
                break
            try:
                record = unpack(data)
                if record.get("ev") == "ready":
                    self._ready.set_result(int(record["pid"]))
                else:
                    self._on_event(record)
            except (LocalProtocolError, KeyError, ValueError) as exc:
                log.warning("pjsua2 worker %d: %s", self.pid, exc)
            except Exception:
                log.exception("handling an event of the pjsua2 worker failed")
        await self._died()

    async def _died(self) -> None:
        assert self._process is not None  # noqa: S101
        code = await self._process.wait()
        if self._ending:
            return
        how = signal.Signals(-code).name if code < 0 else f"exit {code}"
        await asyncio.gather(*self._tasks[1:], return_exceptions=True)
        said = self._words.decode(errors="replace").strip()[-300:]
        words = f"the pjsua2 worker {self.pid} ended ({how}) {said}".strip()
        self._close()
        if not self._ready.done():
            self._ready.set_exception(LinkDown(words, code="sip-worker-died"))
            return
        log.error("%s", words)
        self._on_death(words)

    async def _read_words(self) -> None:
        assert self._process is not None and self._process.stderr is not None  # noqa: S101
        while data := await self._process.stderr.read(1024):
            self._words = (self._words + data)[-MAX_WORDS:]

    async def _end(self) -> None:
        self._ending = True
        if self._tasks:
            self._tasks[0].cancel()  # before its socket is closed
            await asyncio.gather(self._tasks[0], return_exceptions=True)
        if (process := self._process) is not None and process.returncode is None:
            self._close()  # it hangs up its calls and ends
            try:
                async with asyncio.timeout(STOP_S):
                    await process.wait()
            except TimeoutError:
                log.warning("pjsua2 worker %d does not end: killed", process.pid)
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        self._close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._ready.done() and not self._ready.cancelled():
            self._ready.exception()

    def _close(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
