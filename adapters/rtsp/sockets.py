"""Pairs of media ports, and the way to them."""

from __future__ import annotations

import socket
from contextlib import suppress

from gateway.base.errors import Busy
from gateway.contract.media import Media

_TRIES = 16


def media_pair(media: Media, host: str) -> tuple[socket.socket, socket.socket]:
    """An even UDP port and the one above it (RFC 3550 §11), at the address of `host` of ours. Raises Busy
    (`ports-exhausted`)."""
    for _ in range(_TRIES):
        rtp, tcp = media.bind_rtp_pair(host)
        tcp.close()
        rtcp = socket.socket(rtp.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        with suppress(OSError):
            rtcp.bind((rtp.getsockname()[0], rtp.getsockname()[1] + 1))
            return rtp, rtcp
        rtcp.close()
        rtp.close()
    raise Busy(f"no pair of media ports is free at {host}", code="ports-exhausted")


def open_way(sock: socket.socket, host: str, port: int) -> None:
    """A packet out, so that firewalls between let the others in: an empty receiver report, which all understand."""
    with suppress(OSError):
        sock.sendto(b"\x80\xc9\x00\x01\x00\x00\x00\x00", (host, port))
