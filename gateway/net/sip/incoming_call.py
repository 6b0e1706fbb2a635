"""A call that came in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from gateway.base.errors import GatewayError, LinkDown, LocalProtocolError, PeerError
from gateway.net.sip.call import ANSWER_TIMEOUT_S, Call, CallEnd, a_while
from gateway.net.sip.engine import Engine
from gateway.wire.sip import SipRequest, local_uri, respond
from gateway.wire.sip.events import AckMissing, AckReceived, DialogEnded, RequestReceived


class IncomingCall(Call):
    """A call that came in. 100 Trying was sent already. Answer with `accept` or `reject`; after 180 s without either it
    is refused with 408."""

    def __init__(self, engine: Engine, event: RequestReceived) -> None:
        super().__init__(engine, event.request, event.hop)
        self._key = event.key
        self._answered = False
        self._ack: asyncio.Future[SipRequest | None] = asyncio.get_running_loop().create_future()
        engine.invites[event.key] = self._on_cancelled
        # A caller that vanished while it rang sends no CANCEL.
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(ANSWER_TIMEOUT_S, self.reject, 408)

    @property
    def answered(self) -> bool:
        """Whether a final answer was given (by us, or 487 by a CANCEL)."""
        return self._answered

    def ringing(self, status: int = 180, *, body: bytes = b"", content_type: str | None = None) -> None:
        """A 1xx (180, 183 with a body …) with our Contact."""
        self._respond(status, None, self._contact(""), body, content_type if body else None)

    def accept(
        self,
        body: bytes = b"",
        content_type: str = "application/sdp",
        *,
        headers: Iterable[tuple[str, str]] = (),
        contact_user: str = "",
    ) -> None:
        """Answer 200 (repeated until ACK). `contact_user` defaults to the user of the Request-URI. Raises PeerError 487
        when it was cancelled before."""
        if self.end is not None:
            raise PeerError(f"call {self.call_id}: {self._end.result().by} before the answer", status=487)
        lines = [*self._contact(contact_user), *headers]
        self._respond(200, None, lines, body, content_type if body else None)

    async def acked(self, timeout: float | None = None) -> SipRequest:
        """Wait for the ACK (at most 32 s, or `timeout`). Raises LinkDown when it never came (BYE is sent then, RFC 3261
        §13.3.1.4), PeerError 487 when the call was cancelled or hung up before."""
        try:
            async with asyncio.timeout(timeout):
                request = await asyncio.shield(self._ack)
        except TimeoutError as exc:
            raise LinkDown(f"call {self.call_id}: no ACK in {timeout:g} s") from exc
        if request is None:
            end = self.end
            if end is not None and end.by == "link":
                raise LinkDown(f"call {self.call_id}: {end.detail}")
            raise PeerError(f"call {self.call_id} was over before its ACK", status=487)
        return request

    def reject(self, status: int, reason: str | None = None, *, headers: Iterable[tuple[str, str]] = ()) -> None:
        """A final answer of 300 or more; a call that is answered or over is left alone."""
        if self.end is not None or self._answered:
            return
        self._respond(status, reason, list(headers), b"", None)
        self._finish(CallEnd("local", f"{status}"))

    async def bye(self, *, headers: Iterable[tuple[str, str]] = ()) -> None:
        if self.end is not None:
            return
        if not self._answered:
            self.reject(480)
            return
        dialog = self._dialog
        self._finish(CallEnd("local"))
        if dialog is not None:
            await a_while(self._hang_up(dialog, headers))

    # — the engine's —

    def on_dialog_event(self, event: AckReceived | AckMissing | DialogEnded) -> None:
        if isinstance(event, AckReceived):
            if not self._ack.done():
                self._ack.set_result(event.request)
        else:
            super().on_dialog_event(event)

    def _on_cancelled(self) -> None:
        self._answered = True
        self._finish(CallEnd("cancelled"))

    def _contact(self, user: str) -> list[tuple[str, str]]:
        try:
            user = user or self.request.target.user
        except GatewayError:
            pass  # a tel: Request-URI; the Contact goes without a user
        return [("Contact", f"<{local_uri(user, self.hop)}>")]

    def _respond(
        self, status: int, reason: str | None, lines: list[tuple[str, str]], body: bytes, content_type: str | None
    ) -> None:
        if self._answered:
            raise LocalProtocolError("the call was answered before")
        if content_type is not None:
            lines = [*lines, ("Content-Type", content_type)]
        answer = respond(self.request, status, reason, lines, body)
        dialog = self._engine.core.respond(self._key, answer, self._engine.clock())
        if dialog is not None and self._dialog is None:
            self._live_in(dialog)
        if status >= 200:
            self._answered = True
            self._patience.cancel()
            self._engine.invites.pop(self._key, None)
        self._engine.pump()

    def _finish(self, end: CallEnd) -> None:
        super()._finish(end)
        self._engine.invites.pop(self._key, None)
        self._patience.cancel()
        if not self._ack.done():
            self._ack.set_result(None)
