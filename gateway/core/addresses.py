"""This machine's own IP addresses, as the kernel has them now: a kit's links come and go.

They are asked for every few seconds and seldom change, so what was read is kept until the kernel tells of a change."""

from __future__ import annotations

import atexit
import socket
import struct
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from threading import Lock

# RFC 3549 §2.3, linux/rtnetlink.h
_RTM_GETADDR, _RTM_NEWADDR, _NLMSG_DONE, _NLMSG_ERROR = 22, 20, 3, 2
_NLM_F_REQUEST_DUMP = 0x301
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_IFA_F_TENTATIVE, _IFA_F_DEPRECATED, _IFA_F_DADFAILED = 0x40, 0x20, 0x08
_RTMGRP_IPV4_IFADDR, _RTMGRP_IPV6_IFADDR = 0x10, 0x100


def own_addresses() -> Sequence[str]:
    """IPv4 first, then global IPv6; loopback only when there is no other. Empty never."""
    return _outer(tuple(all_addresses()))


@lru_cache(8)
def _outer(addresses: tuple[str, ...]) -> Sequence[str]:
    """They seldom change, and are asked for every few seconds."""
    found = [address for address in addresses if not ip_address(address).is_link_local]
    outer = [address for address in found if not ip_address(address).is_loopback]
    return tuple(sorted(outer, key=lambda a: ":" in a)) or ("127.0.0.1",)


class _Kept:
    """Addresses that were read, and the socket on which the kernel tells of every change of them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._changes: socket.socket | None = None
        self._addresses: tuple[str, ...] = ()

    def now(self) -> tuple[str, ...]:
        with self._lock:
            # Heard before they are read: a change in between is found the next time.
            if self._changed():
                self._addresses = tuple(_read())
            return self._addresses

    def close(self) -> None:
        """The process ends: whatever is asked later is read anew."""
        with self._lock:
            if self._changes is not None:
                self._changes.close()
                self._changes = None

    def _changed(self) -> bool:
        """All that was told is taken: one reading answers it. True as well where the kernel tells nothing."""
        changed = self._changes is None
        try:
            self._changes = self._changes or _changes()
            while True:
                self._changes.recv(65536)
                changed = True
        except BlockingIOError:
            return changed
        except OSError:  # more was told than fits, or this kernel has no such thing
            return True


_kept = _Kept()
atexit.register(_kept.close)


def all_addresses() -> Sequence[str]:
    """Loopback and link-local ones as well."""
    return _kept.now()


def _changes() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    sock.setblocking(False)
    sock.bind((0, _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR))
    return sock


def _read() -> Sequence[str]:
    found: list[str] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as sock:
        sock.settimeout(1.0)
        # struct nlmsghdr, struct ifaddrmsg
        sock.send(
            struct.pack("=IHHII", 24, _RTM_GETADDR, _NLM_F_REQUEST_DUMP, 1, 0) + struct.pack("=BBBBI", 0, 0, 0, 0, 0)
        )
        while True:
            data = sock.recv(65536)
            at = 0
            while at + 16 <= len(data):
                length, kind = struct.unpack_from("=IH", data, at)
                if kind in (_NLMSG_DONE, _NLMSG_ERROR) or length < 16:
                    return found
                if kind == _RTM_NEWADDR and (address := _address(data[at + 16 : at + length])):
                    found.append(address)
                at += (length + 3) & ~3


def _address(message: bytes) -> str | None:
    family, _prefix, flags, _scope, _index = struct.unpack_from("=BBBBI", message)
    attributes: dict[int, bytes] = {}
    at = 8
    while at + 4 <= len(message):
        length, kind = struct.unpack_from("=HH", message, at)
        if length < 4:
            break
        attributes[kind] = message[at + 4 : at + length]
        at += (length + 3) & ~3
    if _IFA_FLAGS in attributes:
        (flags,) = struct.unpack("=I", attributes[_IFA_FLAGS])
    if flags & (_IFA_F_TENTATIVE | _IFA_F_DADFAILED | _IFA_F_DEPRECATED):
        return None
    raw = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
    return socket.inet_ntop(family, raw) if raw and family in (socket.AF_INET, socket.AF_INET6) else None
