"""Ways out: connections that we open, kept alive and used again; where URIs lead; large requests by TCP."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from gateway.base.errors import LinkDown
from gateway.net.sip.engine import Engine
from gateway.net.sip.flows import Flows
from gateway.net.sip.keepalive import KeepAlive
from gateway.net.sip.resolve import Locator
from gateway.net.sip.tls import verify_name
from gateway.wire.sip import Address, Hop, SipUri, Transport
from gateway.wire.sip.locate import Way

if TYPE_CHECKING:
    from gateway.net.sip.endpoint import SipEndpoint

CONNECT_TIMEOUT_S = 5.0
NO_TCP_S = 600.0  # a peer that refused TCP is not asked again for so long
MAX_NO_TCP = 1024


class Outward:
    def __init__(
        self,
        engine: Engine,
        flows: Flows,
        endpoint: SipEndpoint,
        tls: ssl.SSLContext | None,
        tcp_over_bytes: int,
        locator: Locator,
    ) -> None:
        self._engine = engine
        self._flows = flows
        self._endpoint = endpoint
        self._tls = tls
        self._tcp_over = tcp_over_bytes
        self._locator = locator
        self._opening: dict[tuple[Transport, Address, str], asyncio.Task[Hop]] = {}
        self._pings: dict[int, KeepAlive] = {}
        self._no_tcp: dict[Address, float] = {}

    async def ways(self, uri: str, transport: Transport | None) -> list[Way]:
        return await self._locator.ways(SipUri.parse(uri), transport)

    async def reach(self, uri: str, now: Hop) -> Hop:
        """A hop to where a URI leads, the first way that can be had; `now` says the transport where it does not."""
        ways = await self.ways(uri, now.transport)
        failed: LinkDown | None = None
        for way in ways:
            try:
                local = now.local if way.transport == "udp" and now.transport == "udp" else None
                if local is not None and (":" in local[0]) != (":" in way.address[0]):
                    local = None
                return await self._endpoint.hop_to(way.transport, way.address, local=local, server_name=way.server_name)
            except LinkDown as exc:
                failed = exc
        raise failed or LinkDown(f"{uri}: no way")

    async def fit(self, hop: Hop, size: int) -> Hop:
        """The hop for a request of `size` bytes: TCP for a large one, where the peer takes it (RFC 3261 §18.1.1)."""
        if hop.transport != "udp" or not self._tcp_over or size <= self._tcp_over:
            return hop
        now = self._engine.clock()
        if self._no_tcp.get(hop.remote, 0.0) > now:
            return hop
        try:
            return await self.connected("tcp", hop.remote, "", None, None)
        except LinkDown:
            while len(self._no_tcp) >= MAX_NO_TCP:
                self._no_tcp.pop(next(iter(self._no_tcp)))
            self._no_tcp[hop.remote] = now + NO_TCP_S
            self._engine.core.counters["large_by_udp"] += 1
            return hop

    async def connected(
        self,
        transport: Transport,
        remote: Address,
        server_name: str,
        tls: ssl.SSLContext | None,
        local: Address | None,
    ) -> Hop:
        """A live connection, or a new one; who asks while it is being opened waits for the same."""
        found = self._flows.to(transport, remote, server_name)
        if found is not None and (local is None or found.local[0] == local[0]):
            return found
        key = (transport, remote, server_name)
        task = self._opening.get(key)
        if task is None:
            opening = self._open(transport, remote, server_name, tls or self._tls, local)
            task = self._opening[key] = asyncio.get_running_loop().create_task(opening)
            task.add_done_callback(lambda done: self._opened(key, done))
        return await asyncio.shield(task)

    def keep_alive(self, hop: Hop, every_s: float) -> None:
        if hop.transport == "udp" or self._flows.get(hop.flow) is None:
            return
        if (old := self._pings.pop(hop.flow, None)) is not None:
            old.stop()

        def ping() -> bool:
            flow = self._flows.get(hop.flow)
            return flow is not None and flow.send(b"\r\n\r\n", 2**20)

        def heard_at() -> float:
            flow = self._flows.get(hop.flow)
            return 0.0 if flow is None else flow.heard_at

        def dead() -> None:
            flow = self._flows.get(hop.flow)
            self._engine.core.counters["pongs_missed"] += 1
            if flow is not None:
                flow.abort("no answer to our keepalive")

        self._pings[hop.flow] = KeepAlive(every_s, ping, heard_at, self._engine.clock, dead)

    def lost(self, hop: Hop) -> None:
        ping = self._pings.pop(hop.flow, None)
        if ping is not None:
            ping.stop()

    def close(self) -> None:
        for ping in self._pings.values():
            ping.stop()
        self._pings.clear()
        for task in self._opening.values():
            task.cancel()

    def _opened(self, key: tuple[Transport, Address, str], task: asyncio.Task[Hop]) -> None:
        self._opening.pop(key, None)
        if not task.cancelled():
            task.exception()  # heard by who waits; nobody may be left to

    async def _open(
        self, transport: Transport, remote: Address, name: str, tls: ssl.SSLContext | None, local: Address | None
    ) -> Hop:
        where = f"{transport} to {remote[0]}:{remote[1]}"
        if transport == "tls" and tls is None:
            raise LinkDown(f"{where}: no TLS context", code="tls-failed")
        listening = next((b.port for b in self._endpoint.bound if b.transport == transport), None)
        flow = self._flows.new(transport, listening)
        flow.server_name = name
        secure = transport == "tls"
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: flow,
                    *remote,
                    local_addr=None if local is None else (local[0], 0),
                    ssl=tls if secure else None,
                    server_hostname=(name or remote[0]) if secure else None,
                )
        except ssl.SSLError as exc:
            words = exc.verify_message if isinstance(exc, ssl.SSLCertVerificationError) else exc.reason or str(exc)
            raise LinkDown(f"{where}: TLS failed: {words}", code="tls-failed") from exc
        except (OSError, TimeoutError) as exc:
            raise LinkDown(f"{where}: {exc or 'no answer'}") from exc
        if flow.hop is None:
            raise LinkDown(f"{where}: too many connections")
        if transport == "tls" and tls is not None and tls.verify_mode is ssl.CERT_REQUIRED and not tls.check_hostname:
            wrong = verify_name(flow.certificate, (name or remote[0],))
            if wrong:
                flow.abort(wrong)
                raise LinkDown(f"{where}: {wrong}", code="tls-failed")
        return flow.hop
