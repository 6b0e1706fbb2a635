"""Connections to the API's port that become something else: an HTTP upgrade by which an adapter gets the plain bytes.

The adapter gets one end of a socket pair and may hand it to the media plane; here bytes are carried between the other
end and the connection (TLS is uvicorn's), each way no faster than the far side takes them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass

from gateway.contract.http import UpgradeHandler

log = logging.getLogger(__name__)

MOST = 512
"""Connections that were upgraded, at a time."""
READ = 65_536
HIGH_WATER = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Taken:
    protocol: str
    handler: UpgradeHandler


class Upgrades:
    """Which paths are upgraded to what, now."""

    def __init__(self) -> None:
        self._paths: dict[str, _Taken] = {}
        self._open: set[Pump] = set()

    def add(self, path: str, protocol: str, handler: UpgradeHandler) -> Callable[[], None]:
        taken = self._paths[path] = _Taken(protocol.lower(), handler)

        def undo() -> None:
            if self._paths.get(path) is taken:
                del self._paths[path]

        return undo

    def wanted(self, path: str, protocol: str) -> bool:
        found = self._paths.get(path)
        return found is not None and found.protocol == protocol.lower() and len(self._open) < MOST

    def take(self, path: str, transport: asyncio.Transport, rest: bytes, address: str) -> None:
        """The request was read whole and may be answered; `rest` came behind it. `wanted` was asked before."""
        found = self._paths[path]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        theirs.setblocking(False)
        pump = Pump(transport, ours, self._open.discard)
        self._open.add(pump)
        transport.set_protocol(pump)
        head = f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {found.protocol}\r\n\r\n"
        transport.write(head.encode())
        found.handler(theirs, rest, address)

    def close(self) -> None:
        for pump in list(self._open):
            pump.close()


class Pump(asyncio.Protocol):
    """Bytes both ways until either end is closed."""

    def __init__(self, transport: asyncio.Transport, sock: socket.socket, over: Callable[[Pump], None]) -> None:
        sock.setblocking(False)
        self._transport = transport
        self._sock = sock
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._waiting = bytearray()
        self._closed = False
        self._loop.add_reader(sock.fileno(), self._readable)

    # — from the connection —

    def data_received(self, data: bytes) -> None:
        if self._closed:
            return
        if not self._waiting:
            data = data[self._send(data) :]
        if data and not self._closed:
            if not self._waiting:
                self._loop.add_writer(self._sock.fileno(), self._writable)
            self._waiting += data
            if len(self._waiting) > HIGH_WATER:
                self._transport.pause_reading()

    def eof_received(self) -> bool:
        self.close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.close()

    def pause_writing(self) -> None:
        if not self._closed:
            self._loop.remove_reader(self._sock.fileno())

    def resume_writing(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._sock.fileno(), self._readable)

    def close(self) -> None:
        """Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        self._transport.close()
        self._over(self)

    # — from the adapter's end —

    def _readable(self) -> None:
        try:
            data = self._sock.recv(READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self._transport.write(data)
        else:
            self.close()

    def _writable(self) -> None:
        del self._waiting[: self._send(bytes(self._waiting))]
        if self._closed:
            return
        if not self._waiting:
            self._loop.remove_writer(self._sock.fileno())
        if len(self._waiting) < HIGH_WATER // 2 and not self._transport.is_closing():
            self._transport.resume_reading()

    def _send(self, data: bytes) -> int:
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self.close()
            return len(data)
