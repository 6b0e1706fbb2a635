"""TCP and TLS connections of one endpoint: numbered, bounded, timed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import cast

from gateway.net.sip.limits import EndpointLimits
from gateway.net.sip.tls import PeerCertificate
from gateway.wire.sip import Address, Hop, Transport


class Flow(asyncio.Protocol):
    """One connection. `hop.local` is the address a peer can reach us at: of a connection that we opened, the
    listening port and not the ephemeral one."""

    def __init__(self, flows: Flows, transport: Transport, number: int, listen_port: int | None) -> None:
        self._flows = flows
        self._kind: Transport = transport
        self._number = number
        self._listen_port = listen_port
        self._wire: asyncio.Transport | None = None
        self.hop: Hop | None = None
        self.heard_at = 0.0
        self.why = "closed by the peer"
        self.certificate: PeerCertificate | None = None
        self.server_name = ""  # who it must be, of a TLS connection that we opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)
        local, remote = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        if not local or not remote:  # gone before we looked
            self._wire.abort()
            return
        port = int(local[1]) if self._listen_port is None else self._listen_port
        self.hop = Hop(self._kind, (str(local[0]), port), (str(remote[0]), int(remote[1])), self._number)
        self.heard_at = self._flows.clock()
        if self._kind == "tls":
            self.certificate = PeerCertificate.of(transport.get_extra_info("peercert"))
        if not self._flows.admit(self):
            self.hop = None
            self._wire.abort()

    def data_received(self, data: bytes) -> None:
        if self.hop is not None:
            self.heard_at = self._flows.clock()
            self._flows.on_data(self.hop, data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.hop is not None:
            self._flows.lost(self, self.why if exc is None else f"{self.why}: {exc}")

    def send(self, data: bytes, max_unsent: int) -> bool:
        """False when the peer does not read: the connection is given up."""
        if self._wire is None or self._wire.is_closing():
            return False
        self._wire.write(data)
        if self._wire.get_write_buffer_size() > max_unsent:
            self.abort("the peer does not read")
            return False
        return True

    def abort(self, why: str) -> None:
        self.why = why
        if self._wire is not None:
            self._wire.abort()


class Flows:
    """The table. Over the limits a new connection is closed at once and counted (`refused_connections`)."""

    def __init__(
        self,
        limits: EndpointLimits,
        counters: Counter[str],
        clock: Callable[[], float],
        on_data: Callable[[Hop, bytes], None],
        on_lost: Callable[[Hop, str], None],
        gate: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._limits = limits
        self._counters = counters
        self.clock = clock
        self.on_data = on_data
        self._on_lost = on_lost
        self._gate = gate
        self._table: dict[int, Flow] = {}
        self._hosts: Counter[str] = Counter()
        self._last = 0

    def __len__(self) -> int:
        return len(self._table)

    def new(self, transport: Transport, listen_port: int | None = None) -> Flow:
        self._last += 1
        return Flow(self, transport, self._last, listen_port)

    def admit(self, flow: Flow) -> bool:
        assert flow.hop is not None, "set by connection_made"  # noqa: S101
        host = flow.hop.remote[0]
        if not self._gate(host):
            self._counters["gated"] += 1
            return False
        full = len(self._table) >= self._limits.max_connections
        if full or self._hosts[host] >= self._limits.max_connections_per_host:
            self._counters["refused_connections"] += 1
            return False
        self._table[flow.hop.flow] = flow
        self._hosts[host] += 1
        return True

    def lost(self, flow: Flow, why: str) -> None:
        assert flow.hop is not None, "only admitted flows are lost"  # noqa: S101
        if self._table.pop(flow.hop.flow, None) is not None:
            self._hosts[flow.hop.remote[0]] -= 1
            if self._hosts[flow.hop.remote[0]] <= 0:
                del self._hosts[flow.hop.remote[0]]
            self._on_lost(flow.hop, why)

    def get(self, number: int) -> Flow | None:
        return self._table.get(number)

    def to(self, transport: Transport, remote: Address, server_name: str = "") -> Hop | None:
        """A live connection to `remote`; of TLS, one whose far side was verified by that name."""
        for flow in self._table.values():
            verified = transport != "tls" or not server_name or flow.server_name == server_name
            if flow.hop is not None and (flow.hop.transport, flow.hop.remote) == (transport, remote) and verified:
                return flow.hop
        return None

    def close_idle(self) -> None:
        before = self.clock() - self._limits.idle_s
        for flow in list(self._table.values()):
            if flow.heard_at < before:
                self._counters["idle_connections"] += 1
                flow.abort("silent too long")

    def close_all(self) -> None:
        for flow in list(self._table.values()):
            flow.abort("closed by us")
