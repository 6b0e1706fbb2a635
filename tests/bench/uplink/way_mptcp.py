"""One MPTCP connection over all paths (protocol 262, BBR): items one behind the other, each behind its length.

What the kernel does not take waits here, up to a second of the picture; beyond it pictures are given up to the next key
picture, as a live sender must.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

from tests.bench.uplink.traffic import Kind
from tests.bench.uplink.way import CONNECT_S, Options

IPPROTO_MPTCP = 262
_WAITING = 500_000
_LENGTH = struct.Struct("!I")


class MptcpWay:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._wire = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
        self._door: socket.socket | None = None
        if not options.kit:
            self._door = self._wire
            self._door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._door.bind((options.address, options.port))
            self._door.listen()
        self._out, self._in = bytearray(), bytearray()
        self._broken, self._given_up = False, 0

    def connect(self) -> None:
        deadline = time.monotonic() + CONNECT_S
        if self._door:
            self._door.settimeout(CONNECT_S)
            self._wire, _ = self._door.accept()
        else:
            while True:
                try:
                    self._wire.connect((self._options.address, self._options.port))
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)
        # Not every kernel lets an MPTCP socket choose: then it is the system's own.
        with contextlib.suppress(OSError):
            self._wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"bbr")
        with contextlib.suppress(OSError):
            self._wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wire.setblocking(False)

    def sockets(self) -> list[int]:
        return [self._wire.fileno()]

    def send(self, kind: Kind, item: bytes, *, key: bool) -> bool:
        """A key picture finds room again only when half of what waits is gone."""
        full = len(self._out) > (_WAITING // 2 if self._broken else _WAITING)
        if kind is Kind.PICTURE:
            if full or (self._broken and not key):
                self._broken, self._given_up = True, self._given_up + 1
                self._flush()
                return False
            self._broken = False
        elif len(self._out) > 2 * _WAITING:
            return False
        self._out += _LENGTH.pack(len(item)) + item
        self._flush()
        return True

    def _flush(self) -> None:
        while self._out:
            try:
                taken = self._wire.send(bytes(self._out[:65536]))
                del self._out[:taken]
            except BlockingIOError:
                return

    def receive(self) -> Iterator[bytes]:
        self._flush()
        while True:
            try:
                data = self._wire.recv(1 << 18)
            except BlockingIOError:
                break
            if not data:
                break
            self._in += data
        while len(self._in) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._in)
            if len(self._in) < _LENGTH.size + length:
                return
            item = bytes(self._in[_LENGTH.size : _LENGTH.size + length])
            del self._in[: _LENGTH.size + length]
            yield item

    def key_wanted(self) -> bool:
        """A sender that sees room again would ask its encoder for a key picture."""
        return self._broken and len(self._out) < _WAITING // 2

    def figures(self) -> dict[str, Any]:
        return {"given_up": self._given_up}

    def close(self) -> None:
        self._wire.close()
        if self._door:
            self._door.close()


def make(options: Options) -> MptcpWay:
    return MptcpWay(options)
