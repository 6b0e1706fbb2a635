"""One request that came in and waits for its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.base.errors import Busy, LocalProtocolError
from gateway.net.sip.engine import Engine
from gateway.wire.sip import Hop, SipRequest, SipResponse, local_uri, respond
from gateway.wire.sip.dialog import Dialog
from gateway.wire.sip.events import RequestReceived

if TYPE_CHECKING:
    from gateway.net.sip.subscription import Notifier


class IncomingRequest:
    """What a handler gets. Answer once with `respond`; a handler that returns without is answered 500 for it.

    `hop` is the way it came, `request` the request with received and rport in its Via.
    """

    def __init__(self, engine: Engine, event: RequestReceived) -> None:
        self.request: SipRequest = event.request
        self.hop: Hop = event.hop
        self._engine = engine
        self._key = event.key
        self._dialog = event.dialog
        self._answered = False

    @property
    def answered(self) -> bool:
        return self._answered

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
        lines = list(headers)
        if content_type is not None:
            lines.append(("Content-Type", content_type))
        self._send(respond(self.request, status, reason, lines, body))

    def drop(self) -> None:
        """Forget it without an answer (a guesser learns nothing)."""
        if not self._answered:
            self._answered = True
            self._engine.core.drop(self._key)

    def accept_subscription(self, expires_s: int, *, contact_user: str) -> Notifier:
        """For SUBSCRIBE: answer 200 with Expires and Contact, and open the dialog to notify in. A SUBSCRIBE inside an
        existing dialog refreshes it and gives the same Notifier. `expires_s` 0 ends it: send one last `notify`.
        Raises LinkDown when its connection is gone already."""
        from gateway.net.sip.subscription import notifier_for

        contact = f"<{local_uri(contact_user, self.hop)}>"
        answer = respond(self.request, 200, None, [("Expires", str(expires_s)), ("Contact", contact)])
        dialog = self._send(answer)
        return notifier_for(self._engine, dialog, self.request, expires_s)

    def _send(self, response: SipResponse) -> Dialog | None:
        if self._answered:
            raise LocalProtocolError(f"{self.request.method} was answered before")
        dialog = self._engine.core.respond(self._key, response, self._engine.clock())
        self._answered = response.final
        self._engine.pump()
        return dialog


def run_handler(
    engine: Engine, handler: Callable[[IncomingRequest], Awaitable[None]], incoming: IncomingRequest
) -> None:
    """Run a handler as a task; 500 when it fails or forgets to answer, 503 when too many run."""

    async def work() -> None:
        await handler(incoming)
        if not incoming.answered:
            incoming.respond(500, headers=[("Retry-After", "5")])

    def failed(exc: Exception) -> None:
        engine.log_failure(f"handler of {incoming.request} from {incoming.hop}", exc)
        if not incoming.answered:
            with suppress(LocalProtocolError):  # a CANCEL answered it meanwhile
                incoming.respond(500)

    try:
        engine.nest.start(work(), f"SIP {incoming.request.method}", failed)
    except Busy:
        engine.core.counters["full"] += 1
        incoming.respond(503, headers=[("Retry-After", "5")])
