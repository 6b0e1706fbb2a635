"""Cut a TCP byte stream into SIP messages (RFC 3261 §18.3), keepalives (RFC 5626 §3.5.1), and what is neither.

Content-Length rules; where it lied (devices count characters, or not at all), the framer finds the next start line
by itself and says how much it skipped. More than the limits without a message is the end of the connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sip.headers import COMPACT
from gateway.wire.sip.message import MAX_TCP_BYTES, content_length
from gateway.wire.textmsg import MAX_HEAD_BYTES, find_head_end, parse_head

_STATUS = re.compile(rb"SIP/\d{1,3}\.\d{1,3} +\d{3}(?=[ \r\n])", re.I)
_VERSION = re.compile(rb" SIP/\d{1,3}\.\d{1,3}[ \t]*(?=[\r\n])", re.I)
_REQUEST = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~]{1,64} \S{1,4096}\Z")
_MAX_URI_BYTES = 4096 + 66


@dataclass(frozen=True, slots=True)
class Ping:
    """CRLF CRLF: answered by one CRLF."""


@dataclass(frozen=True, slots=True)
class Pong:
    """A single CRLF."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Bytes that belonged to no message."""

    count: int


class StreamFramer:
    """Feed bytes, get messages (as bytes), Ping, Pong and Skipped in order. Holds at most one message and a bit."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0  # no end of head before this index
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes | Ping | Pong | Skipped]:
        """Raises RemoteProtocolError when a message is larger than MAX_TCP_BYTES or its head than MAX_HEAD_BYTES."""
        self._buffer += data
        out: list[bytes | Ping | Pong | Skipped] = []
        while self._buffer:
            size = len(self._buffer)
            item = self._next()
            if item is not None:
                out.append(item)
            elif len(self._buffer) == size:
                break
        return out

    def _next(self) -> bytes | Ping | Pong | Skipped | None:
        buffer = self._buffer
        if bytes(buffer[:1]) in (b"\r", b"\n", b"\0"):
            return self._blank()
        if self._skipping or not self._may_start():
            return self._resync()
        end = find_head_end(buffer, self._scanned)
        if end is None:
            if len(buffer) > MAX_HEAD_BYTES:
                raise RemoteProtocolError(f"no end of head within {MAX_HEAD_BYTES} bytes")
            self._scanned = max(0, len(buffer) - 3)
            return None
        try:
            head = parse_head(bytes(buffer[:end]), COMPACT)
            length = content_length(head.headers) or 0
        except RemoteProtocolError:
            # A head that can not be read has no trustworthy length: give it to the core as it is (it says 400 where it
            # can) and look for the next start line.
            return self._take(end)
        if end + length > MAX_TCP_BYTES:
            raise RemoteProtocolError(f"message of {end + length} bytes, at most {MAX_TCP_BYTES} are read")
        content_type = (head.headers.get("Content-Type") or "").lower()
        if "xml" in content_type:
            # Content-Length too large would swallow the next message; XML never holds a start line of its own.
            inner = _find_start(buffer, end, min(len(buffer), end + length))
            if inner is not None:
                return self._take_short(end, inner)
        if len(buffer) < end + length:
            self._scanned = max(0, end - 4)
            return None
        return self._take(end + length)

    def _blank(self) -> Ping | Pong | None:
        buffer = self._buffer
        run = len(buffer) - len(buffer.lstrip(b"\r\n\0"))
        blank = bytes(buffer[:run])
        if blank == b"\r" and len(buffer) == 1:
            return None  # the other half of CRLF is on its way
        cut = 4 if blank.startswith(b"\r\n\r\n") else 2 if blank.startswith(b"\r\n") else 1
        del buffer[:cut]
        self._scanned = 0
        return Ping() if cut == 4 else Pong() if cut == 2 else None

    def _may_start(self) -> bool:
        """Whether the buffer can begin with a start line, as far as it is there."""
        buffer = self._buffer
        line_end = min((i for i in (buffer.find(b"\r"), buffer.find(b"\n")) if i >= 0), default=-1)
        if line_end < 0:
            # Wait for the rest of the line, unless it is none already.
            return len(buffer) <= MAX_HEAD_BYTES and _is_token_byte(buffer[0])
        return _find_start(buffer, 0, line_end + 1) == 0

    def _resync(self) -> bytes | Ping | Pong | Skipped | None:
        buffer = self._buffer
        found = _find_start(buffer, 0, len(buffer))
        self._scanned = 0
        if found == 0:
            self._skipping = False
            return self._next() if self._may_start() else self._skip(1)
        if found is not None:
            self._skipping = False
            return self._skip(found)
        self._skipping = True
        # A start line may be half here: keep as much as one can be long.
        return self._skip(len(buffer) - _MAX_URI_BYTES) if len(buffer) > _MAX_URI_BYTES else None

    def _skip(self, count: int) -> Skipped:
        del self._buffer[:count]
        return Skipped(count)

    def _take(self, size: int) -> bytes:
        message = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._scanned = 0
        return message

    def _take_short(self, head_end: int, size: int) -> bytes:
        """A message whose body is shorter than it said: its Content-Length is put right, so that it parses."""
        message = self._take(size)
        head = parse_head(message[:head_end], COMPACT)
        start = message.split(b"\n", 1)[0].rstrip(b"\r")
        lines = [f"{k}: {v}" for k, v in head.headers if k.lower() != "content-length"]
        lines.append(f"Content-Length: {size - head_end}")
        text = "\r\n".join(lines).encode("utf-8", "surrogateescape")
        return start + b"\r\n" + text + b"\r\n\r\n" + message[head_end:]


def _find_start(buffer: bytearray, low: int, high: int) -> int | None:
    """Index of the first start line in buffer[low:high]; the line's end must be there too."""
    at = low
    while True:
        at = buffer.find(b"SIP/", at, high)
        if at < 0:
            return None
        if _STATUS.match(buffer, at, high):
            return at
        if at > low and _VERSION.match(buffer, at - 1, high):
            begin = max(low, at - 1 - _MAX_URI_BYTES)
            line = max(buffer.rfind(b"\n", begin, at - 1) + 1, begin)
            blank = buffer.rfind(b" ", line, at - 1)
            method = blank
            while method > line and blank - method < 64 and _is_token_byte(buffer[method - 1]):
                method -= 1
            if 0 <= method < blank and _REQUEST.match(bytes(buffer[method : at - 1])):
                return method
        at += 4


def _is_token_byte(byte: int) -> bool:
    return byte < 128 and (chr(byte).isalnum() or byte in b"-.!%*_+`'~")
