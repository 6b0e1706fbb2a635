"""Where a track is set up: a=control against the base of the description (RFC 2326 §C.1.1), as servers mean it."""

from __future__ import annotations

from urllib.parse import urlsplit

MAX_URI = 2048


def join_control(base: str, control: str | None) -> str:
    """The URI of a track, or of the whole with "*" or nothing.

    Relative ones are put behind the base with a slash, after its query too: it is what devices that say
    `…?channel=1&subtype=0` as base and `trackID=0` as control expect, whatever RFC 3986 makes of it.
    """
    control = (control or "").strip()
    if control in ("", "*"):
        return base[:MAX_URI]
    if control.lower().startswith(("rtsp://", "rtsps://", "rtspu://")):
        return control[:MAX_URI]
    if control.startswith("/"):
        parts = urlsplit(base)
        return f"{parts.scheme}://{parts.netloc}{control}"[:MAX_URI]
    return f"{base}{'' if base.endswith('/') else '/'}{control}"[:MAX_URI]


def track_of(uri: str, controls: list[str]) -> int | None:
    """Which of the (whole) control URIs a SETUP means: the same text, else the same end."""
    wanted = _plain(uri)
    for index, control in enumerate(controls):
        if _plain(control) == wanted:
            return index
    last = wanted.rpartition("/")[2]
    ends = [index for index, control in enumerate(controls) if _plain(control).rpartition("/")[2] == last]
    return ends[0] if len(ends) == 1 and last else None


def _plain(uri: str) -> str:
    """Without scheme, host and last slash: gateways between change those."""
    rest = uri.partition("://")[2] or uri
    return rest.partition("/")[2].rstrip("/")
