"""This machine's interfaces as its kernel tells them (rtnetlink): addresses, default routes by each, and news.

Routes of every table count: a kit with several modems has a table for each.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

# RFC 3549 §2.3, §3.1; linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h
_NEWLINK, _GETLINK, _NEWADDR, _GETADDR, _NEWROUTE, _GETROUTE = 16, 18, 20, 22, 24, 26
_ERROR, _DONE = 2, 3
_REQUEST_DUMP = 0x301
_IFLA_IFNAME, _IFLA_MTU = 3, 4
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_MULTIPATH = 4, 5, 6, 9
_IFF_UP, _IFF_LOOPBACK, _IFF_POINTOPOINT, _IFF_NOARP, _IFF_LOWER_UP = 0x1, 0x8, 0x10, 0x80, 0x10000
_UNFIT = 0x40 | 0x20 | 0x08  # tentative, deprecated, duplicate
_SCOPE_GLOBAL = 0
_UNICAST = 1
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400  # links, IPv4 and IPv6 addresses and routes
OUR_PROTOCOL, OUR_TABLES = 186, range(100, 165)
"""Of routes that are made for links (`gateway.net.links.routes`)."""
_SYSTEM, _COUNTERS = Path("/sys/class/net"), Path("/proc/self/net/dev")
_tables: dict[Path, int] = {}
GATHER_S = 0.3
LOOK_S, DEAF_LOOK_S = 60.0, 10.0
"""It is looked anew this often anyway; the second where the kernel tells nothing or did not answer. Of news that found
no room the socket tells (ENOBUFS): that is news as well."""


@dataclass(slots=True)
class Interface:
    """`v4`, `v6`: its global addresses; `out4`, `out6`: a default route leads out by it, by `gateway4`, `gateway6` ("":
    there is none on the way, as on a modem's). `near`: networks that are on the interface itself. `direct`: it has but
    one far end (a modem's raw IP, PPP), so that nothing need be asked whom to send to."""

    index: int
    name: str
    up: bool
    mtu: int = 1500
    v4: list[str] = field(default_factory=list)
    v6: list[str] = field(default_factory=list)
    out4: bool = False
    out6: bool = False
    gateway4: str = ""
    gateway6: str = ""
    near: list[str] = field(default_factory=list)
    direct: bool = False

    @property
    def bearer(self) -> str:
        """A guess by what the kernel calls it: "lte", "wifi", "wire"."""
        return _bearer(self.index, self.name)


@lru_cache(maxsize=64)
def _bearer(_index: int, name: str) -> str:
    """Read once for each: what one is does not change under its number and name, and links ask every second."""
    with suppress(OSError):
        for line in (_SYSTEM / name / "uevent").read_text().splitlines():
            if line == "DEVTYPE=wwan":
                return "lte"
            if line == "DEVTYPE=wlan":
                return "wifi"
    if name.startswith(("wwan", "ppp", "usb", "rmnet")):
        return "lte"
    return "wifi" if name.startswith("wl") else "wire"


def interfaces() -> list[Interface]:
    """All but the loopback, by name. Raises OSError where the kernel does not answer."""
    found: dict[int, Interface] = {}
    for _, index, flags, attributes in _dump(_GETLINK, _NEWLINK, "=BxHiII", 16, (2, 4)):
        name = attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "replace")
        if name and not flags & _IFF_LOOPBACK:
            mtu = struct.unpack("=I", attributes[_IFLA_MTU])[0] if _IFLA_MTU in attributes else 1500
            up = bool(flags & _IFF_UP) and bool(flags & _IFF_LOWER_UP)
            found[index] = Interface(index, name, up, mtu, direct=bool(flags & (_IFF_POINTOPOINT | _IFF_NOARP)))
    for family, index, address, length in _addresses():
        if index in found:
            (found[index].v4 if family == socket.AF_INET else found[index].v6).append(address)
            found[index].near.append(f"{address}/{length}")
    for family, index, gateway in _default_routes():
        if index in found:
            if family == socket.AF_INET:
                found[index].out4 = True
                found[index].gateway4 = found[index].gateway4 or gateway
            else:
                found[index].out6 = True
                found[index].gateway6 = found[index].gateway6 or gateway
    return sorted(found.values(), key=lambda one: one.name)


def _addresses() -> Iterator[tuple[int, int, str, int]]:
    # struct ifaddrmsg: family, prefix length, flags, scope, index
    for message in _messages(_GETADDR, _NEWADDR):
        family, length, flags, scope, index = struct.unpack_from("=BBBBI", message)
        attributes = _attributes(message[8:])
        if _IFA_FLAGS in attributes:
            (flags,) = struct.unpack("=I", attributes[_IFA_FLAGS])
        raw = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
        if raw and scope == _SCOPE_GLOBAL and not flags & _UNFIT and family in (socket.AF_INET, socket.AF_INET6):
            yield family, index, socket.inet_ntop(family, raw), length


def _default_routes() -> Iterator[tuple[int, int, str]]:
    # struct rtmsg: family, destination's and source's length, tos, table, protocol, scope, type, flags
    for message in _messages(_GETROUTE, _NEWROUTE):
        family, length, _, _, table, protocol, _, kind, _ = struct.unpack_from("=BBBBBBBBI", message)
        if protocol == OUR_PROTOCOL and table in OUR_TABLES:
            continue  # made by us of what else there is
        if length or kind != _UNICAST or family not in (socket.AF_INET, socket.AF_INET6):
            continue
        attributes = _attributes(message[12:])
        if _RTA_OIF in attributes:
            raw = attributes.get(_RTA_GATEWAY, b"")
            gateway = socket.inet_ntop(family, raw) if len(raw) == (4 if family == socket.AF_INET else 16) else ""
            yield family, struct.unpack("=I", attributes[_RTA_OIF])[0], gateway
        hops = attributes.get(_RTA_MULTIPATH, b"")
        while len(hops) >= 8:
            size, _, _, index = struct.unpack_from("=HBBi", hops)
            yield family, index, ""
            hops = hops[max((size + 3) & ~3, 8) :]


def _dump(
    ask: int, answer: int, head: str, size: int, picked: tuple[int, int]
) -> Iterator[tuple[int, int, int, dict[int, bytes]]]:
    for message in _messages(ask, answer):
        fields = struct.unpack_from(head, message)
        yield fields[0], fields[picked[0]], fields[picked[0] + 1], _attributes(message[size:])


def _messages(ask: int, answer: int) -> Iterator[bytes]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as sock:
        sock.settimeout(1.0)
        sock.send(struct.pack("=IHHII", 32, ask, _REQUEST_DUMP, 1, 0) + bytes(16))
        while True:
            data = sock.recv(1 << 17)
            at = 0
            while at + 16 <= len(data):
                length, kind = struct.unpack_from("=IH", data, at)
                if kind in (_DONE, _ERROR) or length < 16:
                    return
                if kind == answer:
                    yield data[at + 16 : at + length]
                at += (length + 3) & ~3


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def _counters() -> bytes:
    """The table as it is now. It is opened once: that takes several times as long as reading it."""
    if (table := _tables.get(_COUNTERS)) is None:
        table = _tables[_COUNTERS] = os.open(_COUNTERS, os.O_RDONLY | os.O_CLOEXEC)
    text = b""
    while piece := os.pread(table, 1 << 16, len(text)):
        text += piece
    return text


def counted() -> dict[str, tuple[int, int]]:
    """Bytes in and out by each interface since it came. Raises OSError where the kernel has no such table.

    Of /proc/self/net/dev: unlike a netlink dump it waits for nobody who is changing interfaces, so that it may be read
    on the loop, once a second, without a thread being woken for it.
    """
    text = _counters()
    found: dict[str, tuple[int, int]] = {}
    for line in text.decode("utf-8", "replace").splitlines()[2:]:
        name, _, figures = line.rpartition(":")
        # proc_pid_net(5): bytes, packets, six more of what came in; then bytes of what went out
        found[name.strip()] = (int((told := figures.split())[0]), int(told[8]))
    return found


async def changes() -> AsyncGenerator[list[Interface]]:
    """How it stands now, and again whenever that may have changed; for ever."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as sock:
        sock.setblocking(False)
        told = False
        with suppress(OSError):  # without the groups it is looked at by the clock alone
            sock.bind((0, _GROUPS))
            told = True
        while True:
            found = None
            with suppress(OSError):
                found = await asyncio.to_thread(interfaces)
            if found is not None:
                yield found
            try:
                async with asyncio.timeout(LOOK_S if told and found is not None else DEAF_LOOK_S):
                    await loop.sock_recv(sock, 65_536)
            except TimeoutError:
                continue
            except OSError:
                pass
            await asyncio.sleep(GATHER_S)
            with suppress(BlockingIOError, OSError):
                while sock.recv(65_536):
                    pass
