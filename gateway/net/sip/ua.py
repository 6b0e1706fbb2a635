"""What a call with a media session does by itself: offer and answer, session timer, changes by the peer, INFO, REFER.

The rules: RFC 3264 and 6337 (who may offer when), 3311 (UPDATE), 4028 (timer), 3261 §14 (re-INVITE). One `Ua` a call.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal

from gateway.base.errors import Busy, GatewayError, LocalProtocolError, RemoteProtocolError
from gateway.net.sip.incoming import IncomingRequest, run_handler
from gateway.net.sip.options import CallOptions, SdpSession
from gateway.net.sip.refresh import RefreshClock
from gateway.net.sip.transfer import Referral, Transfer
from gateway.wire.sip.body import foreign, sdp_of
from gateway.wire.sip.events import RequestReceived
from gateway.wire.sip.headers import quote_text
from gateway.wire.sip.message import SipMessage, SipRequest, SipResponse
from gateway.wire.sip.session_timer import SessionTimer
from gateway.wire.textmsg import printable

if TYPE_CHECKING:
    from gateway.net.sip.call import Call

Handler = Callable[[IncomingRequest], Awaitable[None]]

MAX_INFOS = 64  # INFOs of one call that wait for their handler; more are answered 500 with Retry-After
MAX_TRANSFERS = 16


class Ua:
    def __init__(self, call: Call, options: CallOptions, session: SdpSession) -> None:
        self.call = call
        self.options = options
        self.session = session
        self.timer = SessionTimer(options.session_expires_s, options.min_se_s, options.refresher)
        self.clock = RefreshClock(self.timer, self._refresh_due, self._run_out)
        # "sent": ours waits for an answer; "received": the peer's is answered in a message that is still to be sent.
        self.offer_state: Literal["stable", "sent", "received"] = "stable"
        self.allow: frozenset[str] | None = None  # of the peer; None: it never said
        self.supported: frozenset[str] = frozenset()
        self.offered_in = 0  # CSeq of the peer's INVITE whose 200 carried our offer: its ACK has the answer
        self.quiet = asyncio.Event()  # no INVITE of the peer waits for its ACK
        self.quiet.set()
        self.turn = asyncio.Lock()  # one change of ours at a time
        self.info_turn = asyncio.Lock()
        self.on_info: Handler | None = None
        self.on_refer: Callable[[Referral], Awaitable[None]] | None = None
        self.on_change: Callable[[], None] | None = None
        self._infos: deque[IncomingRequest] = deque()
        self._info_runs = False
        self.transfers: dict[int, Transfer] = {}

    # — what both sides say of themselves —

    @property
    def contact(self) -> str:
        dialog = self.call.dialog
        return (dialog.contact if dialog is not None else None) or self.call.own_contact()

    def says(self, *, reliable: bool = False) -> list[tuple[str, str]]:
        """Allow and Supported of our INVITEs, UPDATEs and their answers. Without `reliable`, 100rel is left out: a
        re-INVITE is answered at once or not at all here."""
        tags = ["timer", "replaces", "norefersub"]
        if reliable and self.options.reliable != "off":
            tags.insert(0, "100rel")
        return [("Allow", ", ".join(self.options.allow)), ("Supported", ", ".join(tags))]

    def learn(self, message: SipMessage) -> None:
        """What the peer can, by any message of its."""
        if "Allow" in message.headers:
            self.allow = frozenset(method.upper() for method in message.values("Allow"))
        if "Supported" in message.headers or "Require" in message.headers:
            self.supported = frozenset(t.lower() for n in ("Supported", "Require") for t in message.values(n))

    def allows(self, method: str) -> bool:
        """A peer that says nothing takes the methods of RFC 3261 only."""
        return method in ({"INVITE", "BYE", "ACK", "CANCEL", "OPTIONS"} if self.allow is None else self.allow)

    # — offer and answer —

    def offer(self) -> bytes:
        body = self.session.offer()
        self.offer_state = "sent"
        return body

    def answered(self, body: bytes) -> None:
        """Raises RemoteProtocolError."""
        self.offer_state = "stable"
        self.session.answered(body)

    def rolled_back(self) -> None:
        if self.offer_state == "sent":
            self.offer_state = "stable"
            self.session.rolled_back()

    # — what the peer asks —

    def on_request(self, event: RequestReceived) -> bool:
        request = event.request
        self.learn(request)
        method = request.method
        if method in ("INVITE", "UPDATE"):
            self._change(IncomingRequest(self.call.engine, event))
        elif method == "INFO" and self.on_info is not None:
            self._queue_info(IncomingRequest(self.call.engine, event))
        elif method == "REFER" and self.on_refer is not None:
            self._referred(IncomingRequest(self.call.engine, event))
        elif method == "NOTIFY" and self._is_refer(request):
            self._notified(event)
        elif method == "OPTIONS":
            answer = IncomingRequest(self.call.engine, event)
            answer.respond(200, headers=[*self.says(reliable=True), ("Accept", "application/sdp")])
        else:
            return False
        return True

    def _change(self, incoming: IncomingRequest) -> None:
        """The peer's re-INVITE or UPDATE, answered at once."""
        request = incoming.request
        body = sdp_of(request)
        small = self.timer.refused(request)
        if small is not None:
            incoming.respond(422, headers=small)
        elif foreign(request):
            incoming.respond(415, headers=[("Accept", "application/sdp")])
        elif self.offer_state == "sent" and (body or request.method == "INVITE"):
            incoming.respond(491)  # RFC 3311 §5.2
        elif self.offer_state == "received" and (body or request.method == "INVITE"):
            incoming.respond(500, headers=[("Retry-After", "2")])
        else:
            self._take(incoming, body)

    def _take(self, incoming: IncomingRequest, offer: bytes) -> None:
        request = incoming.request
        answer = b""
        try:
            if offer:
                answer = self.session.answer(offer)
            elif request.method == "INVITE":
                answer = self.offer()
                self.offered_in = request.cseq.number
        except RemoteProtocolError as exc:
            incoming.respond(488, headers=[warning(exc, self.call.hop.local[0])])  # what stood before stands
            return
        headers = [("Contact", self.contact), *self.says(), *self.timer.answer(request)]
        if request.method == "INVITE":
            self.quiet.clear()
        incoming.respond(200, headers=headers, body=answer, content_type="application/sdp" if answer else None)
        self.clock.restart()
        if self.on_change is not None and (answer or request.method == "INVITE"):
            self.on_change()

    def _queue_info(self, incoming: IncomingRequest) -> None:
        if len(self._infos) >= MAX_INFOS:
            incoming.respond(500, headers=[("Retry-After", "1")])
            return
        self._infos.append(incoming)
        if not self._info_runs:
            self._info_runs = True
            try:
                self.call.engine.nest.start(self._run_infos(), f"INFO {self.call.call_id}")
            except Busy:
                self._info_runs = False
                self._infos.pop().respond(503, headers=[("Retry-After", "5")])

    async def _run_infos(self) -> None:
        """One after the other, in the order in which they came."""
        try:
            while self._infos and self.on_info is not None:
                incoming = self._infos.popleft()
                try:
                    await self.on_info(incoming)
                    if not incoming.answered:
                        incoming.respond(200)
                except Exception as exc:
                    self.call.engine.log_failure(f"INFO of {incoming.hop}", exc)
                    if not incoming.answered:
                        incoming.respond(500)
        finally:
            self._info_runs = False

    def _referred(self, incoming: IncomingRequest) -> None:
        try:
            referral = Referral(self, incoming)
        except RemoteProtocolError:
            incoming.respond(400)
            return
        handler = self.on_refer
        assert handler is not None, "asked for before"  # noqa: S101

        async def refer(_: IncomingRequest) -> None:
            await handler(referral)

        run_handler(self.call.engine, refer, incoming)

    def _is_refer(self, request: SipRequest) -> bool:
        return (request.headers.get("Event") or "").partition(";")[0].strip().lower() == "refer"

    def _notified(self, event: RequestReceived) -> None:
        incoming = IncomingRequest(self.call.engine, event)
        number = (event.request.headers.get("Event") or "").lower().partition("id=")[2].strip()
        wanted = int(number) if number.isascii() and number.isdigit() and len(number) < 12 else None
        found = self.transfers.get(wanted) if wanted is not None else next(reversed(self.transfers.values()), None)
        if found is None:
            incoming.respond(481)
            return
        incoming.respond(200)
        found.notified(event)
        if found.over:
            self.transfers.pop(found.seq, None)

    # — the timer —

    def _refresh_due(self) -> None:
        try:
            self.call.engine.nest.start(self._refresh(), f"refresh {self.call.call_id}")
        except Busy:
            pass  # the next thing that happens is that it runs out, which is said

    async def _refresh(self) -> None:
        try:
            await self.call.modify(offer=not self.allows("UPDATE"))
        except (GatewayError, LocalProtocolError) as exc:
            self.call.engine.log_failure(f"session refresh of {self.call.call_id}", exc)

    def _run_out(self) -> None:
        self.call.run_out()

    # — the end —

    def acknowledged(self, ack: SipRequest) -> None:
        """The ACK of our 200: with the answer, where that 200 carried our offer. Raises RemoteProtocolError."""
        self.quiet.set()
        if self.offered_in != ack.cseq.number or self.offer_state != "sent":
            return
        self.offered_in = 0
        body = sdp_of(ack)
        try:
            if not body:
                raise RemoteProtocolError("an ACK without the answer to our offer")
            self.answered(body)
        except RemoteProtocolError:
            self.rolled_back()
            raise

    def close(self) -> None:
        self.quiet.set()
        self.clock.stop()
        for transfer in self.transfers.values():
            transfer.end(0)
        self.transfers.clear()


def warning(exc: Exception, host: str) -> tuple[str, str]:
    """A Warning header with the reason in words (RFC 3261 §20.43)."""
    code = getattr(exc, "warning", 399)
    words = printable(str(exc)).encode("ascii", "replace").decode()[:200]
    host = f"[{host}]" if ":" in host else host
    return ("Warning", f"{code} {host} {quote_text(words)}")


def explained(response: SipResponse) -> str:
    """The words of a refusal: its Warning's text, else its Reason header's, else its phrase."""
    for value in response.headers.all("Warning")[:4]:
        _, quote, text = value.partition('"')
        if quote:
            return printable(text.rpartition('"')[0] or text)[:200]
    return printable(response.reason)[:200]
