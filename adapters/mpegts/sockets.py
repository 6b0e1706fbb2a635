"""UDP sockets for transport streams: bound, joined, or ready to send to a group."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct

from adapters.mpegts.protocol import Place
from gateway.base.errors import LinkDown

_IP_MULTICAST_ALL = 49  # linux/in.h
_IPV6_MULTICAST_ALL = 29  # linux/in6.h
_MCAST_JOIN_SOURCE_GROUP = 46  # linux/in.h, RFC 3678


def interface_index(name: str) -> int:
    """Of an interface, or of the one that has the address; 0: the route decides. Raises LinkDown (`no-interface`)."""
    if not name:
        return 0
    try:
        ipaddress.ip_address(name)
    except ValueError:
        try:
            return socket.if_nametoindex(name)
        except OSError:
            raise LinkDown(f"there is no interface {name!r}", code="no-interface") from None
    return -1


def receiving(place: Place, interface: str) -> tuple[socket.socket, str]:
    """A bound socket, and the one sender to listen to ("": anybody). Raises LinkDown."""
    if place.group:
        return _joined(place, interface), place.source
    source = place.source
    for host in (place.host, "") if place.host else ("",):
        try:
            return _bound(host, place.port), source
        except OSError as exc:
            if exc.errno != errno.EADDRNOTAVAIL or not host:
                raise _taken(place, exc) from exc
            # Not an address of ours: it is the sender's.
            source = source or place.host
    raise AssertionError("unreachable")


def _bound(host: str, port: int) -> socket.socket:
    six = ":" in host
    made = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


def _joined(place: Place, interface: str) -> socket.socket:
    group, index = ipaddress.ip_address(place.host.partition("%")[0]), interface_index(interface)
    family = socket.AF_INET6 if group.version == 6 else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        # Others of this machine may listen to the group too.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((str(group), place.port))
        if group.version == 6:
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
        else:
            made.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        _join(made, str(group), place.source, interface, index)
    except OSError as exc:
        made.close()
        raise _taken(place, exc) from exc
    except BaseException:
        made.close()
        raise
    return made


def _join(made: socket.socket, group: str, source: str, interface: str, index: int) -> None:
    if made.family == socket.AF_INET6:
        member = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@i", max(index, 0))
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
        return
    address = socket.inet_aton(interface) if index < 0 else b"\0\0\0\0"
    if source:
        # RFC 3678 §4.1.2: interface by index, or by its address.
        if index > 0:
            pad = struct.Struct("@HH4s120x")
            member = struct.pack("@I4x", index)
            member += pad.pack(socket.AF_INET, 0, socket.inet_aton(group))
            member += pad.pack(socket.AF_INET, 0, socket.inet_aton(source))
            made.setsockopt(socket.IPPROTO_IP, _MCAST_JOIN_SOURCE_GROUP, member)
        else:
            member = socket.inet_aton(group) + address + socket.inet_aton(source)
            made.setsockopt(socket.IPPROTO_IP, 39, member)  # IP_ADD_SOURCE_MEMBERSHIP
        return
    member = struct.pack("=4s4si", socket.inet_aton(group), address, max(index, 0))
    made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)


def sending(place: Place, host: str, interface: str, ttl: int) -> socket.socket:
    """`host`: an address. Raises LinkDown."""
    six = ":" in host
    index = interface_index(interface)
    made = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        if place.group and six:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, max(index, 0))
        elif place.group:
            address = socket.inet_aton(interface) if index < 0 else b"\0\0\0\0"
            out = struct.pack("=4s4si", b"\0\0\0\0", address, max(index, 0))
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, out)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
    except OSError as exc:
        made.close()
        raise LinkDown(f"sending on {interface or 'the route'}: {exc.strerror}", code="no-interface") from exc
    return made


def _taken(place: Place, exc: OSError) -> LinkDown:
    code = {errno.EADDRINUSE: "port-in-use", errno.ENODEV: "no-interface", errno.EADDRNOTAVAIL: "no-interface"}
    where = f"UDP {place.host or '*'}:{place.port}"
    return LinkDown(f"{where}: {exc.strerror}", code=code.get(exc.errno or 0, "link-down"))
