"""A call: the dialog of an INVITE, seen from either side. What both sides share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from gateway.base.errors import Busy, GatewayError, LinkDown, LocalProtocolError, RemoteProtocolError
from gateway.net.sip import changes
from gateway.net.sip.engine import Engine
from gateway.net.sip.incoming import IncomingRequest, run_handler
from gateway.net.sip.steer import Steer
from gateway.net.sip.transfer import Referral, Transfer
from gateway.net.sip.ua import Ua
from gateway.wire.digest import DigestClient
from gateway.wire.digest_auth import credentials, known_credentials
from gateway.wire.sip import Headers, Hop, NameAddr, SipRequest, SipResponse
from gateway.wire.sip.dialog import Dialog
from gateway.wire.sip.events import AckMissing, AckReceived, DialogEnded, PrackMissing, RequestReceived

ANSWER_TIMEOUT_S = 180.0  # how long a phone may ring (RFC 3261 §16.6, timer C)
GOODBYE_S = 4.0  # how long `bye` waits; the repeats go on behind it


@dataclass(frozen=True, slots=True)
class CallEnd:
    """`by`: who ended it. "link" is a transaction that ran out or a connection that broke; "cancelled" is CANCEL of a
    call that came in; "refused" a final answer of 300 or more, its `status`. `detail` is for people."""

    by: Literal["local", "remote", "link", "cancelled", "refused"]
    detail: str = ""
    status: int = 0


class Call:
    """`request` is the INVITE as last sent or as received. `hop` is the way it goes now."""

    def __init__(self, engine: Engine, request: SipRequest, hop: Hop, auth: DigestClient | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.engine = engine
        self.request = request
        self.hop = hop
        self.call_id: str = request.call_id
        self.ua: Ua | None = None
        self._auth = auth
        self._dialog: Dialog | None = None
        self._steer: Steer | None = None
        self._end: asyncio.Future[CallEnd] = loop.create_future()
        self._up: asyncio.Future[None] = loop.create_future()  # confirmed, or over
        self._handler: Callable[[IncomingRequest], Awaitable[None]] | None = None
        self._moved = False

    # — how it stands —

    @property
    def end(self) -> CallEnd | None:
        """How it ended; None while it lives."""
        return self._end.result() if self._end.done() else None

    async def ended(self) -> CallEnd:
        """Wait until the call is over (BYE by either side, refusal, time-out, cancel)."""
        return await asyncio.shield(self._end)

    @property
    def confirmed(self) -> bool:
        """Answered, and the ACK passed."""
        return self._up.done() and self.end is None

    async def settled(self) -> None:
        """Wait until it is confirmed or over."""
        await asyncio.shield(self._up)

    @property
    def dialog(self) -> Dialog | None:
        return self._dialog

    @property
    def dialog_ids(self) -> tuple[str, str, str]:
        """Call-ID, our tag, the peer's ("" before there is a dialog)."""
        return (self.call_id, "", "") if self.dialog is None else self.dialog.id

    @property
    def remote(self) -> NameAddr:
        """The far side as it names itself (From or To), with its display name."""
        return self.request.to if self.dialog is None else self.dialog.remote

    def peer_allows(self, method: str) -> bool:
        return self.ua is not None and self.ua.allows(method)

    # — what may be done with it —

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
        481 or 408 ends the call; a challenge is answered once. Raises LinkDown."""
        dialog = self.dialog
        what = f"{method} to {self.hop}"
        if dialog is None or not dialog.alive:
            raise LinkDown(f"{what}: the call is over")
        await self.steer(dialog, len(body))
        if not dialog.alive or not self.engine.alive(dialog.hop):
            raise LinkDown(f"{what}: the connection is gone")
        uri = dialog.request(method, seq=0).uri
        proof = [] if self._auth is None else known_credentials(self._auth, method, uri, body)
        for attempt in (1, 2):
            send = partial(
                self.engine.core.send_in_dialog,
                dialog,
                method,
                self.engine.clock(),
                headers=[*headers, *proof],
                body=body,
                content_type=content_type,
            )
            response = await self.engine.exchange(send, what, timeout)
            if attempt == 2 or self._auth is None or response.status not in (401, 407) or not dialog.alive:
                break
            again = credentials(self._auth, SipRequest(method, uri, Headers(proof), body), response)
            if again is None:
                break
            proof = again
        if method == "INVITE" and response.ok:
            await self.steer(dialog)
            self.engine.core.ack(dialog, response.cseq.number, self.engine.clock())
            self.engine.pump()
        return response

    def on_request(self, handler: Callable[[IncomingRequest], Awaitable[None]]) -> None:
        """Requests of the peer inside this dialog (INFO, MESSAGE, re-INVITE; BYE is answered by us). Without a handler
        they go to the endpoint's handlers. With a media session: those that the call does not answer by itself."""
        self._handler = handler

    async def reoffer(self) -> SipResponse:
        """Offer anew: re-INVITE, or UPDATE while early (where the peer takes it, else once confirmed). Glare is waited
        out. Raises PeerError(status) when refused (what stood before stands), LinkDown. Needs a media session."""
        return await self.modify(offer=True)

    async def modify(self, *, offer: bool) -> SipResponse:
        """As `reoffer`; without `offer` an UPDATE without SDP where the peer takes UPDATE. Cancelling the await leaves
        the change going on: a re-INVITE's 2xx wants its ACK."""
        ua = self._need_ua()
        done: asyncio.Future[SipResponse] = asyncio.get_running_loop().create_future()

        async def work() -> None:
            try:
                response = await changes.modify(self, ua, offer=offer)
            except asyncio.CancelledError:
                done.cancel()
                raise
            except Exception as exc:
                if not done.done():
                    done.set_exception(exc)
            else:
                if not done.done():
                    done.set_result(response)

        self.engine.nest.start(work(), f"change of {self.call_id}")
        return await done

    async def refresh_target(self, hop: Hop, contact_user: str = "", *, offer: bool = True) -> None:
        """Our address changed: everything of this call goes by `hop` from now on, and the peer is told our new Contact
        (and SDP, with `offer`): by re-INVITE when confirmed or held, by UPDATE while early where it may be used, and
        else as soon as the call is confirmed; a re-INVITE of ours that is under way is waited for.
        Raises as `reoffer`; in early states where the peer can only be told later it returns at once."""
        ua = self._need_ua()
        self._take_contact(changes.move(self, self._dialogs(), hop, contact_user))
        if self._steer is not None:
            self._steer.forget()
        if self.confirmed:
            await self.modify(offer=offer)
            return
        self._moved = True
        if self.dialog is not None and ua.allows("UPDATE"):
            stable = ua.offer_state == "stable"
            await self.modify(offer=offer and stable)
            self._moved = offer and not stable

    async def info(
        self, body: bytes = b"", content_type: str | None = None, *, headers: Iterable[tuple[str, str]] = ()
    ) -> SipResponse:
        """INFO (RFC 6086), one after the other: two at once may overtake each other. Raises LinkDown."""
        async with self._need_ua().info_turn:
            return await self.send("INFO", headers=headers, body=body, content_type=content_type)

    async def refer(self, target: str, *, headers: Iterable[tuple[str, str]] = (), notify: bool = True) -> Transfer:
        """Ask the peer to call `target` (a URI, or `<URI>` with Replaces by `attended_target`). Raises
        PeerError(status) when it refuses, LinkDown. `headers`: Referred-By and the like."""
        return await changes.refer(self, self._need_ua(), target, headers, notify=notify)

    def on_info(self, handler: Callable[[IncomingRequest], Awaitable[None]]) -> None:
        """The peer's INFOs, one at a time in order; unanswered ones are answered 200 when the handler returns."""
        self._need_ua().on_info = handler

    def on_refer(self, handler: Callable[[Referral], Awaitable[None]]) -> None:
        self._need_ua().on_refer = handler

    def on_change(self, callback: Callable[[], None]) -> None:
        """After each re-INVITE or UPDATE of the peer that was taken: the media session has been asked before."""
        self._need_ua().on_change = callback

    # — the engine's, and of the parts of a call —

    def on_dialog_request(self, event: RequestReceived) -> bool:
        if self.ua is not None and self.ua.on_request(event):
            return True
        if self._handler is None:
            return False
        incoming = IncomingRequest(self.engine, event)
        run_handler(self.engine, self._handler, incoming)
        return True

    def on_dialog_event(self, event: AckReceived | AckMissing | DialogEnded | PrackMissing) -> None:
        if event.dialog is not self._dialog or event.dialog is None:
            return
        if isinstance(event, AckReceived):
            self._acknowledged(event.request)
        elif isinstance(event, DialogEnded):
            self._finish(CallEnd(event.by, event.detail))
        elif isinstance(event, AckMissing):
            self._finish(CallEnd("link", "our 200 was never acknowledged"))
            self._hang_up(event.dialog)

    def _acknowledged(self, ack: SipRequest) -> bool:
        """The ACK of our 200 to the peer's INVITE; False when its SDP ended the call."""
        if self.ua is None:
            return True
        try:
            self.ua.acknowledged(ack)
        except RemoteProtocolError as exc:
            dialog, words = self._dialog, str(exc)
            self._finish(CallEnd("local", words, 488))
            if dialog is not None:
                self._hang_up(dialog, [("Reason", 'SIP;cause=488;text="SDP not acceptable"')])
            return False
        return True

    async def steer(self, dialog: Dialog, size: int = 0) -> None:
        """See that `dialog.hop` is where its next request goes."""
        if self._steer is not None:
            await self._steer.go(dialog, size)

    def own_contact(self) -> str:
        return self.request.headers.get("Contact") or ""

    def contact_user(self) -> str:
        """The user part of our Contact."""
        raise NotImplementedError

    def run_out(self) -> None:
        """The session timer ran out (RFC 4028 §10)."""
        if self.end is None and self._dialog is not None:
            dialog = self._dialog
            self._finish(CallEnd("link", "the session timer ran out"))
            self._hang_up(dialog, [("Reason", 'SIP;cause=408;text="Session timer expired"')])

    def _need_ua(self) -> Ua:
        if self.ua is None:
            raise LocalProtocolError("the call has no media session (CallOptions.session)")
        return self.ua

    def _take_contact(self, contact: str) -> None:
        raise NotImplementedError

    def _dialogs(self) -> list[Dialog]:
        return [] if self._dialog is None else [self._dialog]

    def _live_in(self, dialog: Dialog) -> None:
        self._dialog = dialog
        dialog.outlives_flow = self._steer is not None and self._steer.follows
        self.engine.owners[dialog.id] = self

    def _confirm(self) -> None:
        """The 2xx and its ACK passed."""
        if self._up.done():
            return
        self._up.set_result(None)
        if self._moved and self.end is None:
            self._moved = False
            try:
                self.engine.nest.start(self._tell_move(), f"move of {self.call_id}")
            except Busy:
                self.engine.core.counters["full"] += 1

    async def _tell_move(self) -> None:
        try:
            await self.modify(offer=True)
        except GatewayError as exc:
            self.engine.log_failure(f"telling {self.hop} our new address", exc)

    def _finish(self, end: CallEnd) -> None:
        if not self._end.done():
            self._end.set_result(end)
        if not self._up.done():
            self._up.set_result(None)
        if self.ua is not None:
            self.ua.close()
        for dialog in self._dialogs():
            self.engine.owners.pop(dialog.id, None)

    def _hang_up(self, dialog: Dialog, headers: Iterable[tuple[str, str]] = ()) -> asyncio.Task[None] | None:
        """BYE, repeated in the background until answered; None when it can not be sent."""
        follows = self._steer is not None and self._steer.follows
        if not dialog.alive or not (follows or self.engine.alive(dialog.hop)):
            return None
        core, clock = self.engine.core, self.engine.clock

        async def goodbye() -> None:
            try:
                await self.steer(dialog)
                proof = [] if self._auth is None else known_credentials(self._auth, "BYE", dialog.target)
                lines = [*headers, *proof]
                send = partial(core.send_in_dialog, dialog, "BYE", clock(), headers=lines)
                await self.engine.exchange(send, f"BYE to {dialog.hop}")
            except GatewayError:
                core.dialogs.end(dialog, clock())

        try:
            return self.engine.nest.start(goodbye(), f"BYE {self.call_id}")
        except Busy:
            core.dialogs.end(dialog, clock())
            return None


async def a_while(work: asyncio.Future[SipResponse | None] | asyncio.Task[None] | None) -> None:
    if work is not None:
        await asyncio.wait([work], timeout=GOODBYE_S)
