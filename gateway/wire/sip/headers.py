"""Structured header values: name-addr, Via, CSeq, parameters, lists (RFC 3261 §7.3, §20, §25.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sip.hop import format_host
from gateway.wire.sip.uri import Params, SipUri, bounded_int, get_param, parse_hostport, split_scheme
from gateway.wire.textmsg import is_token

# RFC 3261 §20, RFC 6665 §8.2, RFC 3515, RFC 3892, RFC 4028 and the IANA list of compact forms.
COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
BRANCH_COOKIE = "z9hG4bK"

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.S)
_VIA = re.compile(r"SIP\s*/\s*2\.0\s*/\s*([A-Za-z0-9\-.!%*_+`'~]+)\s+(.+)\Z", re.S | re.I)


def split_list(value: str, separator: str = ",") -> list[str]:
    """Cut at separators that stand outside quotes and angle brackets; blanks trimmed, empty pieces left out.

    Raises RemoteProtocolError when a quote is left open.
    """
    out: list[str] = []
    start = depth = i = 0
    while i < len(value):
        ch = value[i]
        if ch == '"':
            quoted = _QUOTED.match(value, i)
            if quoted is None:
                raise RemoteProtocolError("a quoted string without end")
            i = quoted.end()
            continue
        if ch == "<":
            depth += 1
        elif ch == ">":
            depth = max(0, depth - 1)
        elif ch == separator and depth == 0:
            out.append(value[start:i].strip())
            start = i + 1
        i += 1
    out.append(value[start:].strip())
    return [piece for piece in out if piece]


def parse_params(text: str) -> Params:
    """`;name=value;flag` with or without the leading semicolon; quoted values keep their quotes."""
    out: list[tuple[str, str | None]] = []
    for piece in split_list(text, ";"):
        name, equals, value = piece.partition("=")
        name = name.strip()
        if not is_token(name):
            raise RemoteProtocolError("a parameter without a name")
        out.append((name, value.strip() if equals else None))
    return tuple(out)


def format_params(params: Params) -> str:
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params)


def set_param(params: Params, name: str, value: str | None) -> Params:
    """A copy with `name` at its old place (else last) and the new value."""
    low = name.lower()
    if all(key.lower() != low for key, _ in params):
        return (*params, (name, value))
    return tuple((key, value) if key.lower() == low else (key, old) for key, old in params)


def unquote_text(text: str) -> str:
    """A quoted-string's content; other text as it is."""
    found = _QUOTED.fullmatch(text)
    return text if found is None else re.sub(r"\\(.)", r"\1", found[1], flags=re.S)


def quote_text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class NameAddr:
    """`"display" <uri>;params`: From, To, Contact, Route and their kin. `uri` is kept as written."""

    uri: str
    display: str = ""
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> NameAddr:
        """Raises RemoteProtocolError. Without angle brackets, parameters belong to the header (RFC 3261 §20.10)."""
        text = text.strip()
        display = ""
        if text.startswith('"'):
            quoted = _QUOTED.match(text)
            if quoted is None:
                raise RemoteProtocolError("a display name without closing quote")
            display, text = unquote_text(quoted[0]), text[quoted.end() :].lstrip()
            if not text.startswith("<"):
                raise RemoteProtocolError("a display name without <address>")
        before, opened, rest = text.partition("<")
        if opened and ";" not in before:
            uri, closed, params = rest.partition(">")
            if not closed:
                raise RemoteProtocolError("an address without >")
            display = display or " ".join(before.split())
            # RFC 3261 §25.1: an unquoted display name is tokens and blanks; more is read (UTF-8 names), not these.
            if any(ch in before for ch in ',:@="'):
                raise RemoteProtocolError("a display name that needs quotes")
        else:
            uri, semicolon, params = text.partition(";")
            params = semicolon + params
            if any(ch in uri for ch in "?,"):
                raise RemoteProtocolError("a bare address with , or ? needs <>")
        params = params.strip()
        if params and not params.startswith(";"):
            raise RemoteProtocolError("text after an address")
        uri = uri.strip()
        split_scheme(uri)
        if any(ch in uri for ch in ' \t"<>'):
            raise RemoteProtocolError("blanks or quotes inside a URI")
        return cls(uri, display, parse_params(params))

    def __str__(self) -> str:
        name = f"{quote_text(self.display)} " if self.display else ""
        return f"{name}<{self.uri}>{format_params(self.params)}"

    @property
    def sip(self) -> SipUri:
        """The address as a SIP URI. Raises RemoteProtocolError for another scheme."""
        return SipUri.parse(self.uri)

    @property
    def user(self) -> str:
        """The user part with escapes undone (the 20-digit id), "" for an address without one or another scheme."""
        try:
            return self.sip.user_text
        except RemoteProtocolError:
            return ""

    @property
    def tag(self) -> str | None:
        return get_param(self.params, "tag")

    def with_tag(self, tag: str) -> NameAddr:
        return replace(self, params=set_param(self.params, "tag", tag))

    def param(self, name: str) -> str | None:
        return get_param(self.params, name)


@dataclass(frozen=True, slots=True)
class Via:
    """One Via value (RFC 3261 §20.42, rport: RFC 3581). `transport` in upper case."""

    transport: str
    host: str
    port: int | None = None
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> Via:
        found = _VIA.match(text.strip())
        if found is None:
            raise RemoteProtocolError("a Via that is not SIP/2.0")
        hostport, semicolon, params = found[2].partition(";")
        host, port = parse_hostport(hostport)
        return cls(found[1].upper(), host, port, parse_params(semicolon + params))

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {format_host(self.host)}{port}{format_params(self.params)}"

    @property
    def branch(self) -> str:
        return get_param(self.params, "branch") or ""

    def param(self, name: str) -> str | None:
        return get_param(self.params, name)

    def with_source(self, remote: tuple[str, int]) -> Via:
        """The Via as its receiver keeps it: `received` and, where asked for, `rport` filled (RFC 3581 §4).

        `received` is added whenever rport stands there or the address differs; rport's value only when asked.
        """
        params = self.params
        asked = get_param(params, "rport") is not None
        if asked:
            params = set_param(params, "rport", str(remote[1]))
        if asked or self.host.lower() != remote[0].lower():
            params = set_param(params, "received", remote[0])
        return replace(self, params=params)


@dataclass(frozen=True, slots=True)
class CSeq:
    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        parts = text.split()
        if len(parts) != 2 or not is_token(parts[1]):
            raise RemoteProtocolError("CSeq is not a number and a method")
        # RFC 3261 §8.1.1.5: below 2**31.
        return cls(bounded_int(parts[0], 0, 2**31 - 1, "CSeq"), parts[1])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"
