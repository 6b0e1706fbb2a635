"""Where somebody comes from: one spelling of an address, and what one guesser has at hand."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

HOST6, SITE4, SITE6 = 64, 24, 48
"""Prefixes: one host has a whole /64 of IPv6; neighbours share a /24, or a /48 (RFC 6177)."""


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """IPv4 within IPv6 is IPv4; brackets and zones go. None: no address."""
    try:
        found = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found


def plain(host: str) -> str:
    """One spelling; what is no address stays as it is."""
    found = address_of(host)
    return host if found is None else str(found)


def place_of(host: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one: who has one of those addresses has them all."""
    return _within(host, 32, HOST6)


def network_of(host: str) -> str:
    """The neighbourhood of an address, or of a place."""
    return _within(host.partition("/")[0], SITE4, SITE6)


def _within(host: str, bits4: int, bits6: int) -> str:
    found = address_of(host)
    if found is None:
        return host or "unknown"
    bits = bits4 if found.version == 4 else bits6
    return str(found) if bits == found.max_prefixlen else str(ip_network(f"{found}/{bits}", strict=False))
