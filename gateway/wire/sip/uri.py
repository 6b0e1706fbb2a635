"""SIP and SIPS URIs (RFC 3261 §19.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import unquote

from gateway.base.errors import RemoteProtocolError
from gateway.wire.sip.hop import format_host

Params = tuple[tuple[str, str | None], ...]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
# RFC 3261 §25.1: user = unreserved / escaped / user-unreserved; what devices put there beside it (*, #, |, space) is
# not guessed at. Escapes must be whole.
_USER = re.compile(r"(?:[^\s<>\"@:\[\]{}\\^`%]|%[0-9A-Fa-f]{2})+\Z")
_PASSWORD = re.compile(r"(?:[^\s<>\"@:\[\]{}\\^`%]|%[0-9A-Fa-f]{2})*\Z")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9](?:[A-Za-z0-9\-_.]*))\Z")


@dataclass(frozen=True, slots=True)
class SipUri:
    """`sip:user:password@host:port;params?headers`, every part as written (escapes kept), host without brackets."""

    host: str
    user: str = ""
    port: int | None = None
    params: Params = ()
    scheme: str = "sip"
    password: str | None = None
    headers: str = ""

    @classmethod
    def parse(cls, text: str) -> SipUri:
        """Raises RemoteProtocolError for another scheme or anything that is not a SIP URI."""
        scheme, rest = split_scheme(text)
        if scheme not in ("sip", "sips"):
            raise RemoteProtocolError(f"not a SIP URI but {scheme}:")
        rest, _, headers = _partition_headers(rest)
        userinfo, at, hostpart = rest.rpartition("@")
        user, password = "", None
        if at:
            user, colon, secret = userinfo.partition(":")
            password = secret if colon else None
            if not _USER.match(user) or (password is not None and not _PASSWORD.match(password)):
                raise RemoteProtocolError("user part of a SIP URI is malformed")
        hostport, *raw_params = hostpart.split(";")
        host, port = parse_hostport(hostport)
        return cls(host, user, port, tuple(_param(p) for p in raw_params if p), scheme, password, headers)

    def __str__(self) -> str:
        secret = "" if self.password is None else f":{self.password}"
        userinfo = f"{self.user}{secret}@" if self.user else ""
        port = "" if self.port is None else f":{self.port}"
        params = "".join(f";{k}" if v is None else f";{k}={v}" for k, v in self.params)
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{userinfo}{format_host(self.host)}{port}{params}{headers}"

    def param(self, name: str) -> str | None:
        """The value of a parameter; "" for one without value, None when it is not there."""
        return get_param(self.params, name)

    def with_params(self, **params: str | None) -> SipUri:
        """A copy with parameters added or replaced (`lr=None` is a flag)."""
        kept = tuple(p for p in self.params if p[0].lower() not in params)
        return replace(self, params=kept + tuple(params.items()))

    @property
    def user_text(self) -> str:
        """The user part with its escapes undone: the device id in GB/T 28181."""
        return unquote(self.user, errors="replace")

    @property
    def loose_router(self) -> bool:
        return self.param("lr") is not None

    @property
    def transport(self) -> str | None:
        found = self.param("transport")
        return found.lower() if found else None

    def same_as(self, other: SipUri) -> bool:
        """Whether both name the same resource (RFC 3261 §19.1.4)."""
        if (self.scheme, unquote(self.user), self.password, self.host.lower(), self.port) != (
            other.scheme,
            unquote(other.user),
            other.password,
            other.host.lower(),
            other.port,
        ):
            return False
        mine = {k.lower(): (v or "").lower() for k, v in self.params}
        theirs = {k.lower(): (v or "").lower() for k, v in other.params}
        if any(mine[k] != theirs[k] for k in mine.keys() & theirs.keys()):
            return False
        if any((k in mine) != (k in theirs) for k in ("user", "ttl", "method", "maddr")):
            return False
        return sorted(self.headers.lower().split("&")) == sorted(other.headers.lower().split("&"))


def split_scheme(text: str) -> tuple[str, str]:
    """`(scheme in lower case, the rest)` of any absolute URI. Raises RemoteProtocolError when there is no scheme."""
    found = _SCHEME.match(text)
    if found is None:
        raise RemoteProtocolError("a URI without a scheme")
    return found[1].lower(), text[found.end() :]


def parse_hostport(text: str) -> tuple[str, int | None]:
    """`host[:port]`; blanks around are forgiven. Raises RemoteProtocolError."""
    text = text.strip()
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        host, port_text = host + bracket, rest.removeprefix(":") if rest.startswith(":") else rest
        has_port = rest.startswith(":")
        if rest and not has_port:
            raise RemoteProtocolError("text after an IPv6 address")
    else:
        host, colon, port_text = text.partition(":")
        host, port_text, has_port = host.strip(), port_text.strip(), bool(colon)
    if not _HOST.match(host):
        raise RemoteProtocolError("host is empty or malformed")
    port: int | None = None
    if has_port:
        port = bounded_int(port_text, 0, 65535, "port")
    return host.strip("[]"), port


def bounded_int(text: str, low: int, high: int, what: str) -> int:
    """A decimal number in ASCII digits between `low` and `high`. Raises RemoteProtocolError."""
    text = text.strip()
    if not text.isascii() or not text.isdigit() or len(text) > 12 or not low <= int(text) <= high:
        raise RemoteProtocolError(f"{what} is not a number from {low} to {high}")
    return int(text)


def get_param(params: Params, name: str) -> str | None:
    low = name.lower()
    return next((value or "" for key, value in params if key.lower() == low), None)


def _param(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    return name.strip(), value.strip() if equals else None


def _partition_headers(text: str) -> tuple[str, str, str]:
    """Cut at the `?` that opens the headers: the first one after the host (the user part may hold one)."""
    at = text.rfind("@")
    mark = text.find("?", at + 1)
    return (text, "", "") if mark < 0 else (text[:mark], "?", text[mark + 1 :])
