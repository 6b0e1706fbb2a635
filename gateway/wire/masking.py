"""Secrets taken out of what is captured, in place: every byte of one becomes `*`, so that lengths and numbers stay.

- HTTP, RTSP, SIP: `Authorization`, `Proxy-Authorization`, `Cookie`; of Digest the response alone (realm and nonce help
  to see what is wrong), of anything else all after the scheme.
- URLs: the password before `@`; values called token, key, secret, password, sign and the like, in query and path.
- SDP: keys of `a=crypto`, `a=ice-pwd`. SOAP: the text of `Password` and `Nonce`.
- RTMP: the stream key of publish, play and their like (`masking_rtmp`). SRT: `s=` of a stream id, and what stands in
  the places of user and password in `publish:name:user:password`.

A secret cut by the end of a TCP segment is followed into the next one.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import NamedTuple

from gateway.base.url import SECRET_NAMES
from gateway.wire.masking_rtmp import rest_spans, rtmp_spans

MAX_FLOWS = 4096
TAIL = 512
LONGEST = 8192

# What must stand in the bytes, in lower case, for the pattern to be worth a look; and the pattern.
_PATTERNS = tuple(
    (anchor, re.compile(p, re.I | re.S))
    for anchor, p in (
        (
            b"authorization",
            rb"\b(?:proxy-)?authorization[ \t]*:[ \t]*(?!digest\b)[A-Za-z0-9_-]+[ \t]+(?P<s>[^\r\n]+)",
        ),
        (b"response", rb"\bresponse[ \t]*=[ \t]*\"?(?P<s>[0-9a-f]{1,128})"),
        (b"cookie", rb"\b(?:set-)?cookie[ \t]*:[ \t]*(?P<s>[^\r\n]+)"),
        (b"://", rb"://[^/\s:@\"<>]{0,128}:(?P<s>[^/\s@\"<>]{1,256})@"),
        (
            b"=",
            rb"[?&/;_](?:" + SECRET_NAMES.encode() + rb")=(?P<s>(?:(?!_[a-z]{1,32}=)[^&\s\"'<>#;]){1,2048})",
        ),
        (b"inline:", rb"\binline:(?P<s>[A-Za-z0-9+/=]{16,256})"),
        (b"ice-pwd", rb"\ba=ice-pwd:(?P<s>[^\r\n]{4,256})"),
        (b"password", rb"<(?:[\w.-]{1,40}:)?Password\b[^>]{0,400}>(?P<s>[^<]{1,512})<"),
        (b"nonce", rb"<(?:[\w.-]{1,40}:)?Nonce\b[^>]{0,400}>(?P<s>[^<]{1,512})<"),
    )
)
# The same, where a segment ends before what tells that it was one.
_CUT = tuple(
    re.compile(p, re.I | re.S)
    for p in (
        rb"://[^/\s:@\"<>]{0,128}:(?P<s>[^/\s@\"<>]{1,256})\Z",
        rb"<(?:[\w.-]{1,40}:)?(?:Password|Nonce)\b[^>]{0,400}>(?P<s>[^<]{1,512})\Z",
    )
)
# A value whose end has not come yet: it goes on in the next segment, to one of these bytes.
_OPEN = tuple(
    (re.compile(p, re.I), ends)
    for p, ends in (
        (rb"\b(?:(?:proxy-)?authorization|(?:set-)?cookie)[ \t]*:(?P<s>[^\r\n]*)\Z", b"\r\n"),
        (rb"\binline:(?P<s>[A-Za-z0-9+/=]*)\Z", b"\r\n"),
        (rb"[?&/;_](?:" + SECRET_NAMES.encode() + rb")=(?P<s>[^&\s\"'<>#;]*)\Z", b"\r\n &;#\"'<>"),
    )
)
_SID = re.compile(rb"(?:^|,)(?:s|p|pass|password|token|key)=(?P<s>[^,]*)", re.I)


def spans(data: bytes) -> list[tuple[int, int]]:
    """Where secrets stand; those of RTMP apart."""
    low = data.lower()
    return [m.span("s") for anchor, pattern in _PATTERNS if anchor in low for m in pattern.finditer(data)]


def masked(data: bytes) -> bytes:
    """One datagram, or a whole message."""
    if len(data) >= 12 and data[0] >> 6 == 2 and data[:4] != b"\x80\0\0\0":
        return data  # RTP, RTCP: most of what passes
    found = spans(data) + rtmp_spans(data, spans)[0]
    if (swapped := _srt_stream_id(data)) is not None:
        return swapped
    return _starred(data, found, 0) if found else data


def _starred(data: bytes, found: list[tuple[int, int]], offset: int) -> bytes:
    out = bytearray(data)
    for start, end in found:
        start, end = max(start - offset, 0), min(end - offset, len(out))
        if end > start:
            out[start:end] = b"*" * (end - start)
    return bytes(out)


class _Flow(NamedTuple):
    tail: bytes = b""
    inside: int = 0
    """Bytes at most of a value whose end has not come."""
    ends: bytes = b""
    left: int = 0
    """Bytes of a stream key that are yet to come."""


class StreamMask:
    """The same for TCP: one memory a direction of a connection; the oldest is forgotten."""

    def __init__(self) -> None:
        self._flows: OrderedDict[object, _Flow] = OrderedDict()

    def masked(self, flow: object, payload: bytes) -> bytes:
        tail, inside, ends, left = self._flows.pop(flow, _Flow())
        out = payload
        if left:
            rest, left = rest_spans(payload, left)
            out = _starred(out, rest, 0)
        if inside:
            end = next((at for at, byte in enumerate(payload) if byte in ends), len(payload))
            out = b"*" * end + out[end:]
            inside = inside - end if end == len(payload) and inside > end else 0
        seen = tail + payload
        found, more = rtmp_spans(seen, spans)
        left = max(left, more)
        found += spans(seen)
        if b":" in seen:
            found += [match.span("s") for pattern in _CUT for match in pattern.finditer(seen)]
        if found:
            out = _starred(out, found, len(tail))
        for pattern, stops in () if inside else _OPEN:
            if (cut := pattern.search(seen)) is not None:
                inside, ends = LONGEST, stops
                # The name alone is no secret; what has come of its value is.
                out = _starred(out, [cut.span("s")], len(tail))
        self._flows[flow] = _Flow(seen[-TAIL:], inside, ends, left)
        while len(self._flows) > MAX_FLOWS:
            self._flows.popitem(last=False)
        return out


def _srt_stream_id(data: bytes) -> bytes | None:
    """An SRT handshake with a stream id (draft-sharabayko-srt-01 §3.2.1.3): its letters stand in reversed words of
    four. None for anything else."""
    if len(data) < 72 or data[:4] != b"\x80\0\0\0":
        return None
    out, at, changed = bytearray(data), 64, False
    while at + 4 <= len(data):
        kind, size = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big") * 4
        start, at = at + 4, at + 4 + size
        if at > len(data):
            break
        if kind != 5:
            continue
        text = _swapped(data[start:at])
        found = [m.span("s") for m in _SID.finditer(text.removeprefix(b"#!::"))] if text.startswith(b"#!::") else []
        found = [(a + 4, b + 4) for a, b in found]
        if not text.startswith(b"#!::"):
            parts = text.rstrip(b"\0").split(b":")
            if len(parts) >= 3:  # publish:name:user:password
                first = len(parts[0]) + len(parts[1]) + 2
                found = [(first, len(text.rstrip(b"\0")))]
        if found:
            out[start:at] = _swapped(_starred(text, found, 0))
            changed = True
    return bytes(out) if changed else None


def _swapped(data: bytes) -> bytes:
    return b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))
