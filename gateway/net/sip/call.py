"""Calls: an INVITE and the dialog it makes, seen from either side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from gateway.base.errors import Busy, GatewayError, LinkDown, LocalProtocolError, PeerError
from gateway.net.sip.engine import Engine, authorised
from gateway.net.sip.incoming import IncomingRequest, run_handler
from gateway.wire.digest import DigestClient
from gateway.wire.sip import Hop, SipRequest, SipResponse, printable
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


class Call:
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


class InviteCall(Call):
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
            await a_while(self._hang_up(self._dialog, headers))
        else:
            self._give_up("cancelled by us")
            await a_while(self._final)

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


async def a_while(work: asyncio.Future[SipResponse | None] | asyncio.Task[None] | None) -> None:
    if work is not None:
        await asyncio.wait([work], timeout=GOODBYE_S)
