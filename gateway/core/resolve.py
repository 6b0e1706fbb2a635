"""Names to addresses, in threads of their own.

The system's resolver can not be interrupted and may take half a minute where no name server answers. The loop's own
threads are few, and disk, figures and passwords need them: two dozen sources by name must not take them all.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Sequence

MOST = 16
"""Names asked for at a time; more are refused, and their sources ask again."""

Found = Sequence[tuple[socket.AddressFamily, str]]


class Names:
    """Called on the event loop. Raises OSError."""

    def __init__(self) -> None:
        self._asked = 0
        self._lock = threading.Lock()

    async def __call__(self, host: str, port: int) -> Found:
        with self._lock:
            if self._asked >= MOST:
                raise OSError(f"{MOST} names are being asked for already")
            self._asked += 1
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Found] = loop.create_future()

        def give(found: Found | None, failed: OSError | UnicodeError | None) -> None:
            if answer.done():
                return  # whoever asked has given up
            if failed is not None:
                answer.set_exception(failed)
            else:
                answer.set_result(found or ())

        def ask() -> None:
            found: Found | None = None
            failed: OSError | UnicodeError | None = None
            try:
                found = _ask(host, port)
            except (OSError, UnicodeError) as exc:
                failed = exc
            finally:
                with self._lock:
                    self._asked -= 1
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(give, found, failed)

        # A daemon: one that hangs does not hold up the gateway's end.
        threading.Thread(target=ask, name=f"name {host[:40]}", daemon=True).start()
        return await answer


def _ask(host: str, port: int) -> Found:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(socket.AddressFamily(family), str(address[0])) for family, _, _, _, address in found]
