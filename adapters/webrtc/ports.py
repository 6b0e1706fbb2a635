"""The UDP sockets of all viewers: one per own address, all on one port number, owned by the media plane. At a center
that port is the kits' too (`gateway.net.one_port`): then one socket stands for all addresses that it is bound to.

An address that comes (a cable, a modem, a VPN) gets its socket at the next `refresh`; one that goes loses it. The
loopback address is always there, for a browser on the kit itself.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from adapters.webrtc.offer import LocalCandidate
from gateway import codecs
from gateway.base.errors import ConfigError, LinkDown
from gateway.net.one_port import Lane

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
MAX_PORTS = 16
_ANY = ("0.0.0.0", "::")  # noqa: S104
BUFFER_BYTES = 4 << 20  # a key frame to many viewers must not fill it; the kernel caps it at net.core.*mem_max


@dataclass(frozen=True, slots=True)
class LocalPort:
    """One socket of the media plane. `priority` is the ICE priority of its host candidate (RFC 8445 §5.1.2); `also` are
    other addresses of ours that lead to it, each told as a host candidate of less priority."""

    handle: int
    host: str
    port: int
    priority: int
    also: tuple[str, ...] = ()

    @property
    def is_loopback(self) -> bool:
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def version(self) -> int:
        return ipaddress.ip_address(self.host).version


def usable_address(text: str) -> bool:
    """True for an address that a browser can be told: link-local IPv6 needs a scope, which SDP can not carry."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if address.is_multicast or address.is_unspecified:
        return False
    return not (address.version == 6 and (address.is_link_local or address.is_loopback))


def bind_udp(host: str, port: int) -> socket.socket:
    """A bound, non-blocking UDP socket with large buffers. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        raise_buffers(made)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


def raise_buffers(sock: socket.socket) -> None:
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)


class Ports:
    def __init__(
        self,
        engine: codecs.Engine,
        port: int,
        fixed: Sequence[str],
        addresses: Callable[[], Sequence[str]],
        shared: Callable[[Lane, int], socket.socket | None] = lambda _lane, _port: None,
    ) -> None:
        self._engine = engine
        self._port = port
        self._fixed = tuple(fixed)
        self._addresses = addresses
        self._shared = shared
        self._lane: LocalPort | None = None
        """The socket of the shared port."""
        self._bound_to = ""
        self._open: dict[str, LocalPort] = {}
        self._failed: dict[str, str] = {}
        self._made = 0

    @property
    def all(self) -> tuple[LocalPort, ...]:
        """The open ports, the preferred first."""
        lane = [self._lane] if self._lane is not None else []
        return tuple(sorted([*lane, *self._open.values()], key=lambda one: -one.priority))

    def wanted(self) -> list[str]:
        if self._fixed:
            return list(self._fixed)
        own = [one for one in dict.fromkeys(self._addresses()) if usable_address(one) and one != LOOPBACK]
        return [*own[: MAX_PORTS - 1], LOOPBACK]

    def refresh(self) -> bool:
        """Open and close sockets so that they fit the addresses of now. True when something changed.

        Raises ConfigError (`port-in-use`) when the port is taken, LinkDown when no address could be bound.
        """
        wanted = self.wanted()
        moved = self._share(wanted)
        wanted = [host for host in wanted if not self._covered(host)]
        gone = [self._open[host] for host in self._open if host not in wanted]
        for one in gone:
            del self._open[one.host]
            self._engine.close_port(one.handle)
            log.info("WebRTC leaves %s:%d", one.host, one.port)
        new = [host for host in wanted if host not in self._open]
        opened = [self._bind(host) for host in new]
        if not self._open and self._lane is None:
            raise LinkDown(f"no own address could be bound for WebRTC: {self._failed}", code="link-down")
        return moved or bool(gone) or any(opened)

    def _share(self, wanted: Sequence[str]) -> bool:
        """Take the shared port, if ours is one, and the addresses of now as its own."""
        if self._lane is None:
            if self._open or (sock := self._take()) is None:
                return False
            self._bound_to, number = sock.getsockname()[:2]
            raise_buffers(sock)
            self._lane = LocalPort(self._engine.open_port(sock.detach()), LOOPBACK, number, (126 << 24) + 255)
            log.info("WebRTC shares UDP port %d with the link bundle", number)
        told = [host for host in wanted if self._covered(host)] or [LOOPBACK]
        if self._bound_to not in _ANY:
            told = [self._bound_to]
        local = 1 if ipaddress.ip_address(told[0]).is_loopback else 65535
        before = self._lane
        self._lane = replace(before, host=told[0], also=tuple(told[1:]), priority=(126 << 24) + (local << 8) + 255)
        return self._lane != before

    def _take(self) -> socket.socket | None:
        try:
            return self._shared(Lane.BROWSERS, self._port)
        except OSError as exc:
            text = f"UDP port {self._port} can not be shared with kits: {exc.strerror}"
            raise ConfigError("port", text, code="port-in-use") from exc

    def _covered(self, host: str) -> bool:
        """Whether what comes to this address comes to the shared socket."""
        if self._lane is None:
            return False
        return self._bound_to in (host, "::") or (self._bound_to == "0.0.0.0" and ":" not in host)  # noqa: S104

    def _bind(self, host: str) -> bool:
        try:
            bound = bind_udp(host, self._port)
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                raise ConfigError("port", f"UDP {host}:{self._port} is in use", code="port-in-use") from exc
            # An address may vanish between being listed and being bound; said once, tried again at each refresh.
            if self._failed.get(host) != str(exc):
                log.warning("WebRTC can not use %s: %s", host, exc)
                self._failed[host] = str(exc)
            return False
        self._failed.pop(host, None)
        number = bound.getsockname()[1]
        self._made += 1
        local = 1 if ipaddress.ip_address(host).is_loopback else max(2, 65535 - self._made)
        priority = (126 << 24) + (local << 8) + 255
        self._open[host] = LocalPort(self._engine.open_port(bound.detach()), host, number, priority)
        log.info("WebRTC listens on %s:%d", host, number)
        return True

    def close(self) -> None:
        for one in self._open.values():
            self._engine.close_port(one.handle)
        self._open.clear()
        if self._lane is not None:
            self._engine.close_port(self._lane.handle)
            self._lane = None


def choose_ports(ports: Sequence[LocalPort], viewer: str) -> list[LocalPort]:
    """Those worth telling a viewer at address `viewer` ("": unknown). Loopback is told only to this machine itself."""
    own = {host for one in ports for host in (one.host, *one.also)}
    try:
        here = viewer in own or ipaddress.ip_address(viewer).is_loopback
    except ValueError:
        here = True
    chosen = list(ports)
    if not here:
        outer = (replace(one, also=tuple(host for host in one.also if host != LOOPBACK)) for one in ports)
        chosen = [one for one in outer if not one.is_loopback]
    return chosen or list(ports)


def local_candidates(
    ports: Sequence[LocalPort], public_address: str, mapped: Mapping[int, tuple[str, int]]
) -> tuple[LocalCandidate, ...]:
    """Host candidates, and server-reflexive ones: the address that a 1:1 NAT shows, and those a STUN server saw."""
    told = [LocalCandidate(one.host, one.port, one.priority) for one in ports]
    for one in ports:
        for number, host in enumerate(one.also, 1):
            told.append(LocalCandidate(host, one.port, one.priority - (number << 8)))
    outer = {(one.host, one.port): mapped[one.handle] for one in ports if one.handle in mapped}
    if public_address:
        version = ipaddress.ip_address(public_address).version
        inner = next((one for one in ports if one.version == version and not one.is_loopback), None)
        if inner is not None:
            outer[inner.host, inner.port] = (public_address, inner.port)
    known = {(one.host, one.port) for one in told}
    for number, (related, (host, port)) in enumerate(outer.items()):
        if (host, port) not in known:
            known.add((host, port))
            told.append(LocalCandidate(host, port, (100 << 24) + ((65535 - number) << 8) + 255, related))
    return tuple(told)
