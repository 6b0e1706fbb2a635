"""Ask the DNS where a SIP URI leads (RFC 3263 §4): NAPTR, SRV, A and AAAA, in that order, as far as they stand."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from gateway.base.errors import LinkDown
from gateway.wire.sip.hop import Transport
from gateway.wire.sip.locate import (
    MAX_WAYS,
    PORTS,
    SRV_NAMES,
    Naptr,
    Srv,
    Way,
    asked_transport,
    by_naptr,
    in_order,
    literal,
)
from gateway.wire.sip.uri import SipUri

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

LOOKUP_S = 5.0  # of all questions about one URI together

Ask = Callable[[str, str], Awaitable[list[Any]]]


class Locator:
    """`ask(name, type)` gives records of NAPTR, SRV, A or AAAA, [] for none; without, dnspython asks the machine's
    servers. Addresses of plain names come from the system (hosts file included)."""

    def __init__(self, ask: Ask | None = None, able: Sequence[Transport] = ("udp", "tcp", "tls")) -> None:
        self._ask = ask or _dns
        self._able = tuple(able)

    async def ways(self, uri: SipUri, default: Transport | None = None) -> list[Way]:
        """At most 16 addresses, best first; `default` is the transport where the URI leaves it open and a port or an
        address stands. Raises LinkDown(code="dns-failed") when the name leads nowhere or nobody answers in 5 s."""
        transport, address = asked_transport(uri, default), literal(uri.host)
        if address is not None:
            kind = transport or "udp"
            return [Way(kind, (address, uri.port or PORTS[kind]), uri.host.strip("[]"))]
        try:
            async with asyncio.timeout(LOOKUP_S):
                found = await self._ways(uri, transport)
        except (OSError, TimeoutError) as exc:
            raise LinkDown(f"{uri.host}: {exc or 'the DNS does not answer'}", code="dns-failed") from exc
        if not found:
            raise LinkDown(f"{uri.host}: no address in the DNS", code="dns-failed")
        return found[:MAX_WAYS]

    async def _ways(self, uri: SipUri, transport: Transport | None) -> list[Way]:
        if uri.port is not None:
            kind = transport or "udp"
            return await self._addresses(kind, uri.host, uri.port, uri.host)
        names: list[tuple[Transport, str]]
        if transport is None:
            records = [
                Naptr(r.order, r.preference, _text(r.service), str(r.replacement))
                for r in await self._ask(uri.host, "NAPTR")
            ]
            names = by_naptr(records, self._able) or [(t, f"{SRV_NAMES[t]}.{uri.host}") for t in self._able]
        else:
            names = [(transport, f"{SRV_NAMES[transport]}.{uri.host}")]
        out: list[Way] = []
        for kind, name in names:
            found = [Srv(r.priority, r.weight, str(r.target), r.port) for r in await self._ask(name, "SRV")]
            for record in in_order(found, secrets.randbelow):
                out += await self._addresses(kind, record.host.rstrip("."), record.port, uri.host)
                if len(out) >= MAX_WAYS:
                    return out
        kind = transport or "udp"
        return out or await self._addresses(kind, uri.host, PORTS[kind], uri.host)

    async def _addresses(self, kind: Transport, host: str, port: int, asked: str) -> list[Way]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except OSError:
            return []
        return [Way(kind, (str(info[4][0]), port), asked) for info in dict.fromkeys(found)]


async def _dns(name: str, kind: str) -> list[Any]:
    import dns.asyncresolver  # half a tenth of a second: only for names that need it
    import dns.exception

    resolver: Resolver = dns.asyncresolver.Resolver()
    resolver.lifetime = LOOKUP_S / 2
    try:
        return list(await resolver.resolve(name, kind))
    except dns.exception.DNSException:
        return []  # none, or none that we hear of: the next kind of record is asked for


def _text(value: object) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
