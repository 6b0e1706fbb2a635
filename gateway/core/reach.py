"""Which addresses the gateway connects to for somebody else's URL. Fulfils `contract.source.Reach`.

A name is resolved once for each connection and the connection goes to an address that was checked, so that a name
which leads inside at the second question (DNS rebinding) leads nowhere. Addresses within addresses (IPv4 in IPv6,
NAT64, 6to4) are looked at as what they reach.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gateway.base.errors import Denied, LinkDown
from gateway.config.sources import allowed_network
from gateway.core.addresses import all_addresses
from gateway.core.resolve import Found, Names

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[Found]]

RESOLVE_S = 5.0
MOST = 8
"""Addresses of one name that are tried."""

# Clouds' metadata services outside of 169.254.0.0/16: who reaches them gets the machine's credentials.
METADATA = (ip_network("100.100.100.200/32"), ip_network("fd00:ec2::254/128"), ip_network("192.0.0.192/32"))
# RFC 6598: shared address space, as private as RFC 1918's.
SHARED = ip_network("100.64.0.0/10")
_NAT64 = ip_network("64:ff9b::/96")


class Reach:
    def __init__(
        self,
        allow: Callable[[], Sequence[str]],
        *,
        resolve: Resolver | None = None,
        own: Callable[[], Sequence[str]] = all_addresses,
    ) -> None:
        """`allow` is `security.pull_allow` as it stands now."""
        self._allow = allow
        self._resolve = resolve or Names()
        self._own = own

    async def addresses(self, host: str, port: int, *, trusted: bool = False) -> Found:
        found = await self._found(host, port)
        own = frozenset(self._own())
        allow = [allowed_network(text) for text in self._allow()]
        kept: list[tuple[socket.AddressFamily, str]] = []
        why = ""
        for family, text in found[:MOST]:
            refused = self._refused(ip_address(text), port, own, allow, trusted)
            if refused:
                why = why or f"{text} is {refused}"
            else:
                kept.append((family, text))
        if not kept:
            raise Denied(f"{host[:100]} is not connected to: {why}", code="url-refused")
        return kept

    async def connect(self, host: str, port: int, *, timeout_s: float = 5.0, trusted: bool = False) -> socket.socket:
        failures: list[OSError] = []
        try:
            async with asyncio.timeout(timeout_s):
                found = await self.addresses(host, port, trusted=trusted)
                for at, (family, address) in enumerate(found):
                    try:
                        # One that does not answer leaves time for the others.
                        async with asyncio.timeout(timeout_s / (len(found) - at)):
                            return await _connected(family, address, port)
                    except TimeoutError as exc:
                        failures.append(exc)
                    except OSError as exc:
                        failures.append(exc)
        except TimeoutError as exc:
            failures.append(exc)
        raise _failed(host, port, failures[-1])

    async def _found(self, host: str, port: int) -> Found:
        with suppress(ValueError):
            address = ip_address(host)
            return [(socket.AF_INET if address.version == 4 else socket.AF_INET6, str(address))]
        try:
            async with asyncio.timeout(RESOLVE_S):
                found = await self._resolve(host, port)
        except (TimeoutError, OSError, UnicodeError) as exc:
            raise LinkDown(f"{host[:100]} has no address: {exc or 'no answer'}", code="dns-failed") from exc
        if not found:
            raise LinkDown(f"{host[:100]} has no address", code="dns-failed")
        return found

    @staticmethod
    def _refused(
        address: Address,
        port: int,
        own: frozenset[str],
        allow: Sequence[tuple[IPv4Network | IPv6Network, int]],
        trusted: bool,
    ) -> str:
        """Why not, in words; empty when it may be reached."""
        meant = embedded(address)
        for one in (address, meant):
            if any(_within(one, network) and only in (0, port) for network, only in allow):
                return ""
        for one in (address, meant):
            if why := forbidden(one, own):
                return why
        if not trusted and is_inside(meant):
            return "in a private network, and no technician named it"
        return ""


def embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to (RFC 4291 §2.5.5.2, RFC 6052, RFC 3056), else itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def forbidden(address: Address, own: frozenset[str]) -> str:
    """What is never reached without leave, in words."""
    if address.is_unspecified or address.is_loopback:
        return "this machine itself"
    if str(address).partition("%")[0] in own:
        return "an address of this gateway"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    if any(_within(address, network) for network in METADATA):
        return "a cloud's metadata service"
    if isinstance(address, IPv4Address) and (address.is_reserved or address in ip_network("0.0.0.0/8")):
        return "reserved"
    return ""


def is_inside(address: Address) -> bool:
    """Private networks, shared address space, unique local addresses."""
    return address.is_private or _within(address, SHARED) or (address.version == 6 and address.is_site_local)


def _within(address: Address, network: IPv4Network | IPv6Network) -> bool:
    return address.version == network.version and address in network


async def _connected(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _failed(host: str, port: int, exc: OSError) -> LinkDown:
    where = f"{host[:100]} port {port}"
    if isinstance(exc, TimeoutError) or exc.errno == errno.ETIMEDOUT:
        return LinkDown(f"{where} did not answer", code="connect-timeout")
    if exc.errno == errno.ECONNREFUSED:
        return LinkDown(f"{where} refused the connection", code="connect-refused")
    return LinkDown(f"{where} can not be reached: {exc.strerror or exc}", code="unreachable")
