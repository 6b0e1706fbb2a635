"""Where a message came in and goes out: transport, both addresses, and the connection where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Transport = Literal["udp", "tcp", "tls"]
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Hop:
    """One way between us and a peer.

    `local` is the address of ours that the request hit (never a wildcard), so that the answer leaves from there;
    `remote` is the packet's source; `flow` numbers the TCP or TLS connection and is 0 for UDP.
    """

    transport: Transport
    local: Address
    remote: Address
    flow: int = 0

    @property
    def reliable(self) -> bool:
        return self.transport != "udp"

    def __str__(self) -> str:
        return f"{self.transport}:{format_address(self.remote)}"


def format_address(address: Address) -> str:
    """`host:port`, an IPv6 host in brackets (RFC 3261 §25.1 hostport)."""
    return f"{format_host(address[0])}:{address[1]}"


def format_host(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
