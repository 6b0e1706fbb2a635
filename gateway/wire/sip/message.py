"""SIP requests and responses: parse, check, serialise (RFC 3261 §7, §8.1.1, §18.3).

Tolerant where devices need it, strict otherwise; see `parse_datagram` for the list. `check` says what a message lacks;
the core answers 400 with its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sip.headers import COMPACT, CSeq, NameAddr, Via, split_list
from gateway.wire.sip.reasons import REASON_PHRASES
from gateway.wire.sip.uri import SipUri, bounded_int, split_scheme
from gateway.wire.textmsg import Headers, build, is_token, parse_head

MAX_UDP_BYTES = 64 * 1024
MAX_TCP_BYTES = 1024 * 1024

_REQUEST_LINE = re.compile(r"(\S+) (\S+) SIP/(\d+)\.(\d+)\Z", re.I)
_STATUS_LINE = re.compile(r"SIP/(\d+)\.(\d+) +(\d{3})(?: (.*))?\Z", re.I | re.S)
_BODY_END = re.compile(rb"</(?:Query|Response|Notify|Control)\s*>", re.I)
_ONCE = ("Call-ID", "CSeq", "From", "To", "Max-Forwards", "Content-Length", "Content-Type", "Expires")


class _Message:
    """What requests and responses share: typed reads of headers, each raising RemoteProtocolError when malformed."""

    __slots__ = ()
    headers: Headers
    body: bytes

    def _need(self, name: str) -> str:
        value = self.headers.get(name)
        if value is None:
            raise RemoteProtocolError(f"{name} is missing")
        return value

    @property
    def call_id(self) -> str:
        return self._need("Call-ID")

    @property
    def cseq(self) -> CSeq:
        return CSeq.parse(self._need("CSeq"))

    @property
    def from_(self) -> NameAddr:
        return NameAddr.parse(self._need("From"))

    @property
    def to(self) -> NameAddr:
        return NameAddr.parse(self._need("To"))

    @property
    def via(self) -> Via:
        """The topmost Via."""
        values = split_list(self._need("Via"))
        if not values:
            raise RemoteProtocolError("Via is empty")
        return Via.parse(values[0])

    @property
    def vias(self) -> list[Via]:
        return [Via.parse(value) for value in self.values("Via")]

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact; None without one and for `*`."""
        values = self.values("Contact")
        return NameAddr.parse(values[0]) if values and values[0] != "*" else None

    @property
    def contacts(self) -> list[NameAddr]:
        return [NameAddr.parse(value) for value in self.values("Contact") if value != "*"]

    @property
    def expires(self) -> int | None:
        """Seconds by the Expires header, else by the first Contact's `expires`; None when neither is a number."""
        text = self.headers.get("Expires")
        if text is None:
            contact = self.contact
            text = None if contact is None else contact.param("expires")
        try:
            return None if text is None else bounded_int(text, 0, 2**32 - 1, "Expires")
        except RemoteProtocolError:
            return None

    @property
    def content_type(self) -> str:
        """The media type in lower case without parameters, "" when there is none."""
        return (self.headers.get("Content-Type") or "").partition(";")[0].strip().lower()

    def values(self, name: str) -> list[str]:
        """Every value of a list header, lines and commas taken apart."""
        return [piece for line in self.headers.all(name) for piece in split_list(line)]


@dataclass(frozen=True, slots=True)
class SipRequest(_Message):
    """A request; `uri` is the Request-URI as written."""

    method: str
    uri: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @property
    def target(self) -> SipUri:
        """The Request-URI. Raises RemoteProtocolError when it is not sip: or sips:."""
        return SipUri.parse(self.uri)

    def with_headers(self, headers: Headers) -> SipRequest:
        return replace(self, headers=headers)

    def __bytes__(self) -> bytes:
        return build(f"{self.method} {self.uri} SIP/2.0", _with_length(self.headers, self.body), self.body)

    def __str__(self) -> str:
        """One line for a log; no body, no header that may hold a secret."""
        return f"{self.method} {self.uri}"


@dataclass(frozen=True, slots=True)
class SipResponse(_Message):
    status: int
    reason: str = ""
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @property
    def final(self) -> bool:
        return self.status >= 200

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def with_headers(self, headers: Headers) -> SipResponse:
        return replace(self, headers=headers)

    def __bytes__(self) -> bytes:
        return build(f"SIP/2.0 {self.status} {self.reason}", _with_length(self.headers, self.body), self.body)

    def __str__(self) -> str:
        return f"{self.status} {self.reason}"


SipMessage = SipRequest | SipResponse


def _with_length(headers: Headers, body: bytes) -> Headers:
    return headers.without("Content-Length").add("Content-Length", str(len(body)))


def parse_datagram(data: bytes) -> SipMessage:
    """Read one message from one UDP datagram. Raises RemoteProtocolError, nothing else.

    Forgiven, because devices do it (GB/T 28181 in the field): empty lines and NULs before the start line, line ends
    of LF or CR, blanks around Content-Length, a body shorter than Content-Length (used as it is) or longer (used up
    to Content-Length, or up to the closing MANSCDP tag when that stands further on), NULs after the body or in XML.
    Content-Length that is not a number is forgiven on UDP only (the datagram's end is the body's end).
    """
    if len(data) > MAX_UDP_BYTES:
        raise RemoteProtocolError(f"datagram of {len(data)} bytes, at most {MAX_UDP_BYTES} are read")
    message = parse_start(data.lstrip(b"\r\n\0"))
    try:
        length = content_length(message.headers)
    except RemoteProtocolError:
        if "-" in (message.headers.get("Content-Length") or ""):
            raise  # RFC 4475 §3.1.2.3: a negative length is answered 400, not guessed at
        length = None
    return replace(message, body=_trim_body(message, length))


def parse_message(data: bytes) -> SipMessage:
    """Read one whole message as the stream framer cut it: Content-Length, where it stands, must match."""
    message = parse_start(data)
    length = content_length(message.headers)
    if length is not None and length != len(message.body):
        raise RemoteProtocolError(f"Content-Length {length}, body {len(message.body)} bytes")
    return replace(message, body=_without_nuls(message, message.body))


def parse_start(data: bytes) -> SipMessage:
    """Head and whatever follows it as body. Raises RemoteProtocolError."""
    head = parse_head(data, COMPACT)
    body = data[head.size :]
    status = _STATUS_LINE.match(head.start)
    if status is not None:
        _version(status[1], status[2])
        code = int(status[3])
        if not 100 <= code <= 699:
            raise RemoteProtocolError(f"status {code} is outside 100 to 699")
        return SipResponse(code, status[4] or "", head.headers, body)
    request = _REQUEST_LINE.match(head.start)
    if request is None:
        raise RemoteProtocolError("the first line is neither request nor status line")
    if not is_token(request[1]):
        raise RemoteProtocolError("the method is not a token")
    return _request(request, head.headers, body)


def _request(line: re.Match[str], headers: Headers, body: bytes) -> SipRequest:
    _version(line[3], line[4])
    scheme, _ = split_scheme(line[2])
    if any(ch in line[2] for ch in '<>"'):
        raise RemoteProtocolError("the Request-URI is enclosed")
    if scheme in ("sip", "sips"):
        SipUri.parse(line[2])
    return SipRequest(line[1], line[2], headers, body)


def _version(major: str, minor: str) -> None:
    if (int(major), int(minor)) != (2, 0):
        raise VersionUnsupported(f"SIP/{major}.{minor}")


class VersionUnsupported(RemoteProtocolError):
    """Not SIP/2.0: answered 505 (RFC 3261 §21.5.6)."""


def content_length(headers: Headers) -> int | None:
    """Content-Length, None without one. Raises RemoteProtocolError when malformed or said twice differently."""
    lengths = {value.strip() for value in headers.all("Content-Length")}
    if not lengths:
        return None
    if len(lengths) > 1:
        raise RemoteProtocolError("Content-Length stands twice and differs")
    return bounded_int(lengths.pop(), 0, 2**31, "Content-Length")


def _trim_body(message: SipMessage, length: int | None) -> bytes:
    body = message.body
    if length is not None and length < len(body):
        closing = list(_BODY_END.finditer(body)) if "xml" in message.content_type else []
        body = body[: max(length, closing[-1].end() if closing else 0)]
    return _without_nuls(message, body)


def _without_nuls(message: SipMessage, body: bytes) -> bytes:
    if "xml" in message.content_type and not body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.replace(b"\0", b"")
    return body


def check(message: SipMessage) -> None:
    """Every header that RFC 3261 §8.1.1 asks for is there once and well formed. Raises RemoteProtocolError.

    Max-Forwards is not asked for (cheap devices leave it out) but must be a number when it stands.
    """
    for name in _ONCE:
        values = message.headers.all(name)
        if len({value.strip() for value in values}) > 1:
            raise RemoteProtocolError(f"{name} stands twice and differs")
    if not message.call_id.strip():
        raise RemoteProtocolError("Call-ID is empty")
    cseq = message.cseq
    _ = (message.from_, message.to, message.vias, message.via)
    for name in ("Route", "Record-Route"):
        for value in message.values(name):
            NameAddr.parse(value)
    if isinstance(message, SipRequest):
        # RFC 4475 §3.1.2.17 (mismatch01, mismatch02)
        if cseq.method != message.method:
            raise RemoteProtocolError(f"CSeq says {cseq.method}, the request line {message.method}")
        hops = message.headers.get("Max-Forwards")
        if hops is not None:
            bounded_int(hops, 0, 255, "Max-Forwards")
        if message.method in ("INVITE", "SUBSCRIBE", "REGISTER"):
            _ = message.contacts


def respond(
    request: SipRequest,
    status: int,
    reason: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    tag: str | None = None,
) -> SipResponse:
    """An answer with Via, From, To, Call-ID, CSeq copied as they came (RFC 3261 §8.2.6); `tag` is put on To if it
    has none. Malformed parts are copied as they are, so that a 400 can be said."""
    kept = [(k, v) for k, v in request.headers if k.lower() in ("via", "from", "to", "call-id", "cseq")]
    if 100 <= status < 300:
        kept += [(k, v) for k, v in request.headers if k.lower() == "record-route"]
    if tag is not None:
        kept = [(k, _tagged(v, tag)) if k.lower() == "to" else (k, v) for k, v in kept]
    phrase = REASON_PHRASES.get(status, "") if reason is None else reason
    return SipResponse(status, phrase, Headers(kept).extend(headers), body)


def _tagged(value: str, tag: str) -> str:
    try:
        to = NameAddr.parse(value)
    except RemoteProtocolError:
        return f"{value};tag={tag}" if ";tag=" not in value else value
    # Only the parameter is added: the rest is echoed byte for byte.
    return value if to.tag is not None else f"{value};tag={tag}"
