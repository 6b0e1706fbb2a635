"""A call that we made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from gateway.base.errors import Busy, GatewayError, LinkDown, LocalProtocolError, PeerError, RemoteProtocolError
from gateway.net.sip.call import ANSWER_TIMEOUT_S, Call, CallEnd, a_while
from gateway.net.sip.engine import Engine
from gateway.net.sip.options import CallOptions
from gateway.net.sip.steer import Steer
from gateway.net.sip.ua import Ua, explained
from gateway.wire.digest import DigestClient
from gateway.wire.digest_auth import authorise, preauthorised
from gateway.wire.sip import CSeq, Hop, SipRequest, SipResponse, printable
from gateway.wire.sip.body import sdp_of
from gateway.wire.sip.dialog import Dialog
from gateway.wire.sip.events import (
    AckMissing,
    AckReceived,
    DialogEnded,
    PrackMissing,
    RequestFailed,
    ResponseReceived,
)
from gateway.wire.sip.reliable import rseq_of

MAX_TRIES = 5  # INVITEs sent for one call: challenges of several proxies, a 422
MAX_EARLY = 16  # early dialogs of one INVITE (forking); more are not talked in


class InviteCall(Call):
    """A call we made. Several 2xx (forking) are settled by us: the first is kept, the others get ACK and BYE."""

    def __init__(
        self,
        engine: Engine,
        request: SipRequest,
        hop: Hop,
        auth: DigestClient | None,
        options: CallOptions | None = None,
    ) -> None:
        super().__init__(engine, request, hop, auth)
        self._final: asyncio.Future[SipResponse | None] = asyncio.get_running_loop().create_future()
        self._provisional: list[Callable[[SipResponse], None]] = []
        self._acked = False
        self._giving_up = False
        self._error: GatewayError | None = None
        self._key = ""
        self._keys: list[str] = []
        self._early: dict[tuple[str, str, str], Dialog] = {}
        # Whose SDP is in force: the dialog's id, and the body that said so.
        self._agreed: tuple[tuple[str, str, str], bytes] | None = None
        if options is not None:
            self._steer = Steer(engine, options.follow)
            if options.session is not None:
                self.ua = Ua(self, options, options.session)
                self.request = self._dressed(self.ua, options)
        if auth is not None and self.ua is not None:
            self.request = preauthorised(auth, self.request)
        self._invite()

    async def answered(self, timeout: float | None = None) -> SipResponse:
        """Wait for the 2xx (then `ack`, which a media session makes needless); `timeout` defaults to 180 s. Raises
        PeerError(status) when refused, or when its SDP could not be taken, LinkDown when nobody answered (then it is
        cancelled as well)."""
        wait = ANSWER_TIMEOUT_S if timeout is None else timeout
        try:
            async with asyncio.timeout(wait):
                response = await asyncio.shield(self._final)
        except TimeoutError as exc:
            self._give_up("nobody answered")
            raise LinkDown(f"INVITE to {self.hop}: no answer in {wait:g} s", code="invite-timeout") from exc
        if self._error is not None:
            raise self._error
        if response is None:
            end = self.end
            raise LinkDown(f"INVITE to {self.hop}: {end.detail if end else 'ended'}", code="invite-timeout")
        if not response.ok:
            words = explained(response)
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
        if self.ua is None or not self._acked:
            self._ack(self._dialog, response, body, content_type)

    async def bye(self, *, headers: Iterable[tuple[str, str]] = ()) -> None:
        if self.end is not None:
            return
        response = self._final.result() if self._final.done() else None
        if response is not None and self._dialog is not None:
            if not self._acked:
                self._ack(self._dialog, response)
            self._finish(CallEnd("local"))
            await a_while(self._hang_up(self._dialog, headers))
        else:
            self._give_up("cancelled by us")
            await a_while(self._final)

    async def cancel(self) -> None:
        """Give up before the answer; the same as `bye`."""
        await self.bye()

    # — the engine's —

    @property
    def dialog(self) -> Dialog | None:
        return self._dialog or next(reversed(self._early.values()), None)

    def contact_user(self) -> str:
        contact = self.request.contact
        return "" if contact is None else contact.user

    def on_dialog_event(self, event: AckReceived | AckMissing | DialogEnded | PrackMissing) -> None:
        if self._dialog is None and isinstance(event, DialogEnded) and event.dialog.id in self._early:
            del self._early[event.dialog.id]
            self.engine.owners.pop(event.dialog.id, None)
            return
        super().on_dialog_event(event)

    def on_response(self, event: ResponseReceived) -> None:
        response = event.response
        if response.status < 200:
            if response.status > 100 and event.key == self._key:
                if self.ua is not None and self.end is None:
                    self._on_early(self.ua, event)
                for callback in self._provisional:
                    callback(response)
            return
        if response.ok:
            self._on_2xx(event)
            return
        again = None if self._giving_up or len(self._keys) >= MAX_TRIES else self._again(response)
        if again is not None:
            self.request = again
            try:
                self._invite()
            except GatewayError as exc:
                self._settle(None, CallEnd("link", str(exc)))
            return
        if self.ua is not None:
            self.ua.rolled_back()
        self._settle(response, CallEnd("refused", f"{response.status} {explained(response)}", response.status))

    def on_failed(self, event: RequestFailed) -> None:
        self._settle(None, CallEnd("link", "the connection is gone" if event.why == "link" else "no answer"))

    # — sending it —

    def _dressed(self, ua: Ua, options: CallOptions) -> SipRequest:
        """The INVITE with what a call of a media session says."""
        body = self.request.body if options.late or self.request.body else ua.offer()
        lines = [*ua.says(reliable=True), *ua.timer.asked()]
        if options.reliable == "required":
            lines.append(("Require", "100rel"))
        headers = self.request.headers.extend(lines)
        if body and "Content-Type" not in headers:
            headers = headers.add("Content-Type", "application/sdp")
        return SipRequest("INVITE", self.request.uri, headers, body)

    def _again(self, response: SipResponse) -> SipRequest | None:
        """The INVITE to send once more, or None."""
        if self._auth is not None:
            again = authorise(self._auth, self.request, response)
            if again is not None:
                return again
        if self.ua is None or response.status != 422 or not self.ua.timer.too_small(response):
            return None
        headers = self.request.headers.without("Session-Expires").without("Min-SE").extend(self.ua.timer.asked())
        return self.request.with_headers(headers.set("CSeq", str(CSeq(self.request.cseq.number + 1, "INVITE"))))

    def _invite(self) -> None:
        self._key = self.engine.core.request(self.request, self.hop, self.engine.clock())
        self._keys.append(self._key)
        self.engine.waiters[self._key] = self
        self.engine.pump()

    # — provisional answers —

    def _on_early(self, ua: Ua, event: ResponseReceived) -> None:
        dialog, response = event.dialog, event.response
        ua.learn(response)
        if dialog is None or (dialog.id not in self._early and len(self._early) >= MAX_EARLY):
            return
        if self._early.setdefault(dialog.id, dialog) is dialog:
            self.engine.owners[dialog.id] = self
            dialog.outlives_flow = self._steer is not None and self._steer.follows
        rseq, body, answer = rseq_of(response), sdp_of(response), b""
        try:
            if body and (self._agreed is None or (self._agreed[0] == dialog.id and self._agreed[1] != body)):
                answer = self._take(ua, dialog, body, reliable=rseq is not None)
        except RemoteProtocolError as exc:
            self._unusable(exc)
            return
        if rseq is not None:
            rack = f"{rseq} {response.cseq.number} INVITE"
            self.engine.nest.start(self._prack(dialog, rack, answer), f"PRACK {self.call_id}")

    def _take(self, ua: Ua, dialog: Dialog, body: bytes, *, reliable: bool) -> bytes:
        """SDP of a 1xx: the answer to our offer, or (reliable, and we made none) an offer; gives our answer to it."""
        if ua.offer_state == "sent":
            self._agreed = (dialog.id, body)
            if reliable:
                ua.answered(body)
            else:
                ua.session.answered(body)  # a foretaste (RFC 3261 §13.2.1): the 2xx says it again
            return b""
        if not reliable or ua.offer_state != "stable" or self._agreed is not None:
            return b""
        answer = ua.session.answer(body)
        self._agreed = (dialog.id, body)
        return answer

    async def _prack(self, dialog: Dialog, rack: str, answer: bytes) -> None:
        core, clock = self.engine.core, self.engine.clock
        await self.steer(dialog)
        if not dialog.alive:
            return
        send = partial(
            core.send_in_dialog,
            dialog,
            "PRACK",
            clock(),
            headers=[("RAck", rack)],
            body=answer,
            content_type="application/sdp" if answer else None,
        )
        try:
            await self.engine.exchange(send, f"PRACK to {dialog.hop}")
        except GatewayError:
            core.counters["pracks_lost"] += 1  # the peer repeats its 1xx, or gives the call up

    # — final answers —

    def _on_2xx(self, event: ResponseReceived) -> None:
        if event.dialog is None:
            self._settle(None, CallEnd("link", "a 2xx whose Contact or Record-Route can not be read"))
        elif self._dialog is event.dialog:
            return  # repeated before we acknowledged
        elif self._dialog is not None or self._giving_up or self.end is not None:
            # Another fork answered too, or the 2xx crossed our CANCEL: take it and hang up (§13.2.2.4, §9.1).
            self.engine.core.ack(event.dialog, event.response.cseq.number, self.engine.clock())
            self._hang_up(event.dialog)
            if not self._final.done():
                self._final.set_result(None)
        elif self.ua is None:
            self._live_in(event.dialog)
            if not self._final.done():
                self._final.set_result(event.response)
        else:
            self._begin(self.ua, event.dialog, event.response)

    def _begin(self, ua: Ua, dialog: Dialog, response: SipResponse) -> None:
        """Our call is answered: take its SDP, acknowledge, start the timer."""
        self._live_in(dialog)
        for identity in self._early:
            if identity != dialog.id:
                self.engine.owners.pop(identity, None)
        ua.learn(response)
        answer = b""
        try:
            answer = self._last_word(ua, dialog, sdp_of(response))
        except RemoteProtocolError as exc:
            self._ack(dialog, response)
            self._unusable(exc)
            return
        ua.timer.answered(response)

        def acknowledged() -> None:
            if self.end is None:
                self._ack(dialog, response, answer, "application/sdp" if answer else None)
                ua.clock.restart()
            if not self._final.done():
                self._final.set_result(response)
            self._confirm()

        if self._steer is None or self._steer.known(dialog):
            acknowledged()
            return

        async def steered() -> None:
            await self.steer(dialog)
            acknowledged()

        try:
            self.engine.nest.start(steered(), f"ACK {self.call_id}")
        except Busy:
            acknowledged()

    def _last_word(self, ua: Ua, dialog: Dialog, body: bytes) -> bytes:
        """SDP of the 2xx; gives the answer that its ACK must carry. Raises RemoteProtocolError."""
        before = self._agreed if self._agreed is not None and self._agreed[0] == dialog.id else None
        if before is not None:
            if ua.offer_state == "sent":  # only a foretaste so far
                if body and body != before[1]:
                    ua.answered(body)
                ua.offer_state = "stable"
            return b""
        late = not self.request.body
        if not body:
            raise RemoteProtocolError("a 200 without SDP")
        self._agreed = (dialog.id, body)
        if late:
            return ua.session.answer(body)
        ua.answered(body)
        return b""

    def _unusable(self, exc: RemoteProtocolError) -> None:
        """The peer's SDP can not be taken: the call ends here, and it is told why."""
        words = printable(str(exc))
        self._error = PeerError(f"INVITE to {self.hop}: its SDP can not be taken: {words}", status=488)
        if self._dialog is None:
            self._give_up(words)
        else:
            dialog = self._dialog
            self._finish(CallEnd("local", words, 488))
            self._hang_up(dialog, [("Reason", 'SIP;cause=488;text="SDP not acceptable"')])
        if not self._final.done():
            self._final.set_result(None)

    def _ack(self, dialog: Dialog, response: SipResponse, body: bytes = b"", content_type: str | None = None) -> None:
        self._acked = True
        clock = self.engine.clock
        self.engine.core.ack(dialog, response.cseq.number, clock(), body=body, content_type=content_type)
        self.engine.pump()
        if self.ua is None:
            self._confirm()

    def _give_up(self, detail: str) -> None:
        self._giving_up = True
        self.engine.core.cancel(self._key, self.engine.clock())
        if self.ua is not None:
            self.ua.rolled_back()
        self._finish(CallEnd("local", detail))
        self.engine.pump()

    def _settle(self, response: SipResponse | None, end: CallEnd) -> None:
        if not self._final.done():
            self._final.set_result(response)
        self._finish(end)

    def _take_contact(self, contact: str) -> None:
        self.request = self.request.with_headers(self.request.headers.set("Contact", contact))
        if not self._final.done():
            self.engine.core.move(self._key, self.hop)

    def _dialogs(self) -> list[Dialog]:
        early = list(self._early.values())
        return early if self._dialog is None or self._dialog in early else [*early, self._dialog]

    def _finish(self, end: CallEnd) -> None:
        super()._finish(end)
        if not self._giving_up:
            self._release()

    def _release(self) -> None:
        # Late 2xx are answered by the core with the ACK it keeps; nobody else waits for this INVITE.
        for key in self._keys:
            self.engine.waiters.pop(key, None)
