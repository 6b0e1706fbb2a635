"""`SipEndpoint`: one SIP user agent on the network. Sockets here, decisions in `gateway.wire.sip`."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType

from gateway.base.errors import Busy, LinkDown, PeerError
from gateway.base.tasks import Nest
from gateway.net.sip.call import Call
from gateway.net.sip.engine import Engine
from gateway.net.sip.flows import Flows
from gateway.net.sip.incoming import IncomingRequest, run_handler
from gateway.net.sip.incoming_call import IncomingCall
from gateway.net.sip.invite_call import InviteCall
from gateway.net.sip.limits import EndpointLimits, Listen
from gateway.net.sip.listening import Listening
from gateway.net.sip.options import CallOptions
from gateway.net.sip.outward import Outward
from gateway.net.sip.rates import Rates
from gateway.net.sip.resolve import Locator
from gateway.net.sip.subscription import Subscription
from gateway.net.sip.tls import PeerCertificate
from gateway.wire.digest import DigestClient
from gateway.wire.sip import Address, Hop, SipRequest, SipResponse, Transport, printable
from gateway.wire.sip.core import CoreLimits, SipCore
from gateway.wire.sip.events import RequestReceived
from gateway.wire.sip.locate import Way
from gateway.wire.sip.refer import Replaces
from gateway.wire.sip.transaction import Timers

log = logging.getLogger(__name__)

_DRESS_BYTES = 900  # what a call's headers and offer add to an INVITE, about


RequestHandler = Callable[[IncomingRequest], Awaitable[None]]
CallHandler = Callable[[IncomingCall], Awaitable[None]]


class SipEndpoint:
    """One SIP user agent on the network.

    Handlers run as tasks of the endpoint, one a request; those of one dialog start in the order in which the requests
    came. An exception in a handler is logged and answered 500.
    """

    def __init__(
        self,
        listen: Sequence[Listen],
        *,
        product: str = "fieldgate",
        limits: EndpointLimits | None = None,
        core_limits: CoreLimits | None = None,
        timing: Timers | None = None,
        tls: ssl.SSLContext | None = None,
        tls_client: ssl.SSLContext | None = None,
        supported: Iterable[str] = (),
        tcp_over_bytes: int = 0,
        locator: Locator | None = None,
        screen: Callable[[SipRequest, Hop], bool] | None = None,
        gate: Callable[[str], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`product` is the User-Agent and Server header ("" sends none); `tls` the context of "tls" listeners,
        `tls_client` of connections that we open (without: that of the listeners). `supported` are the option tags that
        a Require may name ("100rel", "timer", "replaces", "norefersub" for calls with a media session).
        `screen`, `gate`: see `guard`. `tcp_over_bytes`: larger requests go by TCP instead of UDP where the peer
        takes it (1300: RFC 3261 §18.1.1; 0: never)."""
        self._listen = tuple(listen)
        self._limits = limits or EndpointLimits()
        self._clock = clock
        core = SipCore(product=product, timing=timing, limits=core_limits, supported=supported, screen=screen)
        self._gate = gate or (lambda _: True)
        self._nest = Nest("SIP handlers", self._limits.max_handlers)
        self._engine = Engine(core, self._nest, clock, self._transmit, self._alive)
        self._engine.on_request = self._on_request
        self._engine.on_heard = self._on_heard
        self._engine.on_broken = self._on_broken
        self._flows = Flows(
            self._limits, core.counters, clock, self._on_stream, self._on_lost, lambda host: self._gate(host)
        )
        locate, context = locator or Locator(), tls_client or tls
        self._outward = Outward(self._engine, self._flows, self, context, tcp_over_bytes, locate)
        self._engine.reach, self._engine.fit = self._outward.reach, self._outward.fit
        self._rates = Rates(self._limits.messages_per_s, self._limits.burst, self._limits.max_sources)
        self._listening = Listening(self._flows, tls)
        self._bound: tuple[Listen, ...] = ()
        self._handlers: dict[str, RequestHandler] = {}
        self._call_handler: CallHandler | None = None
        self._flow_closed: list[Callable[[Hop, str], None]] = []
        self._heard: list[Callable[[Hop], None]] = []
        self._notify: dict[str, Callable[[RequestReceived], None]] = {}  # Call-ID of a SUBSCRIBE not yet answered
        self._sweeper: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> SipEndpoint:
        """Open the sockets. Raises ConfigError("listen", …, code="port-in-use") when an address is taken."""
        try:
            bound: list[Listen] = []
            for listen in self._listen:
                bound.append(await self._listening.open(listen))
            self._bound = tuple(bound)
        except BaseException:
            await self._close()
            raise
        for socket in self._listening.udp:
            socket.open(self._on_datagram)
        self._sweep()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close sockets, end handlers; calls still up end with by="link" and without a BYE (end them before)."""
        await self._close()

    @property
    def bound(self) -> tuple[Listen, ...]:
        """The addresses in use, ports resolved."""
        return self._bound

    @property
    def counters(self) -> dict[str, int]:
        """Running totals by name: received, bad, repeats, dropped_rate, refused_connections, full, timeouts …"""
        own = {
            "udp_dropped": sum(s.dropped for s in self._listening.udp),
            "udp_failed": sum(s.failed for s in self._listening.udp),
        }
        return dict(self._engine.core.counters) | own | {"connections": len(self._flows)}

    @property
    def standing(self) -> dict[str, int]:
        """What is kept now: `dialogs` alive, `transactions` (those that only absorb repeats too, up to 32 s)."""
        return self._engine.core.standing

    # — what comes in —

    def on_request(self, method: str, handler: RequestHandler) -> None:
        """Handle requests of `method` that belong to no call of ours; "*" for all others. Without a handler: 405 with
        Allow (OPTIONS: 200)."""
        self._handlers[method] = handler

    def on_call(self, handler: CallHandler) -> None:
        """Handle INVITEs that begin a call; without: 405."""
        self._call_handler = handler

    def on_flow_closed(self, callback: Callable[[Hop, str], None]) -> None:
        """A TCP or TLS connection is gone (peer closed, broke, idle); GB/T 28181: the device is offline."""
        self._flow_closed.append(callback)

    def on_heard(self, callback: Callable[[Hop], None]) -> None:
        """Something that was no message came from this hop: CRLF or a vendor's keepalive datagram (4 bytes)."""
        self._heard.append(callback)

    # — what goes out —

    async def hop_to(
        self,
        transport: Transport,
        remote: Address,
        *,
        local: Address | None = None,
        server_name: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> Hop:
        """A way to `remote` (an IP literal): for UDP the bound address that routes there, or `local`; for TCP and TLS a
        live connection to it, else a new one. With TLS the certificate must speak for `server_name` (unless `tls`, by
        default the endpoint's context, verifies nothing), else for the address; a connection is used again only by who
        asks for the same name. Raises LinkDown when the connection is refused, its certificate is not good
        (code="tls-failed"), or nothing comes in 5 s."""
        if transport != "udp":
            return await self._outward.connected(transport, remote, server_name, tls, local)
        if local is not None:
            return Hop("udp", local, remote)
        return self._listening.udp_to(remote)

    async def request(
        self,
        request: SipRequest,
        hop: Hop,
        *,
        timeout: float | None = None,
        auth: DigestClient | None = None,
        check: bool = False,
    ) -> SipResponse:
        """Send a request (not INVITE) and wait for its final response, whatever its status.

        Via is added here. With `auth` challenges are answered (401, 407, stale nonces; Call-ID kept, CSeq + 1 each).
        With `check` a final response that is not 2xx raises PeerError(status). Raises LinkDown: no answer (32 s on UDP,
        or `timeout`), connection gone. Cancelling the await forgets the transaction.
        """
        _, response = await self._engine.request(request, hop, timeout, auth)
        if check and not response.ok:
            words = f"{response.status} {printable(response.reason)}"
            raise PeerError(f"{request.method} to {hop}: {words}", status=response.status)
        return response

    async def ways(self, uri: str, transport: Transport | None = None) -> list[Way]:
        """Where a SIP URI leads, best first (RFC 3263); `transport` where it leaves that open. Raises LinkDown
        (code="dns-failed"), RemoteProtocolError: no SIP URI."""
        return await self._outward.ways(uri, transport)

    def guard(
        self, gate: Callable[[str], bool] | None = None, screen: Callable[[SipRequest, Hop], bool] | None = None
    ) -> None:
        """Closed doors. `gate` is asked for the source host of each datagram before it is read, and of each new
        connection; False drops or closes it (counted `gated`). `screen` is asked for each new request outside of
        dialogs before anything answers it, 100 Trying included; False drops it without a word (counted `screened`).
        None lets all in."""
        self._gate = gate or (lambda _: True)
        self._engine.core.screen = screen

    def alive(self, hop: Hop) -> bool:
        """Whether its connection stands; always of UDP."""
        return self._alive(hop)

    def ping(self, hop: Hop) -> None:
        """CRLF CRLF once, by any transport."""
        self._transmit(hop, b"\r\n\r\n")

    def close_flow(self, hop: Hop, why: str) -> None:
        """End a connection; `on_flow_closed` tells."""
        flow = self._flows.get(hop.flow)
        if flow is not None:
            flow.abort(why)

    def keep_alive(self, hop: Hop, every_s: float) -> None:
        """Ping a connection by CRLF CRLF (RFC 5626); one that says nothing for 10 s after is closed, which
        `on_flow_closed` tells. UDP: nothing happens. Again: the new interval counts."""
        self._outward.keep_alive(hop, every_s)

    def peer_certificate(self, hop: Hop) -> PeerCertificate | None:
        """The verified certificate of the far side of a TLS connection."""
        flow = self._flows.get(hop.flow)
        return None if flow is None else flow.certificate

    def find_call(self, replaces: Replaces) -> Call | None:
        """The call of ours that a Replaces names (RFC 3891 §3): early or confirmed, and only as its receiver."""
        owner = self._engine.owners.get((replaces.call_id, replaces.to_tag, replaces.from_tag))
        return owner if isinstance(owner, Call) and owner.end is None else None

    async def invite(
        self, request: SipRequest, hop: Hop, *, auth: DigestClient | None = None, options: CallOptions | None = None
    ) -> InviteCall:
        """Send an INVITE; returns at once. Raises LinkDown when the hop is gone, Busy when the table is full. With
        `options.session` the call does its media by itself (see CallOptions); `request` comes without a body then."""
        if not self._alive(hop):
            raise LinkDown(f"INVITE to {hop}: the connection is gone")
        if options is not None:
            hop = await self._engine.fit(hop, len(bytes(request)) + len(request.body) + _DRESS_BYTES)
        return InviteCall(self._engine, request, hop, auth, options)

    async def subscribe(
        self,
        request: SipRequest,
        hop: Hop,
        on_notify: RequestHandler,
        *,
        timeout: float | None = None,
        auth: DigestClient | None = None,
    ) -> Subscription:
        """Send a SUBSCRIBE and wait for its 2xx. NOTIFYs may come before it does; they reach `on_notify` too.
        Raises PeerError(status) when refused, LinkDown."""

        def notified(event: RequestReceived) -> None:
            run_handler(self._engine, on_notify, IncomingRequest(self._engine, event))

        self._notify[request.call_id] = notified
        try:
            sent, response = await self._engine.request(request, hop, timeout, auth)
        finally:
            self._notify.pop(request.call_id, None)
        if not response.ok:
            words = f"{response.status} {printable(response.reason)}"
            raise PeerError(f"SUBSCRIBE to {hop}: {words}", status=response.status)
        dialog = self._engine.core.dialogs.of_answer(response)
        if dialog is None:
            raise PeerError(f"SUBSCRIBE to {hop}: its answer makes no dialog", status=response.status)
        granted = response.expires
        asked = sent.expires or 0
        return Subscription(self._engine, dialog, sent, asked if granted is None else granted, notified)

    # — sockets —

    def _transmit(self, hop: Hop, data: bytes) -> None:
        counters = self._engine.core.counters
        counters["sent"] += 1
        if hop.transport == "udp":
            socket = self._listening.socket_for(hop)
            if socket is None or not socket.send(data, hop.remote, hop.local[0]):
                counters["unsent"] += 1
            return
        flow = self._flows.get(hop.flow)
        if flow is None or not flow.send(data, self._limits.max_unsent_bytes):
            counters["unsent"] += 1

    def _alive(self, hop: Hop) -> bool:
        return hop.transport == "udp" or self._flows.get(hop.flow) is not None

    def _on_datagram(self, data: bytes, remote: Address, local: Address) -> None:
        now = self._clock()
        if not self._gate(remote[0]):
            self._engine.core.counters["gated"] += 1
            return
        if not self._rates.take(remote[0], now):
            self._engine.core.counters["dropped_rate"] += 1
            return
        self._engine.core.receive_datagram(data, Hop("udp", local, remote), now)
        self._engine.pump()

    def _on_stream(self, hop: Hop, data: bytes) -> None:
        core, now = self._engine.core, self._clock()
        before = core.counters["received"]
        core.receive_stream(data, hop, now)
        if not self._rates.take(hop.remote[0], now, core.counters["received"] - before):
            core.counters["dropped_rate"] += 1
            self._on_broken(hop, "sends too fast")
        self._engine.pump()

    def _on_broken(self, hop: Hop, why: str) -> None:
        flow = self._flows.get(hop.flow)
        if flow is not None:
            log.warning("SIP connection with %s closed: %s", hop, why)
            flow.abort(why)

    def _on_lost(self, hop: Hop, why: str) -> None:
        self._engine.core.flow_closed(hop.flow, self._clock())
        self._engine.pump()
        self._outward.lost(hop)
        for callback in self._flow_closed:
            callback(hop, why)

    def _on_heard(self, hop: Hop) -> None:
        for callback in self._heard:
            callback(hop)

    def _sweep(self) -> None:
        self._flows.close_idle()
        delay = max(0.05, min(30.0, self._limits.idle_s / 4))
        self._sweeper = asyncio.get_running_loop().call_later(delay, self._sweep)

    async def _close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._listening.stop()
        await self._nest.close()
        self._engine.pump()
        self._engine.close()
        for socket in self._listening.udp:
            socket.close()
        self._outward.close()
        self._flows.close_all()
        await self._listening.close()

    # — requests to handlers —

    def _on_request(self, event: RequestReceived) -> None:
        request = event.request
        if request.method == "INVITE" and event.dialog is None and self._call_handler is not None:
            self._run_call(self._call_handler, IncomingCall(self._engine, event))
            return
        incoming = IncomingRequest(self._engine, event)
        notified = self._notify.get(request.call_id) if request.method == "NOTIFY" else None
        handler = self._handlers.get(request.method, self._handlers.get("*"))
        if notified is not None:
            notified(event)
        elif (
            request.method in ("INVITE", "UPDATE") and event.dialog is not None and request.method not in self._handlers
        ):
            incoming.respond(488)  # the call has no handler for changes: it stays as it was (§14.2)
        elif handler is not None and not (request.method == "INVITE" and request.method not in self._handlers):
            run_handler(self._engine, handler, incoming)
        elif request.method == "OPTIONS":
            incoming.respond(200, headers=[("Allow", self._allow()), ("Accept", "application/sdp")])
        else:
            incoming.respond(405, headers=[("Allow", self._allow())])

    def _run_call(self, handler: CallHandler, call: IncomingCall) -> None:
        async def work() -> None:
            await handler(call)

        def failed(exc: Exception) -> None:
            self._engine.log_failure(f"call from {call.hop}", exc)
            if not call.answered:
                call.reject(500)

        try:
            self._nest.start(work(), f"call {call.call_id}", failed)
        except Busy:
            self._engine.core.counters["full"] += 1
            call.reject(503, headers=[("Retry-After", "5")])

    def _allow(self) -> str:
        basic = ["OPTIONS", "BYE", "CANCEL", "ACK"] + (["INVITE"] if self._call_handler else [])
        return ", ".join(dict.fromkeys([*basic, *(m for m in self._handlers if m != "*")]))
