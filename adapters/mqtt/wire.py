"""A connected socket with packets on it: what comes is cut into them, what goes is taken whole and written as the
socket lets it."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable

from adapters.mqtt.dial import Socket
from adapters.mqtt.protocol.packets import Framer, Packet
from gateway.base.errors import RemoteProtocolError

READ = 16_384
"""Bytes at a time: a record of TLS."""

_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Wire:
    """`limit`: of a packet, in bytes. `now`: a monotonic clock. `blocked` is told when what is to go begins to wait for
    the socket (True), and when nothing waits any more."""

    def __init__(self, inner: Socket, limit: int, now: Callable[[], float], blocked: Callable[[bool], None]) -> None:
        self._inner = inner
        self._framer = Framer(limit)
        self._now = now
        self._blocked = blocked
        self.over: OSError | None = None
        """Nothing more comes, and why."""
        self.closed = False
        self._unsent: deque[bytes | bytearray | memoryview] = deque()
        self._went = asyncio.Event()
        self._taken = 0
        self.bytes_in = self.bytes_out = 0
        self.heard_at = self.sent_at = now()

    def read(self) -> None:
        """Once, as much as there is."""
        try:
            data = self._inner.recv(READ)
        except _NOT_NOW:
            return
        except OSError as exc:
            self.over = exc
            return
        if not data:
            self.over = ConnectionResetError("it hung up")
            return
        self.bytes_in += len(data)
        self.heard_at = self._now()
        self._framer.feed(data)

    def next(self) -> Packet | None:
        """The next whole packet. Raises ValueError for what is none; one beyond the limit is the end."""
        try:
            return self._framer.next()
        except RemoteProtocolError as exc:
            if exc.code != "too-large":
                raise ValueError(str(exc)) from exc
            self.over = ConnectionAbortedError(f"it sends {exc}")
            return None

    def pending(self) -> bool:
        """TLS has read more than it gave: no event comes for that."""
        return isinstance(self._inner, ssl.SSLSocket) and self._inner.fileno() >= 0 and self._inner.pending() > 0

    def write(self, data: bytes | bytearray) -> None:
        """Whole packets. Raises OSError."""
        self._taken += len(data)
        if self._unsent:
            self._unsent.append(data)
            return
        left = self._send(data)
        if left:
            self._unsent.append(left)
            self._blocked(True)

    def flush(self) -> None:
        """The socket takes more. Raises OSError."""
        while self._unsent:
            left = self._send(self._unsent[0])
            if left:
                self._unsent[0] = left
                return
            self._unsent.popleft()
            self._went.set()
        self._blocked(False)

    async def gone(self) -> None:
        """What was taken until now went to the socket, whatever came after it; or the socket was closed."""
        mark = self._taken
        while self.bytes_out < mark and not self.closed:
            self._went.clear()
            await self._went.wait()

    @property
    def backlog(self) -> int:
        """Packets that wait for the socket."""
        return len(self._unsent)

    def _send(self, data: bytes | bytearray | memoryview) -> memoryview:
        """What is left of it."""
        left = memoryview(data)
        while left:
            try:
                sent = self._inner.send(left)
            except _NOT_NOW:
                break
            self.bytes_out += sent
            self.sent_at = self._now()
            left = left[sent:]
        return left

    def fileno(self) -> int:
        return self._inner.fileno()

    def close(self) -> None:
        self.give_up()
        self._inner.close()

    def give_up(self) -> None:
        """Nothing more goes: nobody need wait."""
        self.closed = True
        self._went.set()
