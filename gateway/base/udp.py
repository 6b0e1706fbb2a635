"""A UDP socket that knows which of our addresses a datagram hit, and answers from there.

One socket on the wildcard with IP_PKTINFO (Linux) instead of one socket per own address: an address that comes or
goes (a modem, a VPN) needs no refresh.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable

from gateway.base.errors import ConfigError

Address = tuple[str, int]

_IP_PKTINFO = 8  # linux/in.h; the socket module of 3.11 does not name it
_BATCH = 64  # datagrams taken before others get their turn
_MAX_BYTES = 65_536


class UdpSocket:
    """Bound at once; datagrams go to `on_datagram(data, remote, local)` once `open` was called.

    Sending never waits: when the kernel's queue is full the datagram is dropped and counted (SIP repeats it).
    Raises ConfigError(code="port-in-use") when the address is taken.
    """

    def __init__(self, host: str, port: int, *, receive_buffer_bytes: int = 4 * 1024 * 1024) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._v6 = family == socket.AF_INET6
        self.dropped = 0
        self.failed = 0
        try:
            if self._v6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                self._socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            self._socket.bind((host, port))
        except OSError as exc:
            self._socket.close()
            raise bind_error("udp", host, port, exc) from exc
        self.wildcard = host in ("0.0.0.0", "::", "")  # noqa: S104 - asked, not bound
        self.host: str = host
        self.port: int = self._socket.getsockname()[1]
        self._on_datagram: Callable[[bytes, Address, Address], None] | None = None

    def open(self, on_datagram: Callable[[bytes, Address, Address], None]) -> None:
        self._on_datagram = on_datagram
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            if self._on_datagram is not None:
                asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()

    def send(self, data: bytes, remote: Address, local_ip: str) -> bool:
        """Send from `local_ip`; from whatever the kernel chooses when that address is ours no more. False: dropped."""
        try:
            self._socket.sendmsg([data], self._from(local_ip), 0, remote)
        except (BlockingIOError, InterruptedError):
            self.dropped += 1
            return False
        except OSError as exc:
            if (
                exc.errno not in (errno.EINVAL, errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENETUNREACH)
                or not self.wildcard
            ):
                self.failed += 1
                return False
            try:
                self._socket.sendto(data, remote)
            except OSError:
                self.failed += 1
                return False
        return True

    def source_for(self, remote: Address) -> str:
        """Our address that the kernel would use towards `remote`; raises OSError when there is no route."""
        if not self.wildcard:
            return self.host
        with socket.socket(self._socket.family, socket.SOCK_DGRAM) as probe:
            probe.connect(remote)  # sends nothing
            return str(probe.getsockname()[0])

    def _from(self, local_ip: str) -> list[tuple[int, int, bytes]]:
        if not self.wildcard:
            return []
        if self._v6:
            packed = socket.inet_pton(socket.AF_INET6, local_ip) + struct.pack("=I", 0)
            return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, packed)]
        info = struct.pack("=I4s4s", 0, socket.inet_aton(local_ip), b"\0\0\0\0")
        return [(socket.IPPROTO_IP, _IP_PKTINFO, info)]

    def _readable(self) -> None:
        for _ in range(_BATCH):
            try:
                data, ancillary, _, remote = self._socket.recvmsg(_MAX_BYTES, 256)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.failed += 1  # an ICMP error of an earlier datagram; the socket lives on
                continue
            if self._on_datagram is None or self._socket.fileno() < 0:
                return
            self._on_datagram(data, (str(remote[0]), int(remote[1])), (self._hit(ancillary), self.port))
            if self._socket.fileno() < 0:
                return

    def _hit(self, ancillary: list[tuple[int, int, bytes]]) -> str:
        if not self.wildcard:
            return self.host
        for level, kind, info in ancillary:
            if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
                # ipi_spec_dst, not ipi_addr: for a broadcast it is our own address on that link.
                return socket.inet_ntoa(info[4:8])
            if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                return socket.inet_ntop(socket.AF_INET6, info[:16])
        return self.host


def bind_error(transport: str, host: str, port: int, exc: OSError) -> ConfigError:
    """What a failed bind means to a technician."""
    where = f"{transport} {host}:{port}"
    if exc.errno == errno.EADDRINUSE:
        return ConfigError("listen", f"{where} is taken by another program", code="port-in-use")
    return ConfigError("listen", f"{where} can not be opened: {exc.strerror or exc}")
