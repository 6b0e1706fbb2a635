"""One request that came in and waits for its answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.wire.sip import Hop, SipRequest

if TYPE_CHECKING:
    from gateway.net.sip.subscription import Notifier


class IncomingRequest:
    """What a handler gets. Answer once with `respond`; a handler that returns without is answered 500 for it."""

    request: SipRequest
    hop: Hop

    @property
    def answered(self) -> bool:
        raise NotImplementedError

    def respond(
        self,
        status: int,
        reason: str | None = None,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> None:
        """Send a response (1xx any number of times, final once). It leaves by the hop the request came in on; the
        transaction repeats it when the request is repeated. Raises LocalProtocolError on a second final answer."""
        raise NotImplementedError

    def accept_subscription(self, expires_s: int, *, contact_user: str) -> Notifier:
        """For SUBSCRIBE: answer 200 with Expires and Contact, and open the dialog to notify in. A SUBSCRIBE inside an
        existing dialog refreshes it and gives the same Notifier. `expires_s` 0 ends it: send one last `notify`."""
        raise NotImplementedError
