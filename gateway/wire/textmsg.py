"""A start line, headers and a body: the shape that SIP and RTSP share (RFC 3261 §7, RFC 7826 §5), with bounds.

Header text is decoded as UTF-8 with `surrogateescape`, so that bytes in another charset (GB 18030 display names)
come back out as they came in; `printable` makes such text fit for a log or JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.base.errors import LocalProtocolError, RemoteProtocolError

MAX_HEADERS = 256
MAX_LINE_BYTES = 8 * 1024  # one header after unfolding, and the start line
MAX_HEAD_BYTES = 64 * 1024

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+\Z")
_FOLD = re.compile(rb"[ \t]*(?:\r\n|\n|\r(?!\n))[ \t]+")
_EOL = re.compile(rb"\r\n|\n|\r")
_HEAD_END = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n")


def is_token(text: str) -> bool:
    """Whether `text` is a token (RFC 3261 §25.1): header names and methods are."""
    return _TOKEN.match(text) is not None


def printable(text: str) -> str:
    """`text` for people: bytes that were not UTF-8 shown as U+FFFD, control characters left out."""
    clean = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(ch for ch in clean if ch.isprintable())


class Headers:
    """Ordered, immutable list of (name, value); names compare without case; one name may stand several times."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items: tuple[tuple[str, str], ...] = tuple(items)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._items == other._items

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return f"Headers({list(self._items)!r})"

    def get(self, name: str) -> str | None:
        """The first value of `name`, or None."""
        low = name.lower()
        return next((value for key, value in self._items if key.lower() == low), None)

    def all(self, name: str) -> list[str]:
        """Every value of `name`, one a line, in order (not split at commas)."""
        low = name.lower()
        return [value for key, value in self._items if key.lower() == low]

    def set(self, name: str, value: str | None) -> Headers:
        """A copy in which `name` stands once, where it first stood (else last); `None` removes it."""
        low, out, done = name.lower(), [], value is None
        for key, old in self._items:
            if key.lower() != low:
                out.append((key, old))
            elif not done and value is not None:
                out.append((key, value))
                done = True
        if not done and value is not None:
            out.append((name, value))
        return Headers(out)

    def set_first(self, name: str, value: str) -> Headers:
        """A copy in which the first line of `name` reads `value`; the other lines of that name stay."""
        low = name.lower()
        for i, (key, _) in enumerate(self._items):
            if key.lower() == low:
                return Headers((*self._items[:i], (key, value), *self._items[i + 1 :]))
        return self.add(name, value)

    def add(self, name: str, value: str) -> Headers:
        """A copy with one more line at the end."""
        return Headers((*self._items, (name, value)))

    def first(self, name: str, value: str) -> Headers:
        """A copy with one more line at the front (Via, Record-Route)."""
        return Headers(((name, value), *self._items))

    def extend(self, items: Iterable[tuple[str, str]]) -> Headers:
        return Headers((*self._items, *items))

    def without(self, *names: str) -> Headers:
        low = {name.lower() for name in names}
        return Headers(item for item in self._items if item[0].lower() not in low)


@dataclass(frozen=True, slots=True)
class Head:
    """A start line and headers as read; `size` counts the bytes up to and with the empty line."""

    start: str
    headers: Headers
    size: int


def find_head_end(data: bytes | bytearray, start: int = 0) -> int | None:
    """Where the body begins: the index after the empty line, or None when there is none yet."""
    found = _HEAD_END.search(data, start)
    return None if found is None else found.end()


def parse_head(data: bytes, aliases: Mapping[str, str] | None = None) -> Head:
    """Read start line and headers from the front of `data`; without an empty line all of it is the head.

    `aliases` maps lower-case short names to the long ones (RFC 3261 §7.3.3). Line ends may be CRLF, LF or CR.
    Raises RemoteProtocolError when a limit is passed or a line is neither header nor continuation.
    """
    end = find_head_end(data)
    size = len(data) if end is None else end
    if size > MAX_HEAD_BYTES:
        raise RemoteProtocolError(f"head of {size} bytes, at most {MAX_HEAD_BYTES} are read")
    raw = data[:size].rstrip(b"\r\n")
    first_end = _EOL.search(raw)
    start_raw, rest = (raw, b"") if first_end is None else (raw[: first_end.start()], raw[first_end.end() :])
    if rest[:1] in (b" ", b"\t"):
        raise RemoteProtocolError("the start line is continued")
    lines = [start_raw, *(_EOL.split(_FOLD.sub(b" ", rest)) if rest else ())]
    if len(lines) > MAX_HEADERS + 1:
        raise RemoteProtocolError(f"{len(lines) - 1} headers, at most {MAX_HEADERS} are read")
    items: list[tuple[str, str]] = []
    for line in lines[1:]:
        items.append(_header(line, aliases or {}))
    return Head(_text(start_raw), Headers(items), size)


def _text(line: bytes) -> str:
    if len(line) > MAX_LINE_BYTES:
        raise RemoteProtocolError(f"line of {len(line)} bytes, at most {MAX_LINE_BYTES} are read")
    return line.decode("utf-8", "surrogateescape")


def _header(line: bytes, aliases: Mapping[str, str]) -> tuple[str, str]:
    name, colon, value = _text(line).partition(":")
    name = name.rstrip(" \t")
    if not colon or not is_token(name):
        raise RemoteProtocolError(f"not a header: {printable(name)[:60]!r}")
    return aliases.get(name.lower(), name), value.strip(" \t\0")


def build(start: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """The bytes of a message. Raises LocalProtocolError when a line would break out of its place."""
    lines = [start]
    for name, value in headers:
        if not is_token(name):
            raise LocalProtocolError(f"not a header name: {name!r}")
        lines.append(f"{name}: {value}")
    for line in lines:
        if "\r" in line or "\n" in line:
            raise LocalProtocolError(f"a line end inside a line: {line[:60]!r}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape") + body
