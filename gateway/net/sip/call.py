"""Calls: an INVITE and the dialog it makes, seen from either side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from gateway.base.errors import Busy, GatewayError, LinkDown, LocalProtocolError, PeerError
from gateway.net.sip.engine import Engine, authorised
from gateway.net.sip.incoming import IncomingRequest
from gateway.wire.digest import DigestClient
from gateway.wire.sip import Hop, SipRequest, SipResponse, local_uri, printable, respond
from gateway.wire.sip.dialog import Dialog
from gateway.wire.sip.events import (
    AckMissing,
    AckReceived,
    DialogEnded,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
)

ANSWER_TIMEOUT_S = 180.0  # how long a phone may ring (RFC 3261 §16.6, timer C)
GOODBYE_S = 4.0  # how long `bye` waits; the repeats go on behind it


@dataclass(frozen=True, slots=True)
class CallEnd:
    """`by`: who ended it. "link" is a transaction that ran out or a connection that broke; "cancelled" is CANCEL of a
    call that came in; "refused" a final answer of 300 or more. `detail` is for people."""

    by: Literal["local", "remote", "link", "cancelled", "refused"]
    detail: str = ""


class _Call:
    """`request` is the INVITE as last sent or as received."""

    def __init__(self, engine: Engine, request: SipRequest, hop: Hop) -> None:
        loop = asyncio.get_running_loop()
        self._engine = engine
        self.request = request
        self.hop = hop
        self.call_id: str = request.call_id
        self._dialog: Dialog | None = None
        self._end: asyncio.Future[CallEnd] = loop.create_future()
        self._handler: Callable[[IncomingRequest], Awaitable[None]] | None = None

    @property
    def end(self) -> CallEnd | None:
        """How it ended; None while it lives."""
        return self._end.result() if self._end.done() else None

    async def ended(self) -> CallEnd:
        """Wait until the call is over (BYE by either side, refusal, time-out, cancel)."""
        return await asyncio.shield(self._end)

    async def bye(self, *, headers: Iterable[tuple[str, str]] = ()) -> None:
        """End it from our side: BYE when confirmed, CANCEL (and BYE if a 2xx crosses it) before. Returns when
        answered, or after 4 s with the repeats going on; never raises for a peer's failure; a call that is over is
        left alone."""
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
        """A request inside the dialog (INFO, MESSAGE, re-INVITE, which is acknowledged here). Any final response; a
        481 or 408 ends the call. Raises LinkDown."""
        dialog = self._dialog
        what = f"{method} to {self.hop}"
        if dialog is None or not dialog.alive or not self._engine.alive(self.hop):
            raise LinkDown(f"{what}: the call is over")
        send = partial(
            self._engine.core.send_in_dialog,
            dialog,
            method,
            self._engine.clock(),
            headers=list(headers),
            body=body,
            content_type=content_type,
        )
        response = await self._engine.exchange(send, what, timeout)
        if method == "INVITE" and response.ok:
            self._engine.core.ack(dialog, response.cseq.number, self._engine.clock())
            self._engine.pump()
        return response

    def on_request(self, handler: Callable[[IncomingRequest], Awaitable[None]]) -> None:
        """Requests of the peer inside this dialog (INFO, MESSAGE, re-INVITE; BYE is answered by us). Without a handler
        they go to the endpoint's handlers."""
        self._handler = handler

    # — the engine's —

    def on_dialog_request(self, event: RequestReceived) -> bool:
        if self._handler is None:
            return False
        incoming = IncomingRequest(self._engine, event)
        run_handler(self._engine, self._handler, incoming)
        return True

    def on_dialog_event(self, event: AckReceived | AckMissing | DialogEnded) -> None:
        if event.dialog is not self._dialog:
            return
        if isinstance(event, DialogEnded):
            self._finish(CallEnd(event.by, event.detail))
        elif isinstance(event, AckMissing):
            self._finish(CallEnd("link", "our 200 was never acknowledged"))
            self._hang_up(event.dialog)

    def _live_in(self, dialog: Dialog) -> None:
        self._dialog = dialog
        self._engine.owners[dialog.id] = self

    def _finish(self, end: CallEnd) -> None:
        if not self._end.done():
            self._end.set_result(end)
        if self._dialog is not None:
            self._engine.owners.pop(self._dialog.id, None)

    def _hang_up(self, dialog: Dialog, headers: Iterable[tuple[str, str]] = ()) -> asyncio.Task[None] | None:
        """BYE, repeated in the background until answered; None when it can not be sent."""
        if not dialog.alive or not self._engine.alive(dialog.hop):
            return None
        core, clock = self._engine.core, self._engine.clock
        send = partial(core.send_in_dialog, dialog, "BYE", clock(), headers=list(headers))

        async def goodbye() -> None:
            try:
                await self._engine.exchange(send, f"BYE to {dialog.hop}")
            except GatewayError:
                core.dialogs.end(dialog, clock())

        try:
            return self._engine.nest.start(goodbye(), f"BYE {self.call_id}")
        except Busy:
            core.dialogs.end(dialog, clock())
            return None


class InviteCall(_Call):
    """A call we made. Several 2xx (forking) are settled by us: the first is kept, the others get ACK and BYE."""

    def __init__(self, engine: Engine, request: SipRequest, hop: Hop, auth: DigestClient | None) -> None:
        super().__init__(engine, request, hop)
        self._auth = auth
        self._final: asyncio.Future[SipResponse | None] = asyncio.get_running_loop().create_future()
        self._provisional: list[Callable[[SipResponse], None]] = []
        self._acked = False
        self._giving_up = False
        self._key = ""
        self._keys: list[str] = []
        self._invite()

    async def answered(self, timeout: float | None = None) -> SipResponse:
        """Wait for the 2xx (then `ack`); `timeout` defaults to 180 s. Raises PeerError(status) when refused, LinkDown
        when nobody answered (then it is cancelled as well)."""
        wait = ANSWER_TIMEOUT_S if timeout is None else timeout
        try:
            async with asyncio.timeout(wait):
                response = await asyncio.shield(self._final)
        except TimeoutError as exc:
            self._give_up("nobody answered")
            raise LinkDown(f"INVITE to {self.hop}: no answer in {wait:g} s", code="invite-timeout") from exc
        if response is None:
            end = self.end
            raise LinkDown(f"INVITE to {self.hop}: {end.detail if end else 'ended'}", code="invite-timeout")
        if not response.ok:
            words = printable(response.reason)
            raise PeerError(f"INVITE to {self.hop}: {response.status} {words}", status=response.status)
        return response

    def on_provisional(self, callback: Callable[[SipResponse], None]) -> None:
        """Each 1xx but 100."""
        self._provisional.append(callback)

    async def ack(self, body: bytes = b"", content_type: str | None = None) -> None:
        """Acknowledge the 2xx; from then on every repeated 2xx is answered by the same ACK without being asked."""
        response = self._final.result() if self._final.done() else None
        if self._dialog is None or response is None or not response.ok:
            raise LocalProtocolError("ACK without a 2xx")
        self._ack(self._dialog, response, body, content_type)

    async def bye(self, *, headers: Iterable[tuple[str, str]] = ()) -> None:
        if self.end is not None:
            return
        response = self._final.result() if self._final.done() else None
        if response is not None and self._dialog is not None:
            if not self._acked:
                self._ack(self._dialog, response)
            self._finish(CallEnd("local"))
            await _a_while(self._hang_up(self._dialog, headers))
        else:
            self._give_up("cancelled by us")
            await _a_while(self._final)

    async def cancel(self) -> None:
        """Give up before the answer; the same as `bye`."""
        await self.bye()

    # — the engine's —

    def on_response(self, event: ResponseReceived) -> None:
        response = event.response
        if response.status < 200:
            if response.status > 100 and event.key == self._key:
                for callback in self._provisional:
                    callback(response)
            return
        if response.ok:
            self._on_2xx(event)
            return
        again = authorised(self.request, response, self._auth) if len(self._keys) == 1 else None
        if again is not None and not self._giving_up:
            self.request = again
            try:
                self._invite()
            except GatewayError as exc:
                self._settle(None, CallEnd("link", str(exc)))
            return
        self._settle(response, CallEnd("refused", f"{response.status} {printable(response.reason)}"))

    def on_failed(self, event: RequestFailed) -> None:
        self._settle(None, CallEnd("link", "the connection is gone" if event.why == "link" else "no answer"))

    def _invite(self) -> None:
        self._key = self._engine.core.request(self.request, self.hop, self._engine.clock())
        self._keys.append(self._key)
        self._engine.waiters[self._key] = self
        self._engine.pump()

    def _on_2xx(self, event: ResponseReceived) -> None:
        if event.dialog is None:
            self._settle(None, CallEnd("link", "a 2xx whose Contact or Record-Route can not be read"))
        elif self._dialog is event.dialog:
            return  # repeated before we acknowledged
        elif self._dialog is not None or self._giving_up or self.end is not None:
            # Another fork answered too, or the 2xx crossed our CANCEL: take it and hang up (§13.2.2.4, §9.1).
            self._engine.core.ack(event.dialog, event.response.cseq.number, self._engine.clock())
            self._hang_up(event.dialog)
            if not self._final.done():
                self._final.set_result(None)
        else:
            self._live_in(event.dialog)
            if not self._final.done():
                self._final.set_result(event.response)

    def _ack(self, dialog: Dialog, response: SipResponse, body: bytes = b"", content_type: str | None = None) -> None:
        self._acked = True
        clock = self._engine.clock
        self._engine.core.ack(dialog, response.cseq.number, clock(), body=body, content_type=content_type)
        self._engine.pump()

    def _give_up(self, detail: str) -> None:
        self._giving_up = True
        self._engine.core.cancel(self._key, self._engine.clock())
        self._finish(CallEnd("local", detail))
        self._engine.pump()

    def _settle(self, response: SipResponse | None, end: CallEnd) -> None:
        if not self._final.done():
            self._final.set_result(response)
        self._finish(end)

    def _finish(self, end: CallEnd) -> None:
        super()._finish(end)
        if not self._giving_up:
            self._release()

    def _release(self) -> None:
        # Late 2xx are answered by the core with the ACK it keeps; nobody else waits for this INVITE.
        for key in self._keys:
            self._engine.waiters.pop(key, None)


class IncomingCall(_Call):
    """A call that came in. 100 Trying was sent already. Answer with `accept` or `reject`."""

    def __init__(self, engine: Engine, event: RequestReceived) -> None:
        super().__init__(engine, event.request, event.hop)
        self._key = event.key
        self._answered = False
        self._ack: asyncio.Future[SipRequest | None] = asyncio.get_running_loop().create_future()
        engine.invites[event.key] = self._on_cancelled

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
        """A final answer of 300 or more."""
        if self.end is not None:
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
            await _a_while(self._hang_up(dialog, headers))

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
            self._engine.invites.pop(self._key, None)
        self._engine.pump()

    def _finish(self, end: CallEnd) -> None:
        super()._finish(end)
        self._engine.invites.pop(self._key, None)
        if not self._ack.done():
            self._ack.set_result(None)


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
            incoming.respond(500)

    try:
        engine.nest.start(work(), f"SIP {incoming.request.method}", failed)
    except Busy:
        engine.core.counters["full"] += 1
        incoming.respond(503, headers=[("Retry-After", "5")])


async def _a_while(work: asyncio.Future[SipResponse | None] | asyncio.Task[None] | None) -> None:
    if work is not None:
        await asyncio.wait([work], timeout=GOODBYE_S)
