"""What a stream id asks for (SRT Access Control, docs/features/access-control.md of SRT), and what an SRT URL says.

`#!::r=name,m=publish,u=user,s=secret`, or the short forms `publish:name`, `publish:name:user:secret`, `read:name`. A
name alone is published: encoders that know one field only are senders.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl, unquote

from gateway.base.errors import RemoteProtocolError

MAX_STREAM_ID = 512
MAX_PAIRS = 32
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_VERBS = {"publish": "publish", "push": "publish", "read": "request", "request": "request", "play": "request"}


class Mode(StrEnum):
    PUBLISH = "publish"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Request:
    """Who calls, and what for. Empty: not said."""

    mode: Mode
    name: str
    user: str = ""
    secret: str = field(default="", repr=False)


def parse_stream_id(text: str) -> Request:
    """Raises RemoteProtocolError: `srt-no-stream` without a name, `bad-name` with what no name may hold, `srt-mode`."""
    if len(text.encode("utf-8", "replace")) > MAX_STREAM_ID:
        raise RemoteProtocolError("the stream id is longer than 512 bytes", code="bad-name")
    if _CONTROL.search(text):
        raise RemoteProtocolError("there are control characters in the stream id", code="bad-name")
    if text[:4].lower() == "%23!":
        # FFmpeg before 7 sends what stands in its URL as it stands.
        text = unquote(text)
        if _CONTROL.search(text):
            raise RemoteProtocolError("there are control characters in the stream id", code="bad-name")
    request = _standard(text[4:]) if text.startswith("#!::") else _short(text)
    if not request.name:
        raise RemoteProtocolError("the stream id names no stream", code="srt-no-stream")
    if _CONTROL.search(request.name) or len(request.name) > MAX_STREAM_ID:
        raise RemoteProtocolError("there are control characters in the stream id", code="bad-name")
    return request


def selected_user(text: str) -> str:
    """The user by whose passphrase the media plane let a caller in (codecs/src/srt/selector.rs): to the letter the
    first `u` of the standard syntax, nothing decoded; "" where it looked at none."""
    if not text.startswith("#!::"):
        return ""
    pairs = (pair.partition("=") for pair in text[4:].split(","))
    return next((value for key, equals, value in pairs if equals and key == "u"), "")


def _standard(text: str) -> Request:
    pairs = text.split(",")
    if len(pairs) > MAX_PAIRS:
        raise RemoteProtocolError(f"the stream id has more than {MAX_PAIRS} fields", code="bad-name")
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if equals:
            found.setdefault(key, value if key == "u" else unquote(value))
    if found.get("t", "stream") != "stream":
        raise RemoteProtocolError(f"type {found['t'][:20]!r} is not served: only streams are", code="srt-mode")
    # "request" where nothing is said: so the specification has it.
    mode = found.get("m", "request")
    if mode not in (Mode.PUBLISH, Mode.REQUEST):
        raise RemoteProtocolError(f"mode {mode[:20]!r} is not served: publish or request", code="srt-mode")
    return Request(Mode(mode), found.get("r", "").strip("/"), found.get("u", ""), found.get("s", ""))


def _short(text: str) -> Request:
    if text.startswith("#!"):
        raise RemoteProtocolError("the stream id begins like #!:: but does not go on so", code="bad-name")
    if ":" not in text:
        return Request(Mode.PUBLISH, unquote(text).strip("/"))
    verb, *parts = text.split(":", 3)
    if verb not in _VERBS:
        raise RemoteProtocolError(
            f"the stream id begins with {verb[:20]!r}: publish: or read: are known", code="srt-mode"
        )
    name, *credentials = (unquote(part) for part in parts)
    user, secret = "", ""
    if len(credentials) == 1:
        secret = credentials[0]
    elif credentials:
        user, secret = credentials
    return Request(Mode(_VERBS[verb]), name.strip("/"), user, secret)


class Way(StrEnum):
    CALLER = "caller"
    LISTENER = "listener"
    RENDEZVOUS = "rendezvous"


@dataclass(frozen=True, slots=True)
class Dial:
    """What the query of an SRT URL asks for. `latency_ms` 0: not said."""

    way: Way = Way.CALLER
    stream_id: str = ""
    passphrase: str = field(default="", repr=False)
    latency_ms: int = 0
    local_port: int = 0


def parse_query(path: str, host: str) -> Dial:
    """`path` with its query, as SourceUrl has it. Latency is in milliseconds, as srt-live-transmit and GStreamer have
    it. Raises RemoteProtocolError (`bad-url`)."""
    query = path.partition("?")[2]
    try:
        found = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=32))
    except ValueError as exc:
        raise _bad("there are too many parameters") from exc
    way = found.get("mode", "") or (Way.CALLER if host else Way.LISTENER)
    if way not in list(Way):
        raise _bad("mode is caller, listener or rendezvous")
    if way != Way.LISTENER and not host:
        raise _bad(f"as {way} it needs a host")
    stream_id, passphrase = found.get("streamid", ""), found.get("passphrase", "")
    if len(stream_id.encode()) > MAX_STREAM_ID or _CONTROL.search(stream_id):
        raise _bad("streamid is too long, or has control characters")
    if passphrase and not 10 <= len(passphrase.encode()) <= 79:
        raise _bad("a passphrase has 10 to 79 characters")
    latency = max(_number(found, key, 0, 30_000) for key in ("latency", "rcvlatency", "peerlatency"))
    return Dial(Way(way), stream_id, passphrase, latency, _number(found, "localport", 0, 65_535))


def _number(found: Mapping[str, str], key: str, least: int, most: int) -> int:
    text = found.get(key, "0")
    if not text.isdecimal() or len(text) > 9 or not least <= int(text) <= most:
        raise _bad(f"{key} is {least} to {most}" + (" ms" if "latency" in key else ""))
    return int(text)


def _bad(why: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"not an SRT URL that can be used: {why}", code="bad-url")


def wanted_latency_ms(rtt_ms: float, least_ms: int, most_ms: int) -> int:
    """Three round trips, so that a packet that was lost twice still comes in time, and a little for jitter."""
    return round(min(max(3 * rtt_ms + 20, least_ms), most_ms))
