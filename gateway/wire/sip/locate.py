"""Where a SIP URI leads (RFC 3263), sans-IO: what to ask the DNS, and the order of what it answers."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gateway.wire.sip.hop import Address, Transport
from gateway.wire.sip.uri import SipUri

MAX_WAYS = 16  # of one URI; more are left out
PORTS: dict[Transport, int] = {"udp": 5060, "tcp": 5060, "tls": 5061}
SERVICES: dict[str, Transport] = {"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}
SRV_NAMES: dict[Transport, str] = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}


@dataclass(frozen=True, slots=True)
class Way:
    """One address to try. `server_name` is what a TLS certificate must speak for: the name that was asked for, never
    what the DNS made of it (RFC 5922 §7)."""

    transport: Transport
    address: Address
    server_name: str


@dataclass(frozen=True, slots=True)
class Naptr:
    order: int
    preference: int
    service: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Srv:
    priority: int
    weight: int
    host: str
    port: int


def literal(host: str) -> str | None:
    """The host when it is an IP address, in its shortest form."""
    try:
        return str(ipaddress.ip_address(host.strip("[]").partition("%")[0]))
    except ValueError:
        return None


def asked_transport(uri: SipUri, default: Transport | None = None) -> Transport | None:
    """What the URI itself says (§4.1): sips or transport=; with a port or an IP address and nothing said, `default` or
    UDP. None: the DNS is asked."""
    if uri.scheme == "sips" or uri.transport == "tls":
        return "tls"
    if uri.transport in ("udp", "tcp"):
        return "udp" if uri.transport == "udp" else "tcp"
    if uri.port is not None or literal(uri.host) is not None:
        return default or "udp"
    return default


def by_naptr(records: Iterable[Naptr], able: Sequence[Transport]) -> list[tuple[Transport, str]]:
    """(transport, SRV name) in the order of the records that we can use (§4.1)."""
    usable = [r for r in records if SERVICES.get(r.service.upper()) in able and r.replacement.strip(".")]
    usable.sort(key=lambda r: (r.order, r.preference))
    return [(SERVICES[r.service.upper()], r.replacement.rstrip(".")) for r in usable[:MAX_WAYS]]


def in_order(records: Iterable[Srv], chance: Callable[[int], int]) -> list[Srv]:
    """By priority, then drawn by weight (RFC 2782); `chance(n)` gives 0 to n - 1. A lone "." means no service."""
    left = sorted((r for r in records if r.host.strip(".")), key=lambda r: (r.priority, r.weight))[: 4 * MAX_WAYS]
    out: list[Srv] = []
    while left:
        same = [r for r in left if r.priority == left[0].priority]
        draw = chance(sum(r.weight for r in same) + 1)
        running = 0
        for record in same:
            running += record.weight
            if running >= draw:
                out.append(record)
                left.remove(record)
                break
    return out[:MAX_WAYS]
