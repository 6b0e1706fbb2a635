"""One UDP port for two who read different datagrams: the link bundle of kits, and browsers (WebRTC).

Two sockets on one address and port (SO_REUSEPORT), and a filter in the kernel that gives each datagram to the one whose
it is by its first bytes, as RFC 7983 tells STUN, DTLS and RTP apart. So nothing passes through the other's thread, and
a firewall opens one port. The rule, which `codecs/src/bundle/wire.rs` keeps to:

- 0x40 to 0x7f: the bundle (Data, Retry, Reset); nothing of WebRTC begins so where no TURN server is.
- 0x10 to 0x1f, 1200 bytes or more, the second byte not 0xfe: the bundle (Init). A DTLS record has its version there.
- all else: browsers.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Callable
from enum import IntEnum

from gateway.base.errors import ConfigError
from gateway.config.units import HostPort

LEAST_INIT = 1200
_DTLS_VERSION = 0xFE
_SO_ATTACH_REUSEPORT_CBPF = 51


class Lane(IntEnum):
    """Whose datagrams: the place of its socket in the kernel's list, which is the order of binding."""

    BUNDLE = 0
    BROWSERS = 1


class OnePort:
    """Makes both sockets when the first is asked for, and keeps them: so the kernel's list stays as it is while an
    adapter comes and goes. What comes meanwhile waits in its buffer, and is lost when that is full."""

    def __init__(self, at: Callable[[], HostPort | None]) -> None:
        """`at`: the address that is shared by the configuration now in force; None: none is."""
        self._at = at
        self._made: dict[HostPort, tuple[socket.socket, socket.socket]] = {}

    def take(self, lane: Lane, port: int) -> socket.socket | None:
        """The lane's socket, non-blocking, the caller's to close; None: this port is not shared. Raises OSError, and
        ConfigError (`port-not-shared`) where the kernel has no such filter."""
        at = self._at()
        if at is None or not port or at.port != port:
            return None
        if at not in self._made:
            self._made[at] = _pair(at)
        return self._made[at][lane].dup()

    def close(self) -> None:
        for pair in self._made.values():
            for one in pair:
                one.close()
        self._made.clear()


def _pair(at: HostPort) -> tuple[socket.socket, socket.socket]:
    # Whoever asks for SO_REUSEPORT is let in beside another process of the same user: first see that there is none.
    _bound(at, shared=False).close()
    made: list[socket.socket] = []
    try:
        made.append(_bound(at, shared=True))
        _attach(made[0])
        made.append(_bound(at, shared=True))
    except BaseException:
        for one in made:
            one.close()
        raise
    return made[0], made[1]


def _bound(at: HostPort, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if at.host == "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((at.host, at.port))
    except BaseException:
        sock.close()
        raise
    return sock


def _attach(sock: socket.socket) -> None:
    program = b"".join(struct.pack("=HBBI", *step) for step in _rule())
    held = ctypes.create_string_buffer(program, len(program))
    try:
        # struct sock_fprog: the number of steps, and where they are.
        told = struct.pack("@HP", len(program) // 8, ctypes.addressof(held))
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, told)
    except OSError as exc:
        text = f"this kernel does not tell apart what comes to one UDP port ({exc.strerror})"
        raise ConfigError("adapter.webrtc.port", text, code="port-not-shared") from exc


def _rule() -> list[tuple[int, int, int, int]]:
    """Classic BPF: (code, jump if true, jump if false, constant). The datagram begins at the UDP payload."""
    load_byte, load_length, at_least, equal, answer = 0x30, 0x80, 0x35, 0x15, 0x06
    return [
        (load_byte, 0, 0, 0),
        (at_least, 7, 0, 0x80),  # 1: RTP, RTCP → browsers
        (at_least, 7, 0, 0x40),  # 2: → bundle
        (at_least, 5, 0, 0x20),  # 3: DTLS → browsers
        (at_least, 0, 4, 0x10),  # 4: below: STUN → browsers
        (load_length, 0, 0, 0),
        (at_least, 0, 2, LEAST_INIT),  # 6
        (load_byte, 0, 0, 1),
        (equal, 0, 1, _DTLS_VERSION),  # 8
        (answer, 0, 0, Lane.BROWSERS),
        (answer, 0, 0, Lane.BUNDLE),
    ]
