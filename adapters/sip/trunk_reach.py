"""From a server's name to a way there: addresses, connection, TLS."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl

from adapters.sip.config_trunk import Server, TrunkConfig
from gateway.base.errors import ConfigError, LinkDown
from gateway.net.sip import SipEndpoint
from gateway.net.sip.tls import client_context
from gateway.wire.sip import Address, Hop

RESOLVE_S = 5.0
MAX_ADDRESSES = 8


async def addresses_of(server: Server) -> list[str]:
    """Its IP addresses, in the order in which they should be tried (RFC 6724). Raises LinkDown `name-unresolved`."""
    try:
        return [str(ipaddress.ip_address(server.host))]
    except ValueError:
        pass
    kind = socket.SOCK_DGRAM if server.transport == "udp" else socket.SOCK_STREAM
    try:
        async with asyncio.timeout(RESOLVE_S):
            found = await asyncio.get_running_loop().getaddrinfo(server.host, server.port, type=kind)
    except (OSError, TimeoutError) as exc:
        words = "no answer" if isinstance(exc, TimeoutError) else str(exc)
        raise LinkDown(f"{server.host}: {words}", code="name-unresolved") from exc
    return list(dict.fromkeys(str(one[4][0]) for one in found))[:MAX_ADDRESSES]


async def ways_of(endpoint: SipEndpoint, server: Server) -> list[Address]:
    """Its addresses and ports, best first; by SRV where it is named without a port. Raises LinkDown
    `name-unresolved`."""
    if not server.srv:
        return [(address, server.port) for address in await addresses_of(server)]
    try:
        found = await endpoint.ways(f"sip:{server.host}", server.transport)
    except LinkDown as exc:
        raise LinkDown(str(exc), code="name-unresolved") from exc
    return list(dict.fromkeys(way.address for way in found))[:MAX_ADDRESSES]


async def reach(
    endpoint: SipEndpoint, server: Server, tls: ssl.SSLContext | None, turn: int = 0
) -> tuple[Hop, list[str]]:
    """A hop to the first of its addresses that takes us, and all of them. Raises LinkDown.

    Over UDP the way is only chosen here; whether anybody answers is for a request to find out, and the next `turn`
    takes the next address.
    """
    ways = await ways_of(endpoint, server)
    addresses = list(dict.fromkeys(host for host, _ in ways))
    first = turn % len(ways) if ways and server.transport == "udp" else 0
    failed: LinkDown | None = None
    for remote in ways[first:] + ways[:first]:
        try:
            if server.transport != "tls":
                return await endpoint.hop_to(server.transport, remote), addresses
            return await endpoint.hop_to("tls", remote, server_name=server.host, tls=tls), addresses
        except LinkDown as exc:
            failed = exc
    raise failed or LinkDown(f"{server.host}: it has no address", code="name-unresolved")


def client_tls(key: str, config: TrunkConfig) -> ssl.SSLContext | None:
    """The context of our connections to the trunk: TLS 1.2 and newer, certificate and name checked. None without a
    TLS server. Raises ConfigError."""
    if all(server.transport != "tls" for server in config.servers):
        return None
    try:
        return client_context(str(config.ca) if config.ca else None, verify=config.verify)
    except (ConfigError, OSError, ssl.SSLError) as exc:
        raise ConfigError(f"{key}.ca", f"{config.ca} can not be used: {exc}", code="certificate-bad") from exc
