"""What SRT callers send as stream id, and URLs of SRT and transport streams, for the fuzzer."""

from __future__ import annotations

from adapters.mpegts.protocol import parse_place
from adapters.srt.protocol import MAX_STREAM_ID, Mode, parse_query, parse_stream_id, selected_user
from gateway.base.url import parse_url


def try_stream_id(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    selected = selected_user(text)
    request = parse_stream_id(text)
    if not request.name or request.mode not in list(Mode) or len(request.name) > MAX_STREAM_ID:
        raise AssertionError("a request without a name")
    if any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in request.name):
        raise AssertionError("control characters in a name")
    if selected and request.user != selected:
        raise AssertionError("another user than the one whose passphrase was asked for")
    if request.secret and len(request.secret) > 6 and request.secret in repr(request).replace(request.name, ""):
        raise AssertionError("the secret is shown")


def try_place(data: bytes) -> None:
    url = parse_url(data.decode("utf-8", "replace"))
    if url.scheme == "srt":
        dial = parse_query(url.path, url.host)
        if dial.latency_ms > 30_000 or f"passphrase={dial.passphrase!r}" in repr(dial):
            raise AssertionError("a latency that is none, or a passphrase that is shown")
        return
    place = parse_place(url)
    if not 1 <= place.port <= 65_535 or place.program > 65_535 or (place.ttl or 0) > 255:
        raise AssertionError("numbers out of range")
