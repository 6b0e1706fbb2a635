"""URLs of sources and pushes, taken apart and checked in one place (RFC 3986); and how they may be shown.

What is after `?` stays with the path and belongs to the far side; what is after `#` is for us: options, as in
`rtsp://camera/1#transport=udp`. Credentials are unquoted, and no text that is made of a URL contains them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from gateway.base.errors import RemoteProtocolError

MAX_CHARACTERS = 2048
MAX_OPTIONS = 16
WITHOUT_HOST = frozenset({"v4l2", "alsa"})
"""Schemes of this machine's own things: `v4l2:/dev/video0`."""
LISTENING = frozenset({"srt", "udp", "rtp", "rtmp"})
"""Schemes that may wait for whoever comes: `udp://:5000`."""
KEY_IN_PATH = frozenset({"rtmp", "rtmps"})

_WORDS = ("token", "key", "secret", "password", "passwd", "passphrase", "pass", "pwd", "psw", "signature", "sign")
SECRET_NAMES = f"(?:access_?|auth_?|stream_?|tx_?)?(?:{'|'.join(_WORDS)})"
"""Of values that nobody may read, as a regular expression."""
# Recorders of many brands (XiongMai): /user=admin_password=SECRET_channel=1_stream=0.sdp; values may be in `%` too.
_IN_PATH = re.compile(rf"((?:{SECRET_NAMES})(?:=|%3D))(?:(?!_[A-Za-z]{{1,32}}(?:=|%3D)|%26|%2F)[^/&;,])+", re.I)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,31}")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})")
_ADDRESS6 = re.compile(r"[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9._-]{1,15})?")
# An "@" and an address behind the host: a password with "/", "#" or "?" was cut there, and its rest would be shown.
_CUT = re.compile(r"@(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[A-Za-z0-9._-]+:[0-9]{1,5})(?=[:/?#]|$)")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]")
_ENCODE = "in a password @ : / ? # and % are written percent-encoded, as p%40ss for p@ss"


@dataclass(frozen=True, slots=True, repr=False)
class SourceUrl:
    """A URL taken apart by `urlsplit`; user and password are unquoted and never in `str()`."""

    scheme: str
    host: str
    port: int  # 0: the scheme's own
    path: str  # with its query, "" or beginning with "/"
    user: str = ""
    password: str = ""
    options: Mapping[str, str] = field(default_factory=dict)  # of the fragment: #transport=udp&program=2
    trusted: bool = False  # a technician wrote it: hand it on to `Reach`, which then allows private networks

    def __str__(self) -> str:
        path = _IN_PATH.sub(r"\1…", self.path.partition("?")[0])
        if not self.host and self.scheme in WITHOUT_HOST:
            return f"{self.scheme}:{path}"
        where = f"[{self.host}]" if ":" in self.host else self.host
        if self.scheme in KEY_IN_PATH and path.count("/") > 1:
            # rtmp://host/app/key: the key is all the password there is.
            path = f"/{path.split('/')[1]}/…"
        return f"{self.scheme}://{where}{f':{self.port}' if self.port else ''}{path}"

    def __repr__(self) -> str:
        return f"SourceUrl({self})"


def parse_url(text: str, *, trusted: bool = False) -> SourceUrl:
    """Raises RemoteProtocolError (`bad-url`); its words never repeat the URL, which may hold a password."""
    if len(text) > MAX_CHARACTERS:
        raise _bad(f"it is longer than {MAX_CHARACTERS} characters")
    if _CONTROL.search(text):
        raise _bad("there are spaces or control characters in it")
    try:
        parts = urlsplit(text)
        port = parts.port or 0
        host = parts.hostname or ""
    except ValueError as exc:
        cut = "@" in re.split(r"[/?#]", text.partition("://")[2], maxsplit=1)[-1]
        raise _bad(_ENCODE if cut else "its port or its IPv6 address is not well-formed") from exc
    if not _SCHEME.fullmatch(parts.scheme):
        raise _bad("it does not begin with a scheme, as in rtsp://")
    if parts.netloc and "://" not in (rest := text.partition(parts.netloc)[2]) and _CUT.search(rest):
        raise _bad(_ENCODE)
    if parts.scheme in WITHOUT_HOST:
        if parts.netloc or not parts.path:
            raise _bad(f"write it as {parts.scheme}:/path")
    elif not host:
        if not (parts.scheme in LISTENING and port):
            raise _bad("it names no host")
    elif not (_ADDRESS6 if ":" in host else _HOST).fullmatch(host) or ".." in host:
        raise _bad("its host is no name and no address")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    if path and not path.startswith("/"):
        path = path if parts.scheme in WITHOUT_HOST else f"/{path}"
    for name, value in (("user", user), ("password", password), ("path", unquote(path))):
        if _CONTROL.search(value.replace(" ", "")):
            raise _bad(f"there are control characters in its {name}")
    return SourceUrl(parts.scheme, host, port, path, user, password, _options(parts.fragment), trusted)


def shown_url(text: str) -> str:
    """For people, logs and records: without credentials, query and options."""
    try:
        return str(parse_url(text))
    except RemoteProtocolError:
        return f"{text.partition(':')[0][:32]}:…" if ":" in text else "…"


def _options(fragment: str) -> Mapping[str, str]:
    if not fragment:
        return {}
    try:
        return dict(parse_qsl(fragment, keep_blank_values=True, strict_parsing=True, max_num_fields=MAX_OPTIONS))
    except ValueError as exc:
        raise _bad("after # there are options, as in #transport=udp&program=2") from exc


def _bad(why: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"not a URL that can be used: {why}", code="bad-url")
