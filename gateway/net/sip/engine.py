"""The session around one SipCore: feed → handle events → flush → re-arm. Holds no protocol decision."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from gateway.base.errors import LinkDown
from gateway.base.tasks import Nest
from gateway.wire.digest import DigestClient
from gateway.wire.digest_auth import authorise, preauthorised
from gateway.wire.sip.core import SipCore
from gateway.wire.sip.dialog import DialogId
from gateway.wire.sip.events import (
    AckMissing,
    AckReceived,
    Cancelled,
    DialogEnded,
    Event,
    FlowBroken,
    Heard,
    PrackMissing,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
)
from gateway.wire.sip.hop import Hop
from gateway.wire.sip.message import SipRequest, SipResponse

log = logging.getLogger(__name__)

CHALLENGES = 4  # times that one request is sent: two proxies and a stale nonce


class Waiter(Protocol):
    """Who sent a request and wants its answers."""

    def on_response(self, event: ResponseReceived) -> None: ...
    def on_failed(self, event: RequestFailed) -> None: ...


class Owner(Protocol):
    """Who lives in a dialog: a call, a subscription, a notifier."""

    def on_dialog_event(self, event: AckReceived | AckMissing | DialogEnded | PrackMissing) -> None: ...
    def on_dialog_request(self, event: RequestReceived) -> bool:
        """False: not mine to answer."""
        ...


class _Exchange:
    """The waiter of one plain request."""

    def __init__(self, what: str) -> None:
        self.done: asyncio.Future[SipResponse | None] = asyncio.get_running_loop().create_future()
        self.what = what

    def on_response(self, event: ResponseReceived) -> None:
        if event.response.final and not self.done.done():
            self.done.set_result(event.response)

    def on_failed(self, event: RequestFailed) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def _nowhere(uri: str, now: Hop) -> Hop:
    """No other way than the one there is."""
    return now


async def _as_it_is(hop: Hop, size: int) -> Hop:
    return hop


class Engine:
    """What calls, subscriptions and requests share. `transmit` and the three callbacks are the endpoint's."""

    def __init__(
        self,
        core: SipCore,
        nest: Nest,
        clock: Callable[[], float],
        transmit: Callable[[Hop, bytes], None],
        alive: Callable[[Hop], bool],
    ) -> None:
        self.core = core
        self.nest = nest
        self.clock = clock
        self._transmit = transmit
        self.alive = alive
        self.waiters: dict[str, Waiter] = {}
        self.owners: dict[DialogId, Owner] = {}
        self.invites: dict[str, Callable[[], None]] = {}  # incoming INVITE key → what to do when it is cancelled
        self.on_request: Callable[[RequestReceived], None] = lambda _: None
        self.on_heard: Callable[[Hop], None] = lambda _: None
        self.on_broken: Callable[[Hop, str], None] = lambda _hop, _why: None
        self.reach: Callable[[str, Hop], Awaitable[Hop]] = _nowhere
        self.fit: Callable[[Hop, int], Awaitable[Hop]] = _as_it_is
        self._pumping = False
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def pump(self) -> None:
        """Take the core's events, send its bytes, set its next timer. Called after everything that touches it."""
        if self._pumping or self._closed:
            return
        self._pumping = True
        try:
            while True:
                for hop, data in self.core.data_to_send(self.clock()):
                    self._transmit(hop, data)
                event = self.core.next_event()
                if event is None:
                    break
                try:
                    self._handle(event)
                except Exception:
                    log.exception("SIP event %s failed", type(event).__name__)
        finally:
            self._pumping = False
        self._rearm()

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for waiter in list(self.waiters.values()):
            waiter.on_failed(RequestFailed("", "link"))
        self.waiters.clear()

    async def exchange(self, send: Callable[[], str], what: str, timeout: float | None = None) -> SipResponse:
        """Run `send` (which gives the key) and wait for the final response. Raises LinkDown."""
        if self._closed:
            raise LinkDown(f"{what}: the endpoint is closed")
        waiter = _Exchange(what)
        key = send()
        self.waiters[key] = waiter
        self.pump()
        try:
            async with asyncio.timeout(timeout):
                response = await waiter.done
        except BaseException as exc:
            self.core.forget(key)
            if isinstance(exc, TimeoutError):
                raise LinkDown(f"{what}: no answer in {timeout:g} s") from exc
            raise
        finally:
            self.waiters.pop(key, None)
        if response is None:
            raise LinkDown(f"{what}: no answer")
        return response

    async def request(
        self, request: SipRequest, hop: Hop, timeout: float | None = None, auth: DigestClient | None = None
    ) -> tuple[SipRequest, SipResponse]:
        """A request outside of dialogs, its challenges answered; gives the request as it was last sent."""
        what = f"{request} to {hop}"
        if auth is not None:
            request = preauthorised(auth, request)
        for attempt in range(1, CHALLENGES + 1):
            hop = await self.fit(hop, len(bytes(request)))
            if not self.alive(hop):
                raise LinkDown(f"{what}: the connection is gone")
            send = partial(self.core.request, request, hop, self.clock())
            response = await self.exchange(send, what, timeout)
            again = authorise(auth, request, response) if auth is not None and attempt < CHALLENGES else None
            if again is None:
                break
            request = again
        return request, response

    def log_failure(self, what: str, exc: Exception) -> None:
        log.error("%s failed", what, exc_info=exc)

    def _handle(self, event: Event) -> None:
        if isinstance(event, ResponseReceived | RequestFailed):
            waiter = self.waiters.get(event.key)
            if waiter is not None:
                waiter.on_response(event) if isinstance(event, ResponseReceived) else waiter.on_failed(event)
            elif isinstance(event, ResponseReceived):
                self._hang_up_stray(event)
        elif isinstance(event, RequestReceived):
            owner = None if event.dialog is None else self.owners.get(event.dialog.id)
            if owner is None or not owner.on_dialog_request(event):
                self.on_request(event)
        elif isinstance(event, AckReceived | AckMissing | DialogEnded | PrackMissing):
            owner = None if event.dialog is None else self.owners.get(event.dialog.id)
            if owner is not None:
                owner.on_dialog_event(event)
        elif isinstance(event, Cancelled):
            cancelled = self.invites.pop(event.key, None)
            if cancelled is not None:
                cancelled()
        elif isinstance(event, Heard):
            self.on_heard(event.hop)
        else:
            assert isinstance(event, FlowBroken)  # noqa: S101 - every other kind stands above
            self.on_broken(event.hop, event.reason)

    def _hang_up_stray(self, event: ResponseReceived) -> None:
        """A 2xx to an INVITE that nobody waits for any more (a late fork): take it and hang up (§13.2.2.4)."""
        dialog = event.dialog
        if dialog is None or not dialog.alive or not event.response.ok or event.response.cseq.method != "INVITE":
            return
        self.core.ack(dialog, event.response.cseq.number, self.clock())
        if dialog.id not in self.owners:  # else a re-INVITE that nobody waits for any more
            self.core.send_in_dialog(dialog, "BYE", self.clock())

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        when = self.core.next_timer()
        if when is not None and not self._closed:
            delay = max(0.0, when - self.clock())
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.core.handle_timer(self.clock())
        self.pump()
