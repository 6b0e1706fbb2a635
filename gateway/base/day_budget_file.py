"""A day's budget that a restart, a kill or a power cut does not give anew: kept in a file of the adapter's own.

It is written when a call begins, when it ends and every `MARK_S` while one stands; of a call that stood when the
process was killed, what came after the last mark is lost. A file that can not be read is told and counts for nothing:
calls may be what someone's life hangs on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from urllib.parse import quote

from gateway.base.day_budget import DayBudget
from gateway.base.moment import Moment

log = logging.getLogger(__name__)

MARK_S = 30.0
MOST_BYTES = 1_048_576
_disk = ThreadPoolExecutor(1, "day-budget")
"""One for all: what is read comes after what was written, also by the adapter's run before; an exit waits for it."""


class KeptBudget(DayBudget):
    """`name`: of the way, within `folder`. Blocks for a read: at start only."""

    def __init__(self, folder: Path, name: str, now: Callable[[], Moment] | None = None) -> None:
        super().__init__(now)
        self.path = folder / f"{quote(name, safe='')}.budget"
        self._lock = Lock()
        self._text: str | None = None
        """What is to be written next: a newer one takes its place."""
        self.wrong = ""
        """What of the file could not be read or written, for `findings`; ""."""
        self._failed = False
        self._timer: asyncio.TimerHandle | None = None
        _disk.submit(self._read).result()

    def begin(self) -> Callable[[], None]:
        end = super().begin()
        self._mark()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(MARK_S, self._again)

        def ended() -> None:
            end()
            self._mark()

        return ended

    def _again(self) -> None:
        self._timer = None
        if self.stands:
            self._mark()
            self._timer = asyncio.get_running_loop().call_later(MARK_S, self._again)

    def _mark(self) -> None:
        text = json.dumps(self.kept())
        with self._lock:
            waits, self._text = self._text is not None, text
        if not waits:
            _disk.submit(self._write)

    # — in the thread —

    def _read(self) -> None:
        try:
            with self.path.open("rb") as file:
                self.restore(json.loads(file.read(MOST_BYTES)))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as exc:
            self.wrong = f"{self.path} can not be read, its calls of the last day count for nothing: {exc!r}"
            log.error("%s", self.wrong)

    def _write(self) -> None:
        with self._lock:
            text, self._text = self._text, None
        fresh = self.path.with_suffix(".new")
        try:
            with fresh.open("w", encoding="ascii") as out:
                out.write(text or "")
                out.flush()
                os.fsync(out.fileno())
            fresh.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as exc:
            self.wrong = f"{self.path} can not be written, a restart would forget calls of this day: {exc}"
            if not self._failed:
                log.error("%s", self.wrong)
            self._failed = True
        else:
            if self._failed:
                self.wrong = ""
            self._failed = False
