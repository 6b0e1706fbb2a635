"""What a sender or player wrote into its two fields, app and stream: a name, and what proves who it is.

rtmp://gateway/live/drone-1?key=SECRET                  rtmp://gateway/live/drone-1?user=truck&pass=SECRET
rtmp://gateway/drone-1/SECRET                           rtmp://gateway/live/SECRET
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from gateway.base.errors import RemoteProtocolError

MAX_FIELDS = 16
_USER = ("user", "username")
_PASSWORD = ("pass", "password", "pwd")
_KEY = ("key", "token", "secret")


@dataclass(frozen=True, slots=True)
class Asked:
    """`path` is without the application names that mean nothing. Nothing of it is checked but its length."""

    path: str
    user: str = ""
    password: str = field(default="", repr=False)
    key: str = field(default="", repr=False)

    @property
    def without_last(self) -> tuple[str, str]:
        """Where the last part of the path may be a stream key: what stands before it, and that part."""
        head, _, tail = self.path.rpartition("/")
        return head, tail


def asked(app: str, stream: str, apps: tuple[str, ...]) -> Asked:
    """Raises RemoteProtocolError (`bad-name`). The query may stand behind either, or behind both."""
    app, _, app_query = app.partition("?")
    name, _, query = stream.partition("?")
    # FFmpeg and VLC say "mp4:x", "flv:x" for files.
    kind, colon, rest = name.partition(":")
    if colon and kind in ("mp4", "flv", "live"):
        name = rest
    parts = [unquote(part) for part in f"{app}/{name}".split("/") if part and part != "_definst_"]
    if len(parts) > 1 and parts[0] in apps:
        parts = parts[1:]
    path = "/".join(parts)
    if not path or len(path) > 400 or any(ord(c) < 32 or ord(c) == 127 for c in path):
        raise RemoteProtocolError("the stream has no name, or one that can not be", code="bad-name")
    found = _fields(app_query) | _fields(query)

    def first(names: tuple[str, ...]) -> str:
        return next((found[n] for n in names if found.get(n)), "")

    return Asked(path, first(_USER), first(_PASSWORD), first(_KEY))


def _fields(query: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, max_num_fields=MAX_FIELDS)) if query else {}
    except ValueError:
        raise RemoteProtocolError("too many fields behind the stream's name", code="bad-name") from None
