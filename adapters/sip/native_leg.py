"""One leg on our own user agent. Fulfils `engine.Leg`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import unquote

from adapters.sip.ends import end_of
from adapters.sip.engine import Leg, LegEnd, LegMedia, LegOwner, LegState, Referral, VideoWish
from adapters.sip.info import (
    DTMF_RELAY,
    MEDIA_CONTROL,
    PICTURE_FAST_UPDATE,
    digit_of,
    dtmf_relay,
    wants_picture,
)
from adapters.sip.media import CallMedia
from gateway.base.errors import GatewayError, LinkDown, PeerError, Unsupported
from gateway.net.sip import IncomingCall, IncomingRequest, InviteCall, SipEndpoint, attended_target
from gateway.net.sip import Referral as Referred
from gateway.wire.sip import Hop, SipResponse, SipUri, local_uri, printable

log = logging.getLogger(__name__)

DIGIT_GAP_S = 0.24  # 160 ms of tone and 80 ms of silence
TRANSFER_S = 90.0  # how long the peer may take to reach the target
MOVE_RETRIES_S = (1.0, 2.0, 4.0, 8.0, 16.0)
ACK_S = 32.0
_EVENTS = "0123456789*#ABCD"


class NativeLeg:
    def __init__(
        self,
        owner: LegOwner,
        endpoint: SipEndpoint,
        contact_user: str,
        *,
        incoming: bool,
        ended: Callable[[NativeLeg], None],
        again: Callable[[], Awaitable[Hop]] | None = None,
    ) -> None:
        """`again`: see `routing.Route`."""
        self.incoming = incoming
        self.state = LegState.NEW
        self.end: LegEnd | None = None
        self._owner = owner
        self._endpoint = endpoint
        self._contact_user = contact_user
        self._on_ended = ended
        self._again = again
        self._session: CallMedia | None = None
        self._call: InviteCall | IncomingCall | None = None
        self._why: LegEnd | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._refuses_info = False
        self._probing = False
        self._untold = False  # we moved, and the peer has not agreed yet
        self._moves = asyncio.Lock()

    # — made by the engine —

    @property
    def session(self) -> CallMedia:
        if self._session is None:
            raise LinkDown("the leg has no media yet")
        return self._session

    @property
    def call(self) -> InviteCall | IncomingCall:
        if self._call is None:
            raise LinkDown("the leg has no call yet")
        return self._call

    def open_media(self, session: CallMedia) -> None:
        self._session = session

    def attach(self, call: InviteCall | IncomingCall) -> None:
        self._call = call
        call.on_info(self._info)
        call.on_refer(self._referred)
        if isinstance(call, InviteCall):
            call.on_provisional(self._provisional)
        self._start(self._watch(call), "end")

    # — what it is —

    @property
    def media(self) -> LegMedia:
        media = self.session.media
        return replace(media, early=self.state is not LegState.UP and bool(media.audio))

    @property
    def dialog(self) -> tuple[str, str, str]:
        ids: tuple[str, str, str] = self.call.dialog_ids
        return ids

    # — orders —

    def ring(self, *, early: bool = False) -> None:
        call = self.call
        if isinstance(call, IncomingCall) and call.end is None and not call.answered:
            if early:
                self.session.speak()
                call.ringing(183, media=True)
            else:
                call.ringing()
            self.state = LegState.RINGING

    async def accept(self) -> None:
        call = self.call
        if not isinstance(call, IncomingCall):
            raise Unsupported("an outgoing call is not ours to answer")
        self.session.speak()
        call.accept()
        await call.acked(ACK_S)
        self._up()

    def reject(self, status: int, words: str = "") -> None:
        call = self.call
        if isinstance(call, IncomingCall) and call.end is None:
            self._why = self._why or LegEnd("call-rejected", words, status)
            call.reject(status, headers=[("Reason", f'SIP;cause={status};text="{_quoted(words)}"')] if words else [])

    async def answered(self) -> None:
        call = self.call
        if isinstance(call, InviteCall):
            await call.answered()
            self._up()

    async def hang_up(self, code: str = "hung-up", detail: str = "") -> None:
        if self._call is None or self._call.end is not None:
            return
        self._why = self._why or LegEnd(code, detail)
        await self._call.bye()

    async def hold(self, held: bool) -> None:
        before = self.session.media.held
        self.session.hold(held)
        await self._reoffer(lambda: self.session.hold(before))

    async def change_video(self, video: VideoWish) -> None:
        before = self.session.wish
        self.session.want_video(video)
        await self._reoffer(lambda: self.session.want_video(before))

    async def _reoffer(self, back: Callable[[], None]) -> None:
        try:
            await self.call.reoffer()
        except GatewayError as exc:
            if self.end is None:
                back()
            if isinstance(exc, LinkDown):
                # No answer at all: the peer is not there any more (RFC 3261 §12.2.1.2).
                self._start(self.hang_up("call-link-lost", str(exc)), "peer lost")
            raise

    async def digits(self, digits: str) -> None:
        for digit in digits.upper():
            if digit not in _EVENTS:
                raise Unsupported(f"{digit!r} is no digit of a telephone")
            if self.end is not None:
                raise LinkDown("the call is over")
            voice = self.session.media.voice
            if voice is not None and self.session.takes_digits:
                self.session.send_digit(voice, digit)
                await asyncio.sleep(DIGIT_GAP_S)
            else:
                await self.call.info(dtmf_relay(digit), DTMF_RELAY)

    async def transfer(self, uri: str, *, replaces: Leg | None = None, by: str = "") -> None:
        if replaces is not None and not isinstance(replaces, NativeLeg):
            raise Unsupported("the other call is on another engine")
        if replaces is not None:
            target = attended_target(replaces.call)
        else:
            target = f"<{uri if '@' in uri else local_uri(uri.partition(':')[2], self.call.hop)}>"
        transfer = await self.call.refer(target, headers=[("Referred-By", by)] if by else [])
        try:
            status = await transfer.done(TRANSFER_S)
        except TimeoutError as exc:
            raise LinkDown("the peer did not say whether it reached the target", code="transfer-failed") from exc
        if status >= 300:
            raise PeerError(f"the peer could not reach the target: {status}", status=status, code="transfer-failed")

    async def want_picture(self) -> None:
        if self._refuses_info or self.state is not LegState.UP or not self.call.peer_allows("INFO"):
            return
        try:
            response = await self.call.info(PICTURE_FAST_UPDATE, MEDIA_CONTROL)
        except PeerError:
            self._refuses_info = True  # RTCP alone then
            return
        if isinstance(response, SipResponse) and not response.ok:
            self._refuses_info = True

    async def probe(self, why: str = "", patience_s: float | None = None) -> None:
        """OPTIONS in the dialog: any answer will do, 481 ends the call by itself (RFC 3261 §12.2.1.2)."""
        if self.end is not None or self._probing:
            return
        if self._moves.locked() and not why:
            return  # the way there is just being made anew
        self._probing = True
        try:
            await self.call.send("OPTIONS", timeout=patience_s)
        except LinkDown as exc:
            words = why or "the phone does not answer"
            await self.hang_up("call-link-lost", f"{words}: {exc}")
        finally:
            self._probing = False

    async def move(self) -> None:
        """One at a time; the newest address counts."""
        async with self._moves:
            if self.end is not None:
                return
            call = self.call
            for wait in (*MOVE_RETRIES_S, None):
                try:
                    if await self._move_once():
                        self._owner.leg_moving(self, False)
                    return
                except LinkDown as exc:
                    if wait is None:
                        self._owner.leg_moving(self, False)
                        await self.hang_up("call-link-lost", f"after our address changed: {exc}")
                        return
                    log.info("call %s: moving failed (%s), again in %g s", call.call_id, exc, wait)
                    await asyncio.sleep(wait)
                except PeerError as exc:
                    # It refuses the change and stays as it was: media may still find us (symmetric RTP).
                    self._owner.leg_moving(self, False)
                    self._owner.leg_trouble(self, "call-moving", f"the peer refused our new address: {exc}")
                    return
                if call.end is not None:
                    return

    async def _move_once(self) -> bool:
        call = self.call
        old = call.hop
        if not self._untold and await self._still(old):
            return False
        if self._again is not None:
            hop = await self._again()
        else:
            hop = await self._endpoint.hop_to(old.transport, self._reachable(old.remote))
        if hop.local[0] == old.local[0] and hop.flow == old.flow and not self._untold:
            return False
        self._untold = True
        self._owner.leg_moving(self, True)
        if hop.local[0] != self.session.host:
            self.session.move(hop.local[0])
        await call.refresh_target(hop, self._contact_user)
        self._untold = False
        return True

    async def _still(self, old: Hop) -> bool:
        """A connection that stands and leaves from the address that leads there: nothing changed for this call."""
        if old.transport == "udp" or not self._endpoint.alive(old):
            return False
        try:
            return (await self._endpoint.hop_to("udp", old.remote)).local[0] == old.local[0]
        except LinkDown:
            return False

    def _reachable(self, remote: tuple[str, int]) -> tuple[str, int]:
        """Where a peer that called us over TCP listens: the port of its connection is nobody's after that."""
        call = self.call
        if call.hop.transport == "udp" or not self.incoming:
            return remote
        contact = call.request.contact
        if contact is None:
            return remote
        try:
            uri = SipUri.parse(contact.uri)
        except GatewayError:
            return remote
        return (remote[0], uri.port or (5061 if call.hop.transport == "tls" else 5060))

    # — what it hears —

    def media_changed(self) -> None:
        if self.end is None:
            self._owner.leg_media(self)

    def media_trouble(self, code: str, words: str) -> None:
        if self.end is None:
            self._start(self.hang_up(code, words), "media failed")

    def _provisional(self, response: SipResponse) -> None:
        if self.state is LegState.NEW and response.status in (180, 181, 182, 183):
            self.state = LegState.RINGING
            self._owner.leg_ringing(self)

    def _up(self) -> None:
        if self.end is None and self.state is not LegState.UP:
            self.state = LegState.UP
            self._owner.leg_up(self)
            self._owner.leg_media(self)

    async def _info(self, incoming: IncomingRequest) -> None:
        request = incoming.request
        kind = request.headers.get("Content-Type") or ""
        digit = digit_of(kind, request.body)
        if digit:
            incoming.respond(200)
            self._owner.leg_digit(self, digit)
        elif wants_picture(kind, request.body):
            incoming.respond(200)
            self._owner.leg_picture_wanted(self)
        elif not request.body:
            incoming.respond(200)  # a sign of life (RFC 2976)
        else:
            incoming.respond(415, headers=[("Accept", f"{DTMF_RELAY}, {MEDIA_CONTROL}")])

    async def _referred(self, referred: Referred) -> None:
        uri = referred.target.uri
        number = unquote(uri.partition(":")[2].partition("@")[0].partition(";")[0])[:64]
        referral = Referral(number, uri, referred.replaces, referred.referred_by)
        if referred.method != "INVITE" or not self._owner.leg_referred(self, referral, _Reply(referred, self._start)):
            referred.reject(603)
        else:
            await referred.accept()

    async def _watch(self, call: InviteCall | IncomingCall) -> None:
        ended = await call.ended()
        self.end = end_of(ended.by, printable(ended.detail), ended.status, self._why)
        self.state = LegState.ENDED
        self._on_ended(self)
        current = asyncio.current_task()
        for task in list(self._tasks):
            if task is not current:
                task.cancel()
        # The owner lets go of voice and picture first, then their sockets close.
        self._owner.leg_ended(self, self.end)
        self.session.close()

    def _start(self, work: object, name: str) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work, name=f"leg {name}")  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=exc)


class _Reply:
    """NOTIFYs of one REFER, one after the other; what can not be sent is the referrer's loss."""

    def __init__(self, referred: Referred, start: Callable[[object, str], None]) -> None:
        self._referred = referred
        self._start = start
        self._queue: list[tuple[int, str]] = []
        self._busy = False

    def tell(self, status: int, reason: str = "") -> None:
        self._queue.append((status, reason))
        if not self._busy:
            self._busy = True
            self._start(self._send(), "report")

    async def _send(self) -> None:
        try:
            while self._queue:
                await self._referred.report(*self._queue.pop(0))
        except GatewayError as exc:
            log.debug("reporting a transfer failed: %s", exc)
        finally:
            self._busy = False


def _quoted(words: str) -> str:
    return printable(words).replace("\\", "").replace('"', "'")[:200]
