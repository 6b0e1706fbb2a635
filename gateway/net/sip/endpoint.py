"""Sockets and timers for one SipCore: feed → handle events → flush → re-arm."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

from gateway.net.sip.call import IncomingCall, InviteCall
from gateway.net.sip.incoming import IncomingRequest
from gateway.net.sip.limits import EndpointLimits
from gateway.net.sip.subscription import Subscription
from gateway.wire.digest import DigestClient
from gateway.wire.sip import Address, Hop, SipRequest, SipResponse, Transport


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen. `host` may be a wildcard ("0.0.0.0", "::"); port 0 takes any free one."""

    transport: Transport
    host: str
    port: int


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`product` is the User-Agent and Server header ("" sends none)."""
        raise NotImplementedError

    async def __aenter__(self) -> SipEndpoint:
        """Open the sockets. Raises ConfigError("listen", …, code="port-in-use") when an address is taken."""
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close sockets, end handlers; calls still up end with by="local" without a BYE (end them before)."""
        raise NotImplementedError

    @property
    def bound(self) -> tuple[Listen, ...]:
        """The addresses in use, ports resolved."""
        raise NotImplementedError

    @property
    def counters(self) -> dict[str, int]:
        """Running totals by name: received, sent, bad, dropped_rate, refused_connections, full, …"""
        raise NotImplementedError

    # — what comes in —

    def on_request(self, method: str, handler: RequestHandler) -> None:
        """Handle requests of `method` that belong to no call of ours; "*" for all others. Without a handler: 405 with
        Allow (OPTIONS: 200)."""
        raise NotImplementedError

    def on_call(self, handler: CallHandler) -> None:
        """Handle INVITEs that begin a call; without: 405."""
        raise NotImplementedError

    def on_flow_closed(self, callback: Callable[[Hop, str], None]) -> None:
        """A TCP or TLS connection is gone (peer closed, broke, idle); GB/T 28181: the device is offline."""
        raise NotImplementedError

    def on_heard(self, callback: Callable[[Hop], None]) -> None:
        """Something that was no message came from this hop: CRLF or a vendor's keepalive datagram (4 bytes)."""
        raise NotImplementedError

    # — what goes out —

    async def hop_to(self, transport: Transport, remote: Address, *, local: Address | None = None) -> Hop:
        """A way to `remote` (an IP literal): for UDP the bound address that routes there, or `local`; for TCP a live
        connection to it, else a new one. Raises LinkDown when the connection is refused or times out (5 s)."""
        raise NotImplementedError

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

        Via is added here. With `auth` a 401 or 407 is answered once (Call-ID kept, CSeq + 1). With `check` a final
        response that is not 2xx raises PeerError(status). Raises LinkDown: no answer (32 s on UDP, or `timeout`),
        connection gone. Cancelling the await forgets the transaction.
        """
        raise NotImplementedError

    async def invite(self, request: SipRequest, hop: Hop, *, auth: DigestClient | None = None) -> InviteCall:
        """Send an INVITE; returns at once. Raises LinkDown when the hop is gone, Busy when the table is full."""
        raise NotImplementedError

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
        raise NotImplementedError
