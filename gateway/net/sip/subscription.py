"""SUBSCRIBE and NOTIFY (RFC 6665): one subscription, seen from either side."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.wire.sip import Hop, SipResponse


class Subscription:
    """We subscribed. NOTIFYs in the dialog come to the `on_notify` handler given at `SipEndpoint.subscribe`."""

    call_id: str
    hop: Hop
    expires_s: int  # as granted by the last 200

    async def refresh(
        self,
        expires_s: int,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> SipResponse:
        """SUBSCRIBE again in the same dialog; 0 ends it. Final response (a 481 means: subscribe anew).
        Raises LinkDown."""
        raise NotImplementedError

    async def end(self) -> None:
        """Unsubscribe (Expires 0) and forget; errors are no matter then."""
        raise NotImplementedError


class Notifier:
    """A peer subscribed; we notify."""

    call_id: str
    event: str  # the Event header as sent
    expires_s: int
    hop: Hop

    @property
    def active(self) -> bool:
        """False once ended by either side or run out."""
        raise NotImplementedError

    async def notify(
        self, body: bytes, content_type: str, *, state: str = "active", headers: Iterable[tuple[str, str]] = ()
    ) -> SipResponse:
        """NOTIFY in the dialog with `Subscription-State: <state>;expires=<left>`; state "terminated" ends it.
        Raises LinkDown when unanswered, PeerError (and ends) on 481."""
        raise NotImplementedError
