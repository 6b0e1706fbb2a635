"""One SQLite file in WAL, one thread that writes, one that reads; the event loop never waits for the disk.

Writes are small functions of a connection. The writer takes what waits, runs each in a savepoint of its own and
commits them together; with a durable one among them the commit is synced to the disk (synchronous=FULL), else to the
operating system only (NORMAL: survives our death, not a power cut). A future is answered after the commit, never
before it.

When the queue is full, `write` raises Busy (`store-busy`) and `write_soon` drops and counts. When the disk is full
every write raises GatewayError `disk-full`; nothing is kept back, so that the next one after space was made succeeds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gateway.base.errors import Busy, GatewayError
from gateway.store import opening

log = logging.getLogger(__name__)

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

BATCH = 256


@dataclass(slots=True)
class _Write:
    job: Job[Any]
    durable: bool
    answer: Future[Any]


class Database:
    """Open from construction until `close`. Methods are called on the event loop unless said otherwise."""

    def __init__(self, path: Path, *, queue_size: int = 4096) -> None:
        self.path = path
        self._writer = opening.open_checked(path)
        self._reader = opening.connect(path, read_only=True)
        self._queue: queue.Queue[_Write | None] = queue.Queue(queue_size)
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="store-read")
        self.dropped = 0
        self.written = 0
        self.failure = ""
        """Reason code of the last write's failure; empty while writes succeed."""
        self.on_failure: Callable[[str], None] = lambda _code: None
        """Called in the writer's thread when `failure` changes."""
        self._thread = threading.Thread(target=self._run, name="store-write", daemon=True)
        self._thread.start()
        self._closed = False

    # — on the loop —

    async def write(self, job: Job[T], *, durable: bool = False) -> T:
        """Run `job` in the writer's thread; returns when it is committed. What `job` raises is raised here."""
        return await asyncio.wrap_future(self._put(job, durable))

    def write_soon(self, job: Job[Any], *, durable: bool = False) -> None:
        """Without waiting. A full queue drops it, a failure is logged; both are counted."""
        try:
            self._put(job, durable).add_done_callback(self._note)
        except Busy:
            self.dropped += 1

    async def read(self, job: Job[T]) -> T:
        """Run `job` in the reader's thread on a connection that can not write."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, job, self._reader)
        except sqlite3.Error as exc:
            raise opening.translate(exc, self.path) from exc

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    # — anywhere —

    def read_now(self, job: Job[T]) -> T:
        """In the calling thread: what start-up loads into memory."""
        try:
            with contextlib.closing(opening.connect(self.path, read_only=True)) as conn:
                return job(conn)
        except sqlite3.Error as exc:
            raise opening.translate(exc, self.path) from exc

    def close(self) -> None:
        """Write what waits, then close. Blocks; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._readers.shutdown()
        self._reader.close()
        with contextlib.suppress(sqlite3.Error):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._writer.close()

    def _put(self, job: Job[Any], durable: bool) -> Future[Any]:
        if self._closed:
            raise GatewayError("the store is closed", code="store-busy")
        answer: Future[Any] = Future()
        try:
            self._queue.put_nowait(_Write(job, durable, answer))
        except queue.Full:
            raise Busy(f"{self._queue.maxsize} writes wait for the disk already", code="store-busy") from None
        return answer

    def _note(self, answer: Future[Any]) -> None:
        if not answer.cancelled() and (exc := answer.exception()) is not None:
            self.dropped += 1
            if not isinstance(exc, GatewayError):
                log.error("a write into the store failed", exc_info=exc)

    # — the writer's thread —

    def _run(self) -> None:
        while True:
            batch = [self._queue.get()]
            with contextlib.suppress(queue.Empty):
                while len(batch) < BATCH:
                    batch.append(self._queue.get_nowait())
            writes = [w for w in batch if w is not None and w.answer.set_running_or_notify_cancel()]
            if writes:
                self._commit(writes)
            if None in batch:
                return

    def _commit(self, writes: list[_Write]) -> None:
        done: list[tuple[_Write, Any, BaseException | None]] = []
        try:
            self._writer.execute(f"PRAGMA synchronous = {'FULL' if any(w.durable for w in writes) else 'NORMAL'}")
            self._writer.execute("BEGIN IMMEDIATE")
            for write in writes:
                done.append(self._one(write))
            self._writer.execute("COMMIT")
        except sqlite3.Error as exc:
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            error = opening.translate(exc, self.path)
            self._stands(error.code)
            for write in writes:
                write.answer.set_exception(error)
            return
        self._stands("")
        self.written += len(writes)
        for write, value, failure in done:
            if failure is None:
                write.answer.set_result(value)
            else:
                write.answer.set_exception(failure)

    def _one(self, write: _Write) -> tuple[_Write, Any, BaseException | None]:
        """Run one job in its savepoint. A fault of the disk or the file is raised: it ends the whole batch."""
        self._writer.execute("SAVEPOINT job")
        try:
            value = write.job(self._writer)
        except Exception as exc:
            if isinstance(exc, sqlite3.Error) and opening.is_fault(exc):
                raise
            self._writer.execute("ROLLBACK TO job")
            self._writer.execute("RELEASE job")
            return write, None, exc
        self._writer.execute("RELEASE job")
        return write, value, None

    def _stands(self, code: str) -> None:
        if code != self.failure:
            self.failure = code
            self.on_failure(code)
