"""SUBSCRIBE and NOTIFY (RFC 6665): one subscription, seen from either side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from gateway.base.errors import GatewayError, LinkDown, PeerError
from gateway.net.sip.engine import Engine
from gateway.wire.sip import Hop, SipRequest, SipResponse
from gateway.wire.sip.dialog import Dialog
from gateway.wire.sip.events import AckMissing, AckReceived, DialogEnded, PrackMissing, RequestReceived

GRACE_S = 32.0
_GONE = (404, 405, 481, 489, 501)  # RFC 6665 §4.1.2.2, §4.2.2: the peer has no such subscription


class _InDialog:
    """What both sides share: a dialog, and requests in it one after the other."""

    def __init__(self, engine: Engine, dialog: Dialog, expires_s: int) -> None:
        self._engine = engine
        self._dialog = dialog
        self._until = 0.0
        self._end_timer: asyncio.TimerHandle | None = None
        self.expires_s = 0
        self._extend(expires_s)
        self.call_id: str = dialog.call_id
        self.hop: Hop = dialog.hop

    @property
    def active(self) -> bool:
        """False once ended by either side or run out."""
        return self._dialog.alive and self._engine.clock() < self._until

    def on_dialog_event(self, event: AckReceived | AckMissing | DialogEnded | PrackMissing) -> None:
        if isinstance(event, DialogEnded):
            self._forget()

    def _extend(self, expires_s: int) -> None:
        self.expires_s = expires_s
        self._until = self._engine.clock() + expires_s
        if self._end_timer is not None:
            self._end_timer.cancel()
        # Nobody renewed it: forgotten a little later, so that a last NOTIFY still finds it.
        self._end_timer = asyncio.get_running_loop().call_later(expires_s + GRACE_S, self._forget)

    def _forget(self) -> None:
        self._until = 0.0
        if self._end_timer is not None:
            self._end_timer.cancel()
        self._engine.owners.pop(self._dialog.id, None)
        if self._dialog.alive:
            self._engine.core.dialogs.end(self._dialog, self._engine.clock())

    async def _send(
        self, method: str, headers: list[tuple[str, str]], body: bytes, content_type: str | None
    ) -> SipResponse:
        what = f"{method} to {self.hop}"
        if not self._dialog.alive or not self._engine.alive(self.hop):
            self._forget()
            raise LinkDown(f"{what}: the subscription is over")
        send = partial(
            self._engine.core.send_in_dialog,
            self._dialog,
            method,
            self._engine.clock(),
            headers=headers,
            body=body,
            content_type=content_type,
        )
        response = await self._engine.exchange(send, what)
        if response.status in _GONE:
            self._forget()
        return response


class Subscription(_InDialog):
    """We subscribed. NOTIFYs in the dialog come to the `on_notify` handler given at `SipEndpoint.subscribe`.
    `expires_s` is what the last 200 granted."""

    def __init__(
        self,
        engine: Engine,
        dialog: Dialog,
        request: SipRequest,
        expires_s: int,
        on_notify: Callable[[RequestReceived], None],
    ) -> None:
        super().__init__(engine, dialog, expires_s)
        self._event = request.headers.get("Event") or "presence"
        self._on_notify = on_notify
        engine.owners[dialog.id] = self

    def on_dialog_request(self, event: RequestReceived) -> bool:
        if event.request.method != "NOTIFY":
            return False
        state = (event.request.headers.get("Subscription-State") or "").lower()
        if state.startswith("terminated"):
            self._until = 0.0
        self._on_notify(event)
        return True

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
        lines = [("Event", self._event), ("Expires", str(expires_s)), *headers]
        response = await self._send("SUBSCRIBE", lines, body, content_type)
        if response.ok:
            granted = response.expires
            self._extend(expires_s if granted is None else granted)
        return response

    def drop(self) -> None:
        """Forget it without a word to the peer, which has started anew or is gone; its NOTIFYs are refused."""
        self._forget()

    async def end(self) -> None:
        """Unsubscribe (Expires 0) and forget; errors are no matter then."""
        try:
            if self._dialog.alive:
                await self.refresh(0)
        except GatewayError:
            pass  # the peer forgets it by itself when its time is up
        finally:
            self._forget()


class Notifier(_InDialog):
    """A peer subscribed; we notify. `event` is the Event header as sent."""

    def __init__(self, engine: Engine, dialog: Dialog, request: SipRequest, expires_s: int) -> None:
        super().__init__(engine, dialog, expires_s)
        self.event: str = request.headers.get("Event") or ""
        engine.owners[dialog.id] = self

    def renew(self, expires_s: int) -> None:
        """The peer's SUBSCRIBE in the dialog; 0 leaves it just long enough for the last NOTIFY."""
        self._extend(expires_s)

    def on_dialog_request(self, event: RequestReceived) -> bool:
        return False  # a refreshing SUBSCRIBE goes to the endpoint's handler, which calls accept_subscription

    async def notify(
        self, body: bytes, content_type: str, *, state: str = "active", headers: Iterable[tuple[str, str]] = ()
    ) -> SipResponse:
        """NOTIFY in the dialog with `Subscription-State: <state>;expires=<left>`; state "terminated" ends it.
        Raises LinkDown when unanswered, PeerError (and ends) when the peer knows of no subscription (481 …)."""
        left = max(0, round(self._until - self._engine.clock()))
        told = state if state.startswith("terminated") else f"{state};expires={left}"
        lines = [("Subscription-State", told), *headers]
        if self.event:
            lines.insert(0, ("Event", self.event))
        response = await self._send("NOTIFY", lines, body, content_type)
        if state.startswith("terminated"):
            self._forget()
        elif response.status in _GONE:
            raise PeerError(f"NOTIFY to {self.hop}: {response.status}", status=response.status)
        return response


def notifier_for(engine: Engine, dialog: Dialog | None, request: SipRequest, expires_s: int) -> Notifier:
    """The dialog's notifier, renewed, or a new one."""
    if dialog is None:
        raise LinkDown("SUBSCRIBE: its connection is gone")
    found = engine.owners.get(dialog.id)
    if isinstance(found, Notifier):
        found.renew(expires_s)
        return found
    return Notifier(engine, dialog, request, expires_s)
