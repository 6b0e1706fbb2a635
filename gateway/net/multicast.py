"""Multicast on every interface: asking a group and hearing who answers, on asyncio. IPv4; IPv6 answers come over it.

One socket listens on the group's port, joined on each interface; one more an interface asks from, so that unicast
answers come back and it is known where they came in. Interfaces are looked at when it is opened: open it anew for each
search.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.base.errors import LinkDown

log = logging.getLogger(__name__)

Heard = Callable[[bytes, str, int, str], None]
"""(data, sender's address, sender's port, interface or "")."""

_SIOCGIFFLAGS, _SIOCGIFADDR = 0x8913, 0x8915
_IFF_UP, _IFF_LOOPBACK, _IFF_MULTICAST = 0x1, 0x8, 0x1000
_IP_MULTICAST_ALL = 49  # linux/in.h
_BATCH = 64
MAX_DATAGRAM = 65_536


@dataclass(frozen=True, slots=True)
class Interface:
    index: int
    name: str
    address: str  # its first IPv4 address


def interfaces(*, loopback: bool = False) -> Sequence[Interface]:
    """Those that are up, have an IPv4 address and know multicast; with `loopback` lo as well."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for index, name in socket.if_nameindex():
            request = struct.pack("16s240x", name.encode()[:15])
            try:
                answer = fcntl.ioctl(asked, _SIOCGIFFLAGS, request)
                (flags,) = struct.unpack_from("=h", answer, 16)
                flags &= 0xFFFF
                if not flags & _IFF_UP:
                    continue
                if flags & _IFF_LOOPBACK:
                    if not loopback:
                        continue
                elif not flags & _IFF_MULTICAST:
                    continue
                address = socket.inet_ntoa(fcntl.ioctl(asked, _SIOCGIFADDR, request)[20:24])
            except OSError:
                continue  # gone meanwhile, or without an IPv4 address
            found.append(Interface(index, name, address))
    return found


class Group:
    """`heard` is called on the loop for every datagram, from the listening socket and the asking ones alike."""

    def __init__(
        self,
        group: str,
        port: int,
        heard: Heard,
        *,
        listen: bool = True,
        ask_from_port: bool = False,
        on: Sequence[Interface] | None = None,
    ) -> None:
        """`listen`: hear what is said to the group; where its port is taken exclusively, only answers are heard
        (`deaf`). `ask_from_port`: ask from the group's port (mDNS: answers come to the group then)."""
        self._group, self._port, self._heard = group, port, heard
        self._listener: socket.socket | None = None
        self._asking: list[tuple[Interface, socket.socket]] = []
        self.deaf = ""
        self.interfaces = list(interfaces() if on is None else on)
        if not self.interfaces:
            raise LinkDown("no network with multicast is up", code="discovery-port")
        try:
            if listen:
                self._listener = self._listen()
            for interface in self.interfaces:
                self._asking.append((interface, self._asker(interface, port if ask_from_port else 0)))
        except OSError as exc:
            self.close()
            raise LinkDown(f"UDP {group}:{port}: {exc.strerror}", code="discovery-port") from exc
        except BaseException:
            self.close()
            raise
        loop = asyncio.get_running_loop()
        if self._listener is not None:
            loop.add_reader(self._listener, self._readable, self._listener, "")
        for interface, asker in self._asking:
            loop.add_reader(asker, self._readable, asker, interface.name)

    def ask(self, data: bytes) -> int:
        """Send to the group on every interface; returns on how many it left."""
        return sum(self._send(asker, data, self._group, self._port) for _, asker in self._asking)

    def tell(self, data: bytes, host: str, port: int) -> bool:
        """Ask one host directly."""
        return bool(self._asking) and self._send(self._asking[0][1], data, host, port)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for opened in (self._listener, *(asker for _, asker in self._asking)):
            if opened is not None and opened.fileno() >= 0:
                loop.remove_reader(opened)
                opened.close()
        self._asking.clear()
        self._listener = None

    # — within —

    def _listen(self) -> socket.socket | None:
        made = _udp()
        try:
            # Bound to the group: what is said to the port alone is not for us.
            made.bind((self._group, self._port))
            made.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            joined = 0
            for interface in self.interfaces:
                member = struct.pack("=4s4si", socket.inet_aton(self._group), b"\0\0\0\0", interface.index)
                try:
                    made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
                    joined += 1
                except OSError as exc:
                    self.deaf = f"{interface.name}: {exc.strerror}"
            if joined:
                self.deaf = ""
        except OSError as exc:
            made.close()
            if exc.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
                raise
            self.deaf = exc.strerror or "taken"
            return None
        return made

    def _asker(self, interface: Interface, port: int) -> socket.socket:
        made = _udp()
        try:
            made.bind(("" if port else interface.address, port))
            member = struct.pack("=4s4si", b"\0\0\0\0", socket.inet_aton(interface.address), interface.index)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
            # RFC 6762 §11: 255; the others are content with a small one, none leaves the link.
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255 if port else 2)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
            made.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        except OSError:
            made.close()
            raise
        return made

    def _send(self, asker: socket.socket, data: bytes, host: str, port: int) -> bool:
        try:
            asker.sendto(data, (host, port))
        except OSError as exc:  # no route on this interface, or it went down
            log.debug("asking %s:%d: %s", host, port, exc)
            return False
        return True

    def _readable(self, from_: socket.socket, interface: str) -> None:
        for _ in range(_BATCH):
            try:
                data, sender = from_.recvfrom(MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of something we asked
            self._heard(data, sender[0], sender[1], interface)


def _udp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    # Shared by this option alone. With SO_REUSEPORT Linux (seen on 6.18) may hand a group's datagram to another socket
    # of that port and user that has not joined on that link, and to no other: a network plugged in later was not heard.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
    return made
