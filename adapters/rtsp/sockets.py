"""Pairs of media ports, and TCP connections that notice when their peer is gone."""

from __future__ import annotations

import socket
from contextlib import suppress

from gateway.base.errors import Busy, ConfigError
from gateway.config.units import HostPort
from gateway.contract.media import Media

_TRIES = 16
_TCP_USER_TIMEOUT_MS = 20_000


def bind(listen: HostPort, key: str) -> socket.socket:
    """A listening socket. Raises ConfigError (`port-in-use`)."""
    sock = socket.socket(
        socket.AF_INET6 if ":" in listen.host else socket.AF_INET,
        socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
    )
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((listen.host, listen.port))
        sock.listen(64)
    except OSError as exc:
        sock.close()
        raise ConfigError(key, f"TCP {listen} can not be used: {exc.strerror}", code="port-in-use") from exc
    return sock


def prepare(sock: socket.socket) -> None:
    """A peer that vanished is noticed: by bytes unanswered for 20 s, or by probes after half a minute of silence."""
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TCP_USER_TIMEOUT_MS)


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


def plain_end(fd: int) -> socket.socket:
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    return sock
