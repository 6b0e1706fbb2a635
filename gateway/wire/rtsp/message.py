"""Requests and responses, and the reader that cuts them out of a connection on which `$` frames may stand between.

The media plane cuts the connection once media flows (codecs/src/relay/rtsp_framing.rs); this is for what comes before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gateway.base.errors import RemoteProtocolError
from gateway.wire.textmsg import Headers, build, find_head_end, is_token, parse_head

MAX_MESSAGE_BYTES = 64 * 1024

_VERSION = re.compile(r"RTSP/[0-9]\.[0-9]\Z", re.I)
_STATUS = re.compile(r"RTSP/[0-9]\.[0-9]\s+([0-9]{3})(?:\s+(.*))?\Z", re.I | re.S)
_REASONS = {
    100: "Continue",
    200: "OK",
    301: "Moved Permanently",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    415: "Unsupported Media Type",
    451: "Parameter Not Understood",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    551: "Option not supported",
}


def reason_of(status: int) -> str:
    return _REASONS.get(status, "Unknown")


@dataclass(frozen=True, slots=True)
class RtspRequest:
    method: str
    uri: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def __bytes__(self) -> bytes:
        """Content-Length is set here. Raises LocalProtocolError when a line would break out of its place."""
        return build(f"{self.method} {self.uri} RTSP/1.0", _with_length(self.headers, self.body), self.body)

    @property
    def cseq(self) -> int | None:
        return _cseq(self.headers)


@dataclass(frozen=True, slots=True)
class RtspResponse:
    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    reason: str = ""

    def __bytes__(self) -> bytes:
        start = f"RTSP/1.0 {self.status} {self.reason or reason_of(self.status)}"
        return build(start, _with_length(self.headers, self.body), self.body)

    @property
    def cseq(self) -> int | None:
        return _cseq(self.headers)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


Message = RtspRequest | RtspResponse


def _with_length(headers: Headers, body: bytes) -> Headers:
    return headers.set("Content-Length", str(len(body)) if body else None)


def _cseq(headers: Headers) -> int | None:
    text = (headers.get("CSeq") or "").split(" ", 1)[0].strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def _length(headers: Headers) -> int:
    """0 when there is none. Raises RemoteProtocolError."""
    text = (headers.get("Content-Length") or "0").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 6) or int(text) > MAX_MESSAGE_BYTES:
        raise RemoteProtocolError(f"Content-Length {text[:20]!r}", code="rtsp-broken")
    return int(text)


def parse_message(data: bytes) -> Message:
    """One whole message; what is behind its body is left out. Raises RemoteProtocolError (`rtsp-broken`)."""
    try:
        head = parse_head(data)
    except RemoteProtocolError as exc:
        raise RemoteProtocolError(str(exc), code="rtsp-broken") from exc
    body = data[head.size : head.size + _length(head.headers)]
    if (found := _STATUS.match(head.start)) is not None:
        return RtspResponse(int(found[1]), head.headers, body, (found[2] or "").strip()[:200])
    parts = head.start.split()
    if len(parts) != 3 or not is_token(parts[0]) or not _VERSION.match(parts[2]):
        raise RemoteProtocolError("neither an RTSP request nor a response", code="rtsp-broken")
    return RtspRequest(parts[0].upper(), parts[1], head.headers, body)


class RtspReader:
    """Bytes in, messages out. `$` frames before a message are passed over; `rest` is what was not looked at."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.passed_over = 0
        """Interleaved frames that came too early or too late."""

    @property
    def rest(self) -> bytes:
        return bytes(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Message | None:
        """The next message, None when more bytes are needed. Raises RemoteProtocolError (`rtsp-broken`)."""
        while self._buffer:
            first = self._buffer[0]
            if first in b"\r\n\0 ":
                del self._buffer[0]
            elif first == 0x24:
                if len(self._buffer) < 4:
                    return None
                size = 4 + int.from_bytes(self._buffer[2:4], "big")
                if len(self._buffer) < size:
                    return None
                del self._buffer[:size]
                self.passed_over += 1
            else:
                return self._message()
        return None

    def _message(self) -> Message | None:
        if not (65 <= self._buffer[0] <= 90 or 97 <= self._buffer[0] <= 122):
            raise RemoteProtocolError("bytes that are no RTSP", code="rtsp-broken")
        end = find_head_end(self._buffer)
        if end is None:
            if len(self._buffer) > MAX_MESSAGE_BYTES:
                raise RemoteProtocolError("a message without end", code="rtsp-broken")
            return None
        head = bytes(self._buffer[:end])
        try:
            length = _length(parse_head(head).headers)
        except RemoteProtocolError as exc:
            raise RemoteProtocolError(str(exc), code="rtsp-broken") from exc
        if end + length > MAX_MESSAGE_BYTES:
            raise RemoteProtocolError("a message over 64 KiB", code="rtsp-broken")
        if len(self._buffer) < end + length:
            return None
        data = bytes(self._buffer[: end + length])
        del self._buffer[: end + length]
        return parse_message(data)
