"""One voice call by a modem: dialled or taken, seated, its sound carried, hung up.

    RINGING_IN ─taken─► UP                CALLING ─► RINGING ─answered─► UP
    every state ─► ENDED, with a reason code and words

One task runs it; whatever ends it, the sound is switched off and the call hung up, in that order, before it is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import TYPE_CHECKING

from adapters.modem.call_sound import CallSound, call_sound
from adapters.modem.face import CallPhase, SoundWay, Speaking, VoiceCall
from gateway.base.errors import GatewayError, LinkDown, PeerError, Unsupported
from gateway.contract.voice import KeyedBy, Seat, SeatWish
from gateway.model.principal import Principal
from gateway.model.voice import CallState, CallStatus, GroupId, MemberKind

if TYPE_CHECKING:
    from adapters.modem.phone import Phone

log = logging.getLogger(__name__)

LOOK_S = 1.0
UNLISTED_S = 4.0
"""Dialled and not listed yet."""
LOST_S = 8.0
"""The modem is asked of a call in vain for so long, then it is over."""
AGAIN_S = 2.0
WITHOUT_S = 30.0
"""A call whose sound can not be opened costs money and carries nothing: it is hung up."""
AGAIN_ON_S = 15.0
"""A modem that was opened anew in a call has switched its sound off: told again while nothing is heard."""
LISTEN_S = 0.5


class Over(Exception):
    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code, self.detail = code, detail


class ModemCall:
    """Fulfils `contract.voice.CallHandler`."""

    def __init__(self, phone: Phone, who: Principal, number: str, *, incoming: bool, where: str | None) -> None:
        """Lists it. Raises Busy (`too-many-calls`). `where`: a group or channel; None: a conversation of its own."""
        loop = asyncio.get_running_loop()
        self._phone = phone
        self._who = who
        self.number = number
        self.incoming = incoming
        self._where = where
        self.news = asyncio.Event()
        self.over: asyncio.Future[None] = loop.create_future()
        self._ending: Over | None = None
        self._taken: asyncio.Future[None] = loop.create_future()
        self._settled: asyncio.Future[None] = loop.create_future()
        self._seat: Seat | None = None
        self._up = False
        self._trouble = ""
        self.sound: CallSound | None = None
        self._id = ""  # as the modem lists it
        self._old: frozenset[str] = frozenset()
        """Calls that had ended before: ModemManager lists those too."""
        self.listed = phone.context.calls.open(
            CallStatus(
                id="",
                scheme="tel",
                incoming=incoming,
                state=CallState.RINGING_IN if incoming else CallState.CALLING,
                peer=number or "withheld",
                target=where or "",
                trunk=phone.name,
                engine="modem",
            ),
            self,
        )

    # — the life of it —

    async def run(self) -> None:
        end = Over("internal")
        try:
            async with AsyncExitStack() as stack:
                stack.push_async_callback(self._put_down)
                end = await self._live(stack)
        except Over as exc:
            end = exc
        except GatewayError as exc:
            end = self._ending or Over(exc.code, str(exc))
        except asyncio.CancelledError:
            end = self._ending or Over("stopping")
            raise
        finally:
            for one in (self._settled, self.over):
                if not one.done():
                    one.set_result(None)
            self._taken.cancel()
            self.listed.end(end.code, end.detail)
            log.info("%s: call with %s ended: %s %s", self._phone.name, self.number, end.code, end.detail)

    async def _live(self, stack: AsyncExitStack) -> Over:
        modem = self._phone.modem
        if self._where is None:
            await self._sit(stack)
        if self.incoming:
            if self._where is None:
                await self._until(lambda call: self._taken.done(), self._phone.calls.max_ring)
            await modem.answer()
        else:
            self._old = frozenset(one.id for one in await modem.calls() if one.phase is CallPhase.ENDED)
            try:
                await modem.dial(self.number)
            except PeerError as exc:
                codes = {"BUSY": "peer-busy", "NO ANSWER": "no-answer", "NO CARRIER": "call-rejected"}
                raise Over(codes.get(str(exc.status), exc.code), str(exc)) from exc
        await self._until(lambda call: call.phase is CallPhase.ACTIVE, self._phone.calls.max_ring)
        if not self.incoming:
            stack.callback(self._phone.budget.begin())
        if self._seat is None:
            await self._sit(stack)
        self._up = True
        self.listed.change(CallState.UP, audio=self._phone.calls.way)
        if not self._settled.done():
            self._settled.set_result(None)
        carry = asyncio.create_task(self._carry(), name=f"sound of {self.listed.id}")
        carry.add_done_callback(lambda _: self.news.set())
        try:
            await self._until(lambda call: carry.done(), None)
            carry.result()
            return Over("call-no-sound")
        finally:
            carry.cancel()
            await asyncio.gather(carry, return_exceptions=True)

    async def _until(self, right: Callable[[VoiceCall], bool], most_s: float | None) -> None:
        """Until it is right by the modem's list. Raises Over when it ends before, or in time."""
        loop = asyncio.get_running_loop()
        began = seen = loop.time()
        lost = False
        while True:
            self.news.clear()
            if self._ending is not None:
                raise self._ending
            try:
                call = self._mine(await self._phone.modem.calls())
            except (LinkDown, PeerError) as exc:
                lost, call = True, None
                if loop.time() - seen > LOST_S:
                    raise Over("call-link-lost", str(exc)) from exc
            else:
                if call is not None and call.phase is not CallPhase.ENDED:
                    seen, lost = loop.time(), False
                    if call.phase is CallPhase.RINGING and not self.incoming:
                        self.listed.change(CallState.RINGING)
                    if right(call):
                        return
                elif call is not None or loop.time() - began > UNLISTED_S or self.incoming or self._word:
                    raise self._why(call, lost)
            if most_s is not None and loop.time() - began > most_s:
                raise Over("no-answer", f"it rang for {most_s:g} s")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self.news.wait()

    @property
    def _word(self) -> str:
        modem = self._phone.modem
        return modem.last_word if isinstance(modem, Speaking) else ""

    def _mine(self, calls: Sequence[VoiceCall]) -> VoiceCall | None:
        """A modem has one of ours at a time; another may ring beside it."""
        if self._id:
            return next((one for one in calls if one.id == self._id), None)
        mine = [one for one in calls if one.incoming is self.incoming and one.id not in self._old]
        standing = [one for one in mine if one.phase is not CallPhase.ENDED]
        self._id = standing[0].id if standing else ""
        return next(iter(standing or mine), None)

    def _why(self, call: VoiceCall | None, lost: bool) -> Over:
        if lost:
            return Over("call-link-lost", "the modem began anew")
        if self._up:
            return Over("peer-hung-up")
        if self.incoming:
            return Over("call-cancelled")
        return Over(self._word or (call.code if call is not None else "") or "call-rejected", "by the network")

    async def _put_down(self) -> None:
        """It is hung up whoever ended it: a call that stands by mistake is paid for."""
        try:
            async with asyncio.timeout(LOST_S):
                await self._phone.modem.hang_up()
        except (GatewayError, TimeoutError) as exc:
            log.info("%s: hanging up: %s", self._phone.name, exc or "no answer in time")

    # — where it sits —

    async def _sit(self, stack: AsyncExitStack) -> None:
        self._seat = await stack.enter_async_context(self._place())
        stack.callback(self._unseat)
        self.listed.change(target=self._seat.group)

    def _unseat(self) -> None:
        seat, self._seat = self._seat, None
        if seat is not None:
            seat.voice(None)

    def _place(self) -> AbstractAsyncContextManager[Seat]:
        talk = self._phone.context.talk
        wish = SeatWish(
            id=f"tel:{self.number or self.listed.id}",
            kind=MemberKind.PHONE,
            name=self.number or "withheld",
            keyed_by=KeyedBy.VOICE,
            principal=self._who,
            on_end=self.end,
        )
        if self._where is None:
            return talk.waiting_room(wish, wish.name)
        if self._where.split("/")[1:2] == ["talk"]:
            return talk.seat(talk.resolve(self._where), wish)
        return talk.converse(self._where, wish)

    # — its sound —

    async def _carry(self) -> None:
        """Opened, and opened again when it goes. Raises GatewayError, or Over, when it stays away."""
        phone, loop = self._phone, asyncio.get_running_loop()
        well = loop.time()
        while True:
            try:
                async with call_sound(phone.name, phone.modem, phone.config, phone.context.media.engine) as sound:
                    well = loop.time()
                    self.sound = sound
                    if self._seat is not None:
                        self._seat.voice(sound.voice)
                    try:
                        await self._listen(sound)
                    finally:
                        self.sound = None
                        phone.count(sound)
                        if self._seat is not None:
                            self._seat.voice(None)
            except GatewayError as exc:
                self._say(exc.code, str(exc))
                if loop.time() - well > WITHOUT_S:
                    raise Over("call-no-sound", str(exc)) from exc
            await asyncio.sleep(AGAIN_S)

    async def _listen(self, sound: CallSound) -> None:
        """Says when nothing is heard of the modem, and when it is again. Raises LinkDown when the sound is lost."""
        loop = asyncio.get_running_loop()
        heard = again = loop.time()
        told = False
        while True:
            await asyncio.wait((sound.lost,), timeout=LISTEN_S)
            if sound.lost.done():
                sound.lost.result()
            now = loop.time()
            if sound.heard:
                heard = again = now
                told = False
                self._say("")
                continue
            if now - heard > self._phone.calls.silent_after and not told:
                told = True
                self._say("call-no-sound", f"the call is up but no sound comes from the modem: {sound.silence}")
            if now - again > AGAIN_ON_S:
                again = now
                await self._once_more()

    def _say(self, code: str, detail: str = "") -> None:
        """What people should read while it goes on; "" takes it back."""
        if code == self._trouble:
            return
        self._trouble = code
        if code:
            log.warning("%s: %s (%s)", self._phone.name, detail, code)
        self.listed.change(code=code, detail=detail)
        if self._seat is not None and self.sound is None:
            self._seat.say(code, detail)

    async def _once_more(self) -> None:
        modem = self._phone.modem
        if isinstance(modem, Speaking):
            try:
                await modem.switch_sound(SoundWay(self._phone.calls.way), True)
            except GatewayError as exc:
                log.info("%s: its sound, told again: %s", self._phone.name, exc)

    # — contract.voice.CallHandler —

    def end(self, code: str, detail: str = "") -> None:
        """Hang up for this reason; safe at any time."""
        self._ending = self._ending or Over(code, detail)
        self.news.set()

    async def answer(self, who: Principal) -> GroupId:
        if not self.incoming or self._taken.done() or self._seat is None:
            raise Unsupported(f"call {self.listed.id} does not wait to be answered")
        group = self._seat.group
        self._taken.set_result(None)
        self.news.set()
        await asyncio.shield(self._settled)
        if not self._up:
            raise LinkDown(f"call {self.listed.id} is over", code="call-ended")
        return group

    async def hang_up(self, who: Principal) -> None:
        self.end("hung-up", who.name)
        await asyncio.shield(self.over)

    async def hold(self, who: Principal, held: bool) -> None:
        raise Unsupported("a modem's call can not be put on hold")

    async def transfer(self, who: Principal, target: str, *, attended_with: str = "") -> None:
        raise Unsupported("a modem's call can not be transferred")

    async def digits(self, who: Principal, digits: str) -> None:
        modem = self._phone.modem
        if not self._up:
            raise LinkDown(f"call {self.listed.id} is not up", code="call-not-up")
        if not isinstance(modem, Speaking):
            raise Unsupported('digits go by our own AT engine only (backend = "at")')
        await modem.tones(digits)
