"""Whom datagrams of a server are taken from: UDP ports are guessed and scanned, so what comes first proves nothing."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from gateway.base.errors import RemoteProtocolError
from gateway.base.url import SourceUrl
from gateway.wire.rtsp import Transport


class Origin(NamedTuple):
    hosts: tuple[str, ...] = ()
    """IP addresses; none: anybody."""
    ports: tuple[int, int] = (0, 0)
    """Of RTP and RTCP; 0: any."""


def origin_of(url: SourceUrl, peer: str, answer: Transport) -> Origin:
    """`peer` is the server's address on the connection. `#from=host` takes any port of it, `#from=any` anybody. Raises
    RemoteProtocolError (`bad-url`)."""
    wish = url.options.get("from", "server").lower()
    if wish == "any":
        return Origin()
    if wish not in ("server", "host"):
        raise RemoteProtocolError("#from= is server, host or any", code="bad-url")
    hosts = (peer, *_address(answer.source))
    # A group is sent to from whatever port.
    return Origin(hosts, (0, 0) if wish == "host" or answer.multicast else answer.server_port)


def _address(text: str) -> tuple[str, ...]:
    """RFC 2326 §12.39: what streams from elsewhere than it is controlled may say so; some say a name or 0.0.0.0."""
    try:
        found = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return ()
    return () if found.is_unspecified else (str(found).partition("%")[0],)
