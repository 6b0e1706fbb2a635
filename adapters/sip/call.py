"""One supervised call: a leg, the seat it has in a group or conversation, its pictures, and what people are told of it.

    RINGING_IN ─answered─► UP ◄─► HELD, HELD_BY_PEER, MOVING          RINGING_IN: it came in
    CALLING ─► RINGING ─answered─► UP …                               CALLING: we placed it
    every state ─► ENDED, with a reason code and words

Whoever runs the call (`incoming.py`, `outgoing.py`) does so in one task whose `finally` frees everything; this is what
the two share. The leg tells, people order, the core ends: all of it comes together here, on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from adapters.sip.call_ear import Ear
from adapters.sip.call_pair import end_with, let_go, part
from adapters.sip.engine import Leg, LegEnd, LegState, Referral, ReferralReply, SipEngine
from adapters.sip.native import NativeEngine
from adapters.sip.routing import MediaPolicy, Routing, Target
from adapters.sip.video import Pictures
from gateway.base.errors import GatewayError, LinkDown, NotFound, Unsupported
from gateway.contract.adapter import Context
from gateway.contract.voice import CallHold, KeyedBy, Seat, SeatWish
from gateway.model.principal import Principal
from gateway.model.voice import CallState, CallStatus, GroupId, MemberKind, Priority

log = logging.getLogger(__name__)

MAX_DIGITS = 64


class Referrals(Protocol):
    """Who carries out a REFER of a call's peer (`transfer.py`)."""

    def __call__(self, call: Call, referral: Referral, reply: ReferralReply) -> bool: ...


@dataclass(slots=True)
class Ground:
    """What every call stands on."""

    context: Context
    routing: Routing
    engine: SipEngine
    native: NativeEngine
    start: Callable[[Coroutine[Any, Any, None], str], object]  # runs a task of the manager's; raises Busy
    calls: dict[str, Call] = field(default_factory=dict)  # by id
    refer: Referrals = lambda _call, _referral, _reply: False

    def of_leg(self, leg: Leg) -> Call | None:
        return next((call for call in self.calls.values() if call.leg is leg), None)


class Call:
    """Fulfils `engine.LegOwner` and `contract.voice.CallHandler`."""

    def __init__(
        self,
        ground: Ground,
        status: CallStatus,
        principal: Principal,
        policy: MediaPolicy,
        *,
        emergency: bool = False,
    ) -> None:
        """Lists it. Raises Busy (`too-many-calls`)."""
        self.ground = ground
        self.context = ground.context
        self.principal = principal
        self.policy = policy
        self.peer = status.peer
        self.name = status.peer_name or status.peer
        self.incoming = status.incoming
        self.trunk = status.trunk
        self.emergency = emergency
        self.leg: Leg | None = None
        self.seat: Seat | None = None
        self.on_behalf = ""  # the group or channel that it is with: who calls, where it calls on
        self.partner: Call | None = None  # back to back with this one (`call_pair`)
        self.pictures: Pictures | None = None
        self.pictured = True  # somebody would have a picture: why there is none is told
        self.early = False  # early media is heard in the seat too
        self.on_early: Callable[[], None] = lambda: None
        self.on_digit: Callable[[str], None] = lambda _: None
        self.answer_wanted: asyncio.Future[Principal] = asyncio.get_running_loop().create_future()
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # answered and seated, or over
        self._over: asyncio.Future[LegEnd] = asyncio.get_running_loop().create_future()
        self._ending: LegEnd | None = None
        self._moving = False
        self._troubles: dict[str, tuple[str, str]] = {}
        self._ear = Ear(self)
        self._around = AsyncExitStack()  # the seat's
        self._sits = 0  # seats so far
        self._gone = False
        self.hold_on: CallHold = ground.context.calls.open(status, self)
        self.id = self.hold_on.id
        ground.calls[self.id] = self

    # — for whoever runs it —

    @property
    def keyed_by(self) -> KeyedBy:
        return KeyedBy(self.policy.keyed_by)

    def wish(self, *, may_talk: bool = True) -> SeatWish:
        others = (call for call in self.ground.calls.values() if call is not self)
        taken = {call.seat.member for call in others if call.seat is not None}
        turn = self._sits
        member = f"sip:{self.peer or self.id}"
        return SeatWish(
            id=member if member not in taken else f"{member}:{self.id}",  # two calls of one trunk's number
            kind=MemberKind.SIP,
            name=self.name or self.id,
            keyed_by=self.keyed_by,
            may_talk=may_talk,
            priority=Priority.EMERGENCY if self.emergency else Priority.NORMAL,
            emergency=self.emergency,
            principal=self.principal,
            on_end=lambda code, detail: self._seat_ended(turn, code, detail),
        )

    def _place(self, target: Target) -> AbstractAsyncContextManager[Seat]:
        talk = self.context.talk
        wish = self.wish(may_talk=target.may_talk)
        match target.kind:
            case "group":
                return talk.seat(talk.resolve(target.ref), wish)
            case "channel":
                return talk.converse(target.ref, wish)
            case _:
                return talk.waiting_room(wish, self.name)

    def use(self, leg: Leg, policy: MediaPolicy | None = None) -> None:
        """This leg is the call's from now on (of several routes, the one being tried)."""
        self._over = asyncio.get_running_loop().create_future()
        self.policy = policy or self.policy
        self.leg = leg
        if leg.end is not None:
            self._over.set_result(leg.end)
        self.pictures = Pictures(
            self.context,
            self.id,
            self.name or self.id,
            self.principal,
            told=lambda code, detail: self.trouble("video", code, detail),
            ask=self._ask_picture,
        )

    async def sit(self, target: Target) -> Seat:
        """Take the seat to which a number of ours leads, and leave the one before; the console's is a conversation that
        a person may join. Raises what seats raise, and the one before stays."""
        around = AsyncExitStack()
        seat = await around.enter_async_context(self._place(target))
        if self._gone:
            await around.aclose()
            raise LinkDown(f"call {self.id} is over", code="call-not-up")
        before, self._around = self._around, around
        if self.seat is not None:
            self.seat.voice(None)  # a voice is in one room
        self.seat = seat
        self._sits += 1
        self.on_behalf = target.ref if target.kind in ("group", "channel") else ""
        seat.heard(self._ear.heard)
        self.hold_on.change(target=seat.group)
        self._sync()
        await before.aclose()
        return seat

    async def reseat(self, target: Target) -> None:
        """Into a group, a ball's conversation or the console, without a word to its phone. Whoever it was back to back
        with is let go. Raises LinkDown (`call-not-up`) and what seats raise."""
        self._up()
        await self.sit(target)
        if (left := part(self)) is not None:
            self.ground.start(let_go(left, target.ref or target.kind), f"end of {left.id}")

    async def unseat(self) -> None:
        """Let go of the voice, the pictures and the seat, before their sockets close."""
        self._gone = True
        self._ear.still()
        seat, self.seat = self.seat, None
        if seat is not None:
            seat.voice(None)
        pictures, self.pictures = self.pictures, None
        try:
            if pictures is not None:
                await pictures.close()
        finally:
            await self._around.aclose()

    async def ended(self) -> LegEnd:
        """Wait until the leg is over."""
        return await asyncio.shield(self._over)

    async def unless_over(self, work: asyncio.Future[Any], timeout_s: float | None = None) -> bool:
        """Wait for `work`; False when the leg ended first or time ran out."""
        await asyncio.wait([work, self._over], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        return work.done() and not self._over.done()

    @property
    def ending(self) -> LegEnd | None:
        """Somebody here wants it over."""
        return self._ending

    async def end(self, code: str, detail: str = "") -> None:
        """Hang up for this reason; safe at any time."""
        self._ending = self._ending or LegEnd(code, detail)
        if not self._over.done() and self.leg is None:
            self._over.set_result(self._ending)
        if self.leg is not None:
            await self.leg.hang_up(code, detail)

    def ending_with(self, end: LegEnd) -> None:
        """The reason that will stand, when whoever says so ends it itself."""
        self._ending = self._ending or end

    def finish(self, end: LegEnd) -> None:
        """It is over for everybody. Safe to call twice."""
        self._ear.close()
        if not self.settled.done():
            self.settled.set_result(None)
        if not self.answer_wanted.done():
            self.answer_wanted.cancel()
        self.ground.calls.pop(self.id, None)
        self.hold_on.end(end.code, end.detail)
        log.info("call %s with %s ended: %s %s", self.id, self.name, end.code, end.detail)

    def trouble(self, source: str, code: str, detail: str = "") -> None:
        """What people should read while it goes on; an empty code takes it back."""
        if code:
            self._troubles[source] = (code, detail)
        else:
            self._troubles.pop(source, None)
        first = next(iter(self._troubles.values()), ("", ""))
        self.hold_on.change(code=first[0], detail=first[1])

    # — engine.LegOwner —

    def leg_ringing(self, leg: Leg) -> None:
        if leg is self.leg and not leg.incoming:
            self.hold_on.change(CallState.RINGING)

    def leg_media(self, leg: Leg) -> None:
        if leg is self.leg:
            self._sync()

    def leg_up(self, leg: Leg) -> None:
        if leg is self.leg:
            self.hold_on.change(CallState.UP, answered=time.time())
            self._ear.listen()
            self._sync()

    def leg_digit(self, leg: Leg, digit: str) -> None:
        if leg is not self.leg:
            return
        self.on_digit(digit)
        if self.seat is not None and self.keyed_by is KeyedBy.DIGIT:
            if digit == "*":
                self.seat.press()
            elif digit == "#":
                self.seat.release()

    def leg_moving(self, leg: Leg, moving: bool) -> None:
        if leg is self.leg:
            self._moving = moving
            self._sync()

    def leg_picture_wanted(self, leg: Leg) -> None:
        if leg is self.leg and self.pictures is not None:
            self.pictures.refresh()

    def leg_referred(self, leg: Leg, referral: Referral, reply: ReferralReply) -> bool:
        return leg is self.leg and self.ground.refer(self, referral, reply)

    def leg_trouble(self, leg: Leg, code: str, detail: str) -> None:
        if leg is self.leg:
            self.trouble("leg", code, detail)

    def leg_ended(self, leg: Leg, end: LegEnd) -> None:
        if leg is not self.leg:
            return
        self._ear.still()
        end_with(self, end)
        if self.seat is not None:
            self.seat.voice(None)
        if self.pictures is not None:
            self.pictures.apply(None)
        if not self._over.done():
            self._over.set_result(end)

    # — contract.voice.CallHandler —

    async def answer(self, who: Principal) -> GroupId:
        if not self.incoming or self.answer_wanted.done() or self.seat is None:
            raise Unsupported(f"call {self.id} does not wait to be answered")
        group = self.seat.group
        self.answer_wanted.set_result(who)
        await asyncio.shield(self.settled)
        if self._over.done():
            end = self._over.result()
            raise LinkDown(f"call {self.id}: {end.detail or end.code}", code=end.code)
        return group

    async def hang_up(self, who: Principal) -> None:
        log.info("call %s is hung up by %s", self.id, who.name)
        await self.end("hung-up", who.name)

    async def hold(self, who: Principal, held: bool) -> None:
        await self._up().hold(held)

    async def transfer(self, who: Principal, target: str, *, attended_with: str = "") -> None:
        leg = self._up()
        if attended_with:
            other = self.ground.calls.get(attended_with)
            if other is None or other is self:
                raise NotFound(f"there is no other call {attended_with[:40]!r}")
            await leg.transfer("", replaces=other._up())
        else:
            found = self.ground.routing.lookup(who, target)
            if found.kind != "number":
                await self.reseat(found)
                return
            await leg.transfer(self.ground.routing.refer_to(who, target, self.trunk))
        await self.end("transferred", target or attended_with)

    async def digits(self, who: Principal, digits: str) -> None:
        if not digits or len(digits) > MAX_DIGITS:
            raise Unsupported(f"1 to {MAX_DIGITS} digits at a time")
        await self._up().digits(digits)

    # — inside —

    def _up(self) -> Leg:
        if self.leg is None or self.leg.state is not LegState.UP:
            raise LinkDown(f"call {self.id} is not up", code="call-not-up")
        return self.leg

    async def _ask_picture(self) -> None:
        if self.leg is not None:
            await self.leg.want_picture()

    def _seat_ended(self, turn: int, code: str, detail: str) -> None:
        """The core ends the seat: the call goes with it, unless it sits elsewhere by now."""
        if self._sits > turn + 1:
            return
        self.seat = None
        try:
            self.ground.start(self.end(code, detail), f"end of {self.id}")
        except GatewayError:
            log.exception("call %s can not be ended", self.id)

    def _sync(self) -> None:
        """Bring seat, pictures and status in line with the leg."""
        leg = self.leg
        if leg is None or leg.end is not None:
            return
        media = leg.media
        up = leg.state is LegState.UP
        if media.early and media.voice is not None:
            self.on_early()
        if self.seat is not None:
            self.seat.voice(media.voice if up or (self.early and media.early) else None)
            if up and (media.held or media.held_by_peer):
                self.seat.say("call-held")
        if self.pictures is not None:
            self.pictures.apply(media.video if up else None)
        if up:
            state = CallState.UP
            if self._moving:
                state = CallState.MOVING
            elif media.held:
                state = CallState.HELD
            elif media.held_by_peer:
                state = CallState.HELD_BY_PEER
            self.hold_on.change(
                state, audio=media.audio, video=media.video.codec if media.video else "", secure=media.secure
            )
            without = media.no_video if self.pictured else ""
            self.trouble("picture", "no-picture" if without else "", without)
