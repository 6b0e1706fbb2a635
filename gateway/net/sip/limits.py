"""Where an endpoint listens, and what it bears: every queue, table and rate, each with its answer to full."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.wire.sip import Transport


@dataclass(frozen=True, slots=True)
class EndpointLimits:
    """Full means: connection → refused and counted; rate → datagram dropped, stream connection closed; handlers →
    503 with Retry-After; bytes waiting to be written → the connection is closed (its peer does not read)."""

    max_connections: int = 2048
    max_connections_per_host: int = 512  # a site's devices come from one NAT'd address
    idle_s: float = 600.0  # a TCP connection that said nothing for so long is closed
    max_unsent_bytes: int = 1024 * 1024
    messages_per_s: float = 500.0  # per source address (host), sustained …
    burst: int = 4000  # … and at once (a catalogue of 4000 items, one a message)
    max_sources: int = 8192  # whose rates are remembered; the one silent longest is forgotten
    max_handlers: int = 1024  # incoming requests being handled at once


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen. `host` may be a wildcard ("0.0.0.0", "::"); port 0 takes any free one."""

    transport: Transport
    host: str
    port: int
