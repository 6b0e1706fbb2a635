"""The handshake (Adobe RTMP 1.0 §5.2), either side. Simple: Flash's digests (C1 with a version) are taken and answered
simply, which every player and encoder that is not Flash itself accepts. RTMPE (version 6) is refused in words.

    server: C0 C1 ─► S0 S1 S2 ─► C2 ─► done          client: C0 C1 ─► S0 S1 S2 ─► C2, done
"""

from __future__ import annotations

import os

from gateway.base.errors import RemoteProtocolError

VERSION = 3
TLS = 0x16
"""The first byte of a TLS ClientHello."""
BLOCK = 1536


def _block() -> bytes:
    """Time 0, zero (no digest), random bytes."""
    return bytes(8) + os.urandom(BLOCK - 8)


def _check_version(version: int, who: str) -> None:
    if version == 6:
        raise RemoteProtocolError(f"the {who} speaks RTMPE, whose cipher protects nothing", code="rtmp-rtmpe")
    if version == TLS:
        raise RemoteProtocolError(f"the {who} speaks TLS, on the port of plain RTMP", code="rtmp-not")
    # §5.2.2: versions above are answered with ours; printable ones are no RTMP at all.
    if version < VERSION or version > 31:
        raise RemoteProtocolError(f"the {who} does not speak RTMP", code="rtmp-not")


class ServerHandshake:
    """Bytes in by `receive`, bytes out by its answer; `rest` is what came behind C2."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answered = False
        self.done = False
        self.rest = b""

    def receive(self, data: bytes) -> bytes:
        """Raises RemoteProtocolError. Not to be called once `done`."""
        self._buffer += data
        out = b""
        if self._buffer and not self._answered:
            _check_version(self._buffer[0], "sender")
        if not self._answered and len(self._buffer) >= 1 + BLOCK:
            c1, self._buffer = self._buffer[1 : 1 + BLOCK], self._buffer[1 + BLOCK :]
            self._answered = True
            out = bytes((VERSION,)) + _block() + c1
        if self._answered and len(self._buffer) >= BLOCK:
            # What C2 echoes is not compared: many senders echo something else.
            self.rest, self._buffer = self._buffer[BLOCK:], b""
            self.done = True
        return out


class ClientHandshake:
    """`hello` first; then as the server's."""

    def __init__(self) -> None:
        self._buffer = b""
        self.done = False
        self.rest = b""

    def hello(self) -> bytes:
        return bytes((VERSION,)) + _block()

    def receive(self, data: bytes) -> bytes:
        self._buffer += data
        if self._buffer:
            _check_version(self._buffer[0], "server")
        if self.done or len(self._buffer) < 1 + 2 * BLOCK:
            return b""
        s1 = self._buffer[1 : 1 + BLOCK]
        self.rest, self._buffer = self._buffer[1 + 2 * BLOCK :], b""
        self.done = True
        return s1
