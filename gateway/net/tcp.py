"""TCP connections that the media plane will have: listening, a peer that is gone is noticed, the plain end of TLS."""

from __future__ import annotations

import socket
from contextlib import suppress

from gateway import codecs
from gateway.base.errors import ConfigError, LinkDown
from gateway.base.url import SourceUrl
from gateway.config.units import HostPort

_BACKLOG = 64
_TCP_USER_TIMEOUT_MS = 20_000


def bind(listen: HostPort, key: str) -> socket.socket:
    """A listening socket. Raises ConfigError (`port-in-use`) of that key."""
    sock = socket.socket(
        socket.AF_INET6 if ":" in listen.host else socket.AF_INET,
        socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
    )
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((listen.host, listen.port))
        sock.listen(_BACKLOG)
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


def plain_end(fd: int) -> socket.socket:
    """Our end of what the media plane ciphers (`tls_server`, `tls_client`)."""
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    return sock


def cipher(engine: codecs.Engine, url: SourceUrl, sock: socket.socket) -> socket.socket:
    """The plain end of TLS to the URL's host. `#verify=0`: any certificate, for a device or server in the kit's own
    network. Raises LinkDown (`tls-failed`)."""
    verify = url.options.get("verify", "1") not in ("0", "no", "false")
    try:
        return plain_end(engine.tls_client(sock.detach(), url.host, verify=verify))
    except codecs.MediaError as exc:
        raise LinkDown(f"TLS to {url}: {exc}", code="tls-failed") from exc
