"""A call that came in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from gateway.base.errors import GatewayError, LinkDown, LocalProtocolError, PeerError, RemoteProtocolError
from gateway.net.sip.call import ANSWER_TIMEOUT_S, Call, CallEnd, a_while
from gateway.net.sip.engine import Engine
from gateway.net.sip.incoming import IncomingRequest
from gateway.net.sip.options import CallOptions
from gateway.net.sip.steer import Steer
from gateway.net.sip.ua import Ua, warning
from gateway.wire.sip import SipRequest, local_uri, respond
from gateway.wire.sip.body import foreign, sdp_of
from gateway.wire.sip.events import AckMissing, AckReceived, DialogEnded, PrackMissing, RequestReceived
from gateway.wire.sip.refer import Replaces

MAX_WAITING = 8  # provisional answers that wait for the PRACK of the one before; more replace the last

_Answer = tuple[int, list[tuple[str, str]], bytes]


class IncomingCall(Call):
    """A call that came in. 100 Trying was sent already. Answer with `accept` or `reject`; after 180 s without either it
    is refused with 408. For a call with a media session say `use` first."""

    def __init__(self, engine: Engine, event: RequestReceived) -> None:
        super().__init__(engine, event.request, event.hop)
        self._key = event.key
        self._answered = False
        self._user = ""
        self._ack: asyncio.Future[SipRequest | None] = asyncio.get_running_loop().create_future()
        self._answer = b""  # ours to the offer in the INVITE
        self._answer_told = False  # in a reliable 1xx
        self._waiting: list[_Answer] = []
        engine.invites[event.key] = self._on_cancelled
        # A caller that vanished while it rang sends no CANCEL.
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(ANSWER_TIMEOUT_S, self.reject, 408)

    @property
    def answered(self) -> bool:
        """Whether a final answer was given (by us, or 487 by a CANCEL)."""
        return self._answered

    @property
    def offered(self) -> bool:
        """Whether the INVITE has SDP."""
        return bool(sdp_of(self.request))

    @property
    def replaces(self) -> Replaces | None:
        """The call that this one is to take the place of (RFC 3891). Raises RemoteProtocolError when malformed."""
        return Replaces.of(self.request)

    def use(self, options: CallOptions) -> None:
        """Let the call do its media by `options.session`. The offer is answered at once, and told with `ringing` or
        `accept`. What can not be done is refused here (415, 420, 421, 422, 488 with its words) and raised as
        PeerError(status)."""
        self._steer = Steer(self.engine, options.follow)
        self._steer.met_behind_nat(self.request, self.hop)
        if options.session is None:
            return
        ua = self.ua = Ua(self, options, options.session)
        ua.learn(self.request)
        required = {tag.lower() for tag in self.request.values("Require")}
        if foreign(self.request):
            self._refuse(415, ("Accept", "application/sdp"))
        elif "100rel" in required and options.reliable == "off":
            self._refuse(420, ("Unsupported", "100rel"))
        elif options.reliable == "required" and "100rel" not in ua.supported:
            self._refuse(421, ("Require", "100rel"))
        elif (small := ua.timer.refused(self.request)) is not None:
            self._refuse(422, *small)
        offer = sdp_of(self.request)
        if not offer:
            return
        try:
            self._answer = options.session.answer(offer)
        except RemoteProtocolError as exc:
            self._refuse(488, warning(exc, self.hop.local[0]), words=str(exc))
        ua.offer_state = "received"

    def ringing(
        self,
        status: int = 180,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        media: bool = False,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """A 1xx with our Contact. `media` puts our SDP in: the answer, or our offer where the INVITE had none and the
        peer takes 100rel (else it is left out). Sent reliably where the peer requires it, or supports it and there is
        SDP; then the next one waits for its PRACK."""
        lines = [*self._contact(""), *headers]
        if self.ua is None:
            self._respond(status, lines, body, content_type if body else None)
            return
        if self.end is not None or self._answered:
            return
        answer = (status, [*lines, *self.ua.says(reliable=True)], self._early_sdp(self.ua) if media else b"")
        if self.engine.core.reliables.waiting(self._key):
            self._waiting[MAX_WAITING - 1 :] = [answer]
        else:
            self._progress(self.ua, answer)

    def accept(
        self,
        body: bytes = b"",
        content_type: str = "application/sdp",
        *,
        headers: Iterable[tuple[str, str]] = (),
        contact_user: str = "",
    ) -> None:
        """Answer 200 (repeated until ACK), after the PRACK of a reliable 1xx that waits for one. `contact_user` is
        the user of the Request-URI unless given. With a media session the body is ours. Raises PeerError 487
        when it was cancelled before."""
        if self.end is not None:
            raise PeerError(f"call {self.call_id}: {self._end.result().by} before the answer", status=487)
        lines = [*self._contact(contact_user), *headers]
        if self.ua is None:
            self._respond(200, lines, body, content_type if body else None)
        elif self.engine.core.reliables.waiting(self._key):
            self._waiting.append((200, lines, b""))
        else:
            self._take_up(self.ua, lines)

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
        self._respond(status, list(headers), b"", None, reason)
        self._finish(CallEnd("local", f"{status}", status))

    def drop(self) -> None:
        """Forget it without a final answer (a guesser learns nothing); `ended` says "local"."""
        if self.end is None and not self._answered:
            self._answered = True
            self.engine.core.drop(self._key)
            self._finish(CallEnd("local", "dropped"))

    async def bye(self, *, headers: Iterable[tuple[str, str]] = ()) -> None:
        if self.end is not None:
            return
        if not self._answered:
            self.reject(480, headers=headers)
            return
        dialog = self._dialog
        self._finish(CallEnd("local"))
        if dialog is not None:
            await a_while(self._hang_up(dialog, headers))

    # — the engine's —

    def on_dialog_request(self, event: RequestReceived) -> bool:
        if self.ua is not None and event.request.method == "PRACK":
            self._pracked(self.ua, IncomingRequest(self.engine, event))
            return True
        return super().on_dialog_request(event)

    def on_dialog_event(self, event: AckReceived | AckMissing | DialogEnded | PrackMissing) -> None:
        if isinstance(event, PrackMissing):
            self.reject(504, headers=[("Reason", 'SIP;cause=504;text="no PRACK"')])
        else:
            super().on_dialog_event(event)

    def contact_user(self) -> str:
        if self._user:
            return self._user
        try:
            return self.request.target.user
        except GatewayError:
            return ""  # a tel: Request-URI; the Contact goes without a user

    def own_contact(self) -> str:
        return f"<{local_uri(self.contact_user(), self.hop)}>"

    def _acknowledged(self, ack: SipRequest) -> bool:
        if not super()._acknowledged(ack):
            return False
        if self.ua is not None and not self._up.done():
            self.ua.clock.restart()
        self._confirm()
        if not self._ack.done():
            self._ack.set_result(ack)
        return True

    def _pracked(self, ua: Ua, incoming: IncomingRequest) -> None:
        """The PRACK of our reliable 1xx: with the answer to our offer, or an offer of its own (RFC 3262 §5)."""
        body, answer = sdp_of(incoming.request), b""
        try:
            if ua.offer_state == "sent":
                if not body:
                    raise RemoteProtocolError("a PRACK without the answer to our offer")
                ua.answered(body)
            elif body:
                answer = ua.session.answer(body)
        except RemoteProtocolError as exc:
            incoming.respond(488, headers=[warning(exc, self.hop.local[0])])
            ua.rolled_back()
            self.reject(488, headers=[warning(exc, self.hop.local[0])])
            return
        incoming.respond(200, body=answer, content_type="application/sdp" if answer else None)
        while self._waiting and not self.engine.core.reliables.waiting(self._key):
            status, lines, sdp = self._waiting.pop(0)
            if status >= 200:
                self._waiting.clear()
                self._take_up(ua, lines)
            else:
                self._progress(ua, (status, lines, sdp))

    def _on_cancelled(self) -> None:
        self._answered = True
        self._finish(CallEnd("cancelled"))

    # — answering —

    def _early_sdp(self, ua: Ua) -> bytes:
        if self._answer:
            return self._answer
        can = "100rel" in ua.supported and ua.options.reliable != "off"
        return ua.offer() if can and not self.offered and ua.offer_state == "stable" and not self._answer_told else b""

    def _progress(self, ua: Ua, answer: _Answer) -> None:
        status, lines, sdp = answer
        required = "100rel" in {tag.lower() for tag in self.request.values("Require")}
        reliable = status > 100 and (required or (bool(sdp) and "100rel" in ua.supported))
        reliable = reliable and ua.options.reliable != "off"
        self._respond(status, lines, sdp, "application/sdp" if sdp else None, reliable=reliable)
        if sdp and reliable:
            self._answer_told = True
            if ua.offer_state == "received":
                ua.offer_state = "stable"

    def _take_up(self, ua: Ua, lines: list[tuple[str, str]]) -> None:
        body = b""
        if not self._answer_told:
            body = self._answer
            if not body:
                body, ua.offered_in = ua.offer(), self.request.cseq.number
        if ua.offer_state == "received":
            ua.offer_state = "stable"
        lines = [*lines, *ua.says(reliable=True), *ua.timer.answer(self.request)]
        self._respond(200, lines, body, "application/sdp" if body else None)

    def _refuse(self, status: int, *headers: tuple[str, str], words: str = "") -> None:
        self.reject(status, headers=headers)
        raise PeerError(f"call {self.call_id} from {self.hop}: refused with {status} {words}".rstrip(), status=status)

    def _contact(self, user: str) -> list[tuple[str, str]]:
        self._user = user or self._user
        return [("Contact", self.own_contact())]

    def _take_contact(self, contact: str) -> None:
        if not self._answered:
            self.engine.core.move(self._key, self.hop)

    def _respond(
        self,
        status: int,
        lines: list[tuple[str, str]],
        body: bytes,
        content_type: str | None,
        reason: str | None = None,
        *,
        reliable: bool = False,
    ) -> None:
        if self._answered:
            raise LocalProtocolError("the call was answered before")
        if content_type is not None:
            lines = [*lines, ("Content-Type", content_type)]
        answer = respond(self.request, status, reason, lines, body)
        dialog = self.engine.core.respond(self._key, answer, self.engine.clock(), reliable=reliable)
        if dialog is not None and self._dialog is None:
            self._live_in(dialog)
        if status >= 200:
            self._answered = True
            self._patience.cancel()
            self.engine.invites.pop(self._key, None)
        self.engine.pump()

    def _finish(self, end: CallEnd) -> None:
        super()._finish(end)
        self.engine.invites.pop(self._key, None)
        self._patience.cancel()
        if not self._ack.done():
            self._ack.set_result(None)
