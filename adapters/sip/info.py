"""Bodies of INFO: digits (application/dtmf-relay, application/dtmf), the wish for a key frame (RFC 5168). Sans-IO."""

from __future__ import annotations

import re

DTMF_RELAY = "application/dtmf-relay"
MEDIA_CONTROL = "application/media_control+xml"

PICTURE_FAST_UPDATE = (
    b'<?xml version="1.0" encoding="utf-8"?>\r\n'
    b"<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder></vc_primitive></media_control>\r\n"
)
MAX_BODY = 4096

_SIGNAL = re.compile(r"^\s*Signal\s*=\s*([0-9*#A-Da-d]|1[0-6])\s*$", re.MULTILINE | re.IGNORECASE)
_PLAIN = re.compile(r"\s*([0-9*#A-Da-d])\s*")
_EVENTS = "0123456789*#ABCD"


def dtmf_relay(digit: str, duration_ms: int = 160) -> bytes:
    return f"Signal={digit}\r\nDuration={duration_ms}\r\n".encode()


def digit_of(content_type: str, body: bytes) -> str:
    """The digit, upper case; "flash" for 16; "" when it is none (or no such body)."""
    kind = content_type.partition(";")[0].strip().lower()
    if len(body) > MAX_BODY or kind not in (DTMF_RELAY, "application/dtmf"):
        return ""
    text = body.decode("ascii", "replace")
    found = _SIGNAL.search(text) or (_PLAIN.fullmatch(text) if kind == "application/dtmf" else None)
    if found is None:
        return ""
    value = found[1].upper()
    if len(value) == 2:  # some phones write the number of the RFC 4733 event
        return "flash" if value == "16" else _EVENTS[int(value)]
    return value


def wants_picture(content_type: str, body: bytes) -> bool:
    """Any XML that names the primitive: phones differ in everything else, and nothing more than a key frame comes of
    it."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == MEDIA_CONTROL and len(body) <= MAX_BODY and b"picture_fast_update" in body
