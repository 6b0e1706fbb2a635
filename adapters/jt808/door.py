"""Where terminals bring pictures: connections are told apart by the head of their first frame, and given to whoever
asked for that channel. One that nobody asked for is closed."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from adapters.jt808.protocol.media import MAX_SEARCH, read_caller
from gateway.base.errors import Busy, ConfigError
from gateway.base.place import plain
from gateway.base.tasks import Nest
from gateway.base.throttle import Throttle
from gateway.config.units import HostPort

log = logging.getLogger(__name__)

HEAD_WAIT_S = 10.0
ACCEPT_AGAIN_S = 0.2
"""After an accept that failed: out of descriptors, for the most part."""
MAX_CALLERS = 128
Brought = tuple[socket.socket, bytes]


@dataclass(slots=True, eq=False)
class Waiting:
    """Somebody who waits for a channel's connection."""

    brought: asyncio.Future[Brought]
    """The connection and what was read of it."""
    host: str
    """Where it must come from; empty: from anywhere."""
    stranger: str = ""
    """Who else brought one, if anybody did."""


def listening(where: HostPort, key: str) -> socket.socket:
    """A listening TCP socket. Raises ConfigError (`port-in-use`)."""
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((where.host, where.port))
        made.listen(64)
        made.setblocking(False)
    except OSError as exc:
        made.close()
        raise ConfigError(key, f"{where}: {exc.strerror}", code="port-in-use") from exc
    return made


class MediaDoor:
    """`wait` for a terminal's channel before it is ordered to dial in."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._callers = Nest("JT/T 1078 callers", MAX_CALLERS)
        self._waiting: dict[tuple[str, int], Waiting] = {}
        self._handed: set[socket.socket] = set()
        self._said = Throttle(log, interval_s=10.0)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def wait(self, phone: str, channel: int, host: str = "") -> Waiting:
        """A terminal's number is no secret: its connection is taken from `host` alone, where one is said. A second wait
        for the same channel replaces the first (cancelled)."""
        before = self._waiting.pop((phone, channel), None)
        if before is not None:
            before.brought.cancel()
        made = Waiting(asyncio.get_running_loop().create_future(), plain(host))
        self._waiting[phone, channel] = made
        made.brought.add_done_callback(lambda done: self._forget(phone, channel, made))
        return made

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    connection, address = await loop.sock_accept(self._listener)
                except OSError as exc:
                    log.warning("JT/T 1078: a connection could not be taken: %s", exc)
                    await asyncio.sleep(ACCEPT_AGAIN_S)
                    continue
                self._take(connection, str(address[0]))
        finally:
            await self._callers.close()
            self._listener.close()

    def _take(self, connection: socket.socket, host: str) -> None:
        try:
            task = self._callers.start(self._read(connection, host), f"caller {host}")
        except Busy:
            connection.close()
        else:
            # Also when it never began.
            task.add_done_callback(partial(self._done, connection))

    def _forget(self, phone: str, channel: int, made: Waiting) -> None:
        if self._waiting.get((phone, channel)) is made:
            del self._waiting[phone, channel]

    def _done(self, connection: socket.socket, _: asyncio.Task[None]) -> None:
        if connection in self._handed:
            self._handed.discard(connection)
        else:
            connection.close()

    async def _read(self, connection: socket.socket, host: str) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        head = b""
        with suppress(TimeoutError, OSError, ValueError):
            async with asyncio.timeout(HEAD_WAIT_S):
                while (caller := read_caller(head)) is None:
                    data = await asyncio.get_running_loop().sock_recv(connection, MAX_SEARCH)
                    if not data:
                        return
                    head += data
                for phone, channel in caller.phones:
                    waiting = self._waiting.get((phone, channel))
                    if waiting is None or waiting.brought.done():
                        continue
                    if waiting.host and waiting.host != plain(host):
                        waiting.stranger = host
                        text = f"{host} brings a picture of {phone}, which is at {waiting.host}"
                        self._said("strange picture", text)
                        return
                    waiting.brought.set_result((connection, head))
                    self._handed.add(connection)
                    return
                self._said("unasked picture", f"{host} brings a picture of {caller.phones[0]} that nobody asked for")
