"""A call that came in: who it is was proved by the routing; here it is seated, rung or passed on, until it ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Any

from adapters.sip.call import Call, Ground
from adapters.sip.call_pair import bind, part, relay
from adapters.sip.ends import end_of_error, status_for
from adapters.sip.engine import NO_VIDEO, Leg, LegEnd, LegState, VideoWish
from adapters.sip.media import offers_video
from adapters.sip.outgoing import Dialled
from adapters.sip.routing import Origin, Target
from gateway.base.errors import GatewayError, PeerError
from gateway.contract.media import Viewing
from gateway.model.voice import CallState, CallStatus
from gateway.net.sip import IncomingCall, SipEndpoint

log = logging.getLogger(__name__)


async def run_incoming(ground: Ground, endpoint: SipEndpoint, incoming: IncomingCall, origin: Origin) -> None:
    """The whole life of a call; everything it took is given back when this returns, however it ends."""
    try:
        call = Call(
            ground,
            CallStatus(
                id="",
                scheme="sip",
                incoming=True,
                state=CallState.RINGING_IN,
                peer=origin.number,
                peer_name=origin.display,
                target=origin.target.ref,
                trunk=origin.trunk,
                started=time.time(),
                engine=ground.native.name,
            ),
            origin.principal,
            origin.policy,
            emergency=origin.emergency,
        )
    except GatewayError as exc:
        log.info("call of %s refused: %s", origin.number, exc)
        incoming.reject(status_for(exc))
        origin.ended()
        return
    end = LegEnd("internal")
    try:
        end = await _Visit(ground, call, incoming, origin).run(endpoint)
    except asyncio.CancelledError:
        end = LegEnd("stopping")
        raise
    finally:
        incoming.reject(503)  # left alone where it was answered
        call.finish(end)
        origin.ended()


class _Visit:
    def __init__(self, ground: Ground, call: Call, incoming: IncomingCall, origin: Origin) -> None:
        self.ground = ground
        self.call = call
        self.incoming = incoming
        self.origin = origin

    async def run(self, endpoint: SipEndpoint) -> LegEnd:
        call = self.call
        leg: Leg | None = None
        async with AsyncExitStack() as stack:
            try:
                viewing, why = await self._view(stack)
                wish = self._wish(viewing)
                leg = self.ground.native.take(
                    endpoint, self.incoming, call, self.origin.policy, wish, self.origin.again
                )
                call.use(leg)
                stack.push_async_callback(self._leave, leg)
                if viewing is not None and call.pictures is not None:
                    call.pictures.show(viewing)
                if why:
                    call.trouble("view", *why)
                replaced = self._replaces(endpoint)
                if replaced is not None:
                    await self._take_over(leg, replaced)
                else:
                    await self._by_target(leg)
                end = await call.ended()
                return call.ending or end
            except GatewayError as exc:
                end = call.ending or (leg.end if leg is not None else None) or end_of_error(exc)
                if leg is not None:
                    leg.reject(status_for(exc), str(exc))
                    await leg.hang_up(end.code, end.detail)
                else:
                    self.incoming.reject(status_for(exc))
                return end

    async def _leave(self, leg: Leg) -> None:
        """Whatever happened: hang up (a refusal where it was not answered) and let go of seat and pictures."""
        await self.call.unseat()
        ending = self.call.ending or LegEnd("stopping")
        await leg.hang_up(ending.code, ending.detail)

    # — video —

    async def _view(self, stack: AsyncExitStack) -> tuple[Viewing | None, tuple[str, str] | None]:
        """The channel's picture, held open while the call lasts, also where the phone has not asked for it yet; or why
        the caller gets none. (Its sound keeps the stream open anyway.)"""
        origin = self.origin
        if origin.target.kind != "channel" or not origin.policy.video:
            return None, None
        streams = self.ground.context.streams
        try:
            stream = streams.resolve(origin.target.ref)
            return await stack.enter_async_context(streams.view(stream, origin.principal, "sip")), None
        except GatewayError as exc:
            asked = not self.incoming.request.body or offers_video(self.incoming.request.body)
            return None, (exc.code, f"no picture: {exc}") if asked else None

    def _wish(self, viewing: Viewing | None) -> VideoWish:
        """What may flow if the phone offers a picture, now or later in the call."""
        kind = self.origin.target.kind
        if kind in ("group", "number") or not self.origin.policy.video:
            return NO_VIDEO  # a group has no picture
        if viewing is not None:
            return VideoWish(send=True, receive=True, near=viewing.handle, tracks=lambda: viewing.tracks)
        return VideoWish(receive=True)

    # — where it goes —

    async def _by_target(self, leg: Leg) -> None:
        call, target = self.call, self.origin.target
        match target.kind:
            case "group" | "channel":
                seat = await call.sit(target)
                await self._accept_seated(leg)
                if call.emergency and target.kind == "group":
                    seat.press(emergency=True)
            case "console":
                await self._ring(leg)
            case "number":
                await self._pass_on(leg, target.ref)

    async def _accept_seated(self, leg: Leg) -> None:
        await leg.accept()
        if not self.call.settled.done():
            self.call.settled.set_result(None)

    async def _ring(self, leg: Leg) -> None:
        """In the console, until somebody takes it."""
        call = self.call
        leg.ring()
        await call.sit(self.origin.target)
        if await call.unless_over(call.answer_wanted, self.origin.policy.max_ring_s):
            await self._accept_seated(leg)
        elif leg.end is None and call.ending is None:
            call.ending_with(LegEnd("no-answer", f"nobody took it in {self.origin.policy.max_ring_s:g} s", 480))
            leg.reject(480, "nobody answered")

    async def _pass_on(self, leg: Leg, number: str) -> None:
        """Back to back: a call of our own to the number, both in one conversation."""
        call, ground = self.call, self.ground
        seat = await call.sit(self.origin.target)
        routes = ground.routing.outgoing(self.origin.principal, number)
        other = Dialled(ground, self.origin.principal, number, routes, seat.group, early=True)
        ground.start(other.run(), f"call {other.call.id}")
        call.on_digit, other.call.on_digit = relay(other.call), relay(call)
        leg.ring()
        try:
            if await self._first(other.early.wait(), other.answered.wait(), other.over) == 0:
                call.early = True
                leg.ring(early=True)
            await self._first(other.answered.wait(), other.over)
            if leg.end is None and not other.over.done():
                await self._accept_seated(leg)
            if leg.end is None and not other.over.done():
                bind(call, other.call)
            elif other.over.done():
                end = other.over.result()
                call.ending_with(end)
                if leg.state is not LegState.UP:
                    leg.reject(end.status or 480, end.detail or end.code)
                await call.end(end.code, end.detail)
        finally:
            if call.partner is not other.call:
                end = leg.end or call.ending or LegEnd("stopping")
                await other.end(end.code, end.detail)

    async def _first(self, *waits: Awaitable[Any]) -> int:
        """Which of them comes first; -1 when the caller's leg is over before."""
        works = [asyncio.ensure_future(wait) for wait in waits]
        gone = asyncio.ensure_future(self.call.ended())
        try:
            await asyncio.wait([*works, gone], return_when=asyncio.FIRST_COMPLETED)
            return next((index for index, work in enumerate(works) if work.done()), -1)
        finally:
            gone.cancel()
            for work, wait in zip(works, waits, strict=True):
                if work is not wait:
                    work.cancel()

    # — Replaces (RFC 3891) —

    def _replaces(self, endpoint: SipEndpoint) -> Call | None:
        """The call of ours whose place this one takes. Who calls was proved, and the name of a dialog is 128 bits of
        chance that only its two ends know, and whom they tell (RFC 3891 §8). Raises NotFound."""
        if self.incoming.replaces is None:
            return None
        found = endpoint.find_call(self.incoming.replaces)
        if found is not None:
            for one in self.ground.calls.values():
                if one is not self.call and one.leg is not None and one.leg.dialog == found.dialog_ids:
                    return one
        raise PeerError("the call that is to be replaced is over", status=481)

    async def _take_over(self, leg: Leg, replaced: Call) -> None:
        if replaced.seat is None:
            await self._by_target(leg)
            return
        await self.call.sit(Target("group", replaced.seat.group))
        await self._accept_seated(leg)
        if (partner := part(replaced)) is not None:
            bind(partner, self.call)
        await replaced.end("call-replaced", self.call.name)
