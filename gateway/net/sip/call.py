"""Calls: an INVITE and the dialog it makes, seen from either side."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from gateway.net.sip.incoming import IncomingRequest
from gateway.wire.sip import Hop, SipRequest, SipResponse


@dataclass(frozen=True, slots=True)
class CallEnd:
    """`by`: who ended it. "link" is a transaction that ran out or a connection that broke; "cancelled" is CANCEL of a
    call that came in. `detail` is for people (a Reason header, a status)."""

    by: Literal["local", "remote", "link", "cancelled", "refused"]
    detail: str = ""


class _Call:
    call_id: str
    hop: Hop
    request: SipRequest  # the INVITE

    @property
    def end(self) -> CallEnd | None:
        """How it ended; None while it lives."""
        raise NotImplementedError

    async def ended(self) -> CallEnd:
        """Wait until the call is over (BYE by either side, refusal, time-out, cancel)."""
        raise NotImplementedError

    async def bye(self, *, headers: Iterable[tuple[str, str]] = ()) -> None:
        """End it from our side: BYE when confirmed, CANCEL (and BYE if a 2xx crosses it) before. Returns when
        answered or given up on; never raises for a peer's failure; a call that is over is left alone."""
        raise NotImplementedError

    async def send(
        self,
        method: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str | None = None,
        timeout: float | None = None,
    ) -> SipResponse:
        """A request inside the dialog (INFO, MESSAGE, re-INVITE). Any final response; a 481 or 408 ends the call.
        Raises LinkDown."""
        raise NotImplementedError

    def on_request(self, handler: Callable[[IncomingRequest], Awaitable[None]]) -> None:
        """Requests of the peer inside this dialog (INFO, MESSAGE, re-INVITE; BYE is answered by us). Without a handler
        they go to the endpoint's handlers."""
        raise NotImplementedError


class InviteCall(_Call):
    """A call we made. Several 2xx (forking) are settled by us: the first is kept, the others get ACK and BYE."""

    async def answered(self, timeout: float | None = None) -> SipResponse:
        """Wait for the 2xx (then `ack`). Raises PeerError(status) when refused, LinkDown when nobody answered (then it
        is cancelled as well)."""
        raise NotImplementedError

    def on_provisional(self, callback: Callable[[SipResponse], None]) -> None:
        """Each 1xx but 100."""
        raise NotImplementedError

    async def ack(self, body: bytes = b"", content_type: str | None = None) -> None:
        """Acknowledge the 2xx; from then on every repeated 2xx is answered by the same ACK without being asked."""
        raise NotImplementedError

    async def cancel(self) -> None:
        """Give up before the answer; the same as `bye`."""
        raise NotImplementedError


class IncomingCall(_Call):
    """A call that came in. 100 Trying was sent already. Answer with `accept` or `reject`."""

    def ringing(self, status: int = 180, *, body: bytes = b"", content_type: str | None = None) -> None:
        raise NotImplementedError

    def accept(
        self,
        body: bytes = b"",
        content_type: str = "application/sdp",
        *,
        headers: Iterable[tuple[str, str]] = (),
        contact_user: str = "",
    ) -> None:
        """Answer 200 (repeated until ACK). `contact_user` defaults to the user of the Request-URI."""
        raise NotImplementedError

    async def acked(self, timeout: float | None = None) -> SipRequest:
        """Wait for the ACK. Raises LinkDown when it never came (BYE is sent then, RFC 3261 §13.3.1.4), PeerError 487
        when the call was cancelled before."""
        raise NotImplementedError

    def reject(self, status: int, reason: str | None = None, *, headers: Iterable[tuple[str, str]] = ()) -> None:
        raise NotImplementedError
