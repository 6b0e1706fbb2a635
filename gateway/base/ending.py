"""The end of the process, bounded: a thread that hangs (a driver, a disk, a name server) does not keep it.

When all has ended in order the interpreter still waits for the threads of its pools, for as long as they take. Whoever
restarts the gateway should not wait for that, nor systemd until it kills it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

LAST_S = 3.0
"""So long threads that still work have, when everything else has ended."""
WORDS_S = 1.0
"""And so long the last words in the log."""


@contextmanager
def bounded(code: Callable[[], int], last: Callable[[], None], *, last_s: float = LAST_S) -> Iterator[None]:
    """What is done within waits for threads; after `last_s` the process ends without them, with `code()`, once `last`
    has written what waits in the log."""
    guard = threading.Timer(last_s, _leave, (code, last))
    guard.name, guard.daemon = "ending", True
    guard.start()
    try:
        yield
    finally:
        guard.cancel()


def _leave(code: Callable[[], int], last: Callable[[], None]) -> None:
    log.warning("ending without threads that do not: %s", ", ".join(hanging()) or "none is known")
    words = threading.Thread(target=last, name="last words", daemon=True)
    words.start()
    words.join(WORDS_S)
    os._exit(code())


def hanging() -> list[str]:
    """Threads that the interpreter waits for, each with where it is."""
    frames = sys._current_frames()
    found = []
    for thread in threading.enumerate():
        if thread.daemon or thread is threading.main_thread() or thread.ident not in frames:
            continue
        code = frames[thread.ident].f_code
        if "_do_shutdown" in thread.name:
            continue  # the loop's own, which waits for the others
        found.append(f"{thread.name} in {code.co_qualname} ({os.path.basename(code.co_filename)})")  # noqa: PTH119
    return found
