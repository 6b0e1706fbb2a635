"""A call that we place: routes tried in order, then seated in its group or in a conversation of its own, until it ends.

The next route is tried when the way failed (408, 430, 500, 503, 504, a dead link), never when the called one has spoken
(busy, declined, no answer): a phone must not ring twice for one no.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from adapters.sip.call import Call, Ground
from adapters.sip.ends import FAILOVER, end_of_error
from adapters.sip.engine import NO_VIDEO, Leg, LegEnd, VideoWish
from adapters.sip.routing import Route, Target
from gateway.base.errors import GatewayError, LinkDown, PeerError
from gateway.contract.media import Viewing
from gateway.model.principal import Principal
from gateway.model.voice import CallState, CallStatus

log = logging.getLogger(__name__)


class Dialled:
    """`run` is its task. `answered` is set when it is up and seated, `early` when early media are heard, `over` in the
    end with the reason."""

    def __init__(
        self,
        ground: Ground,
        who: Principal,
        number: str,
        routes: Sequence[Route],
        where: str | None = None,
        *,
        video: bool = False,
        early: bool = False,
        replaces: str = "",
    ) -> None:
        """Lists the call; the routes' places are its own from here on, also when this raises Busy. `where`: the
        group or channel that the answered call is seated with, None for a conversation of its own. `early`: early media
        are heard there too. `replaces`: of an attended transfer."""
        loop = asyncio.get_running_loop()
        self.ground = ground
        self.number = number
        self.answered = asyncio.Event()
        self.early = asyncio.Event()
        self.over: asyncio.Future[LegEnd] = loop.create_future()
        self._place = _place(where)
        self._viewing: Viewing | None = None
        self._video = video
        self._replaces = replaces
        self._left = list(routes)
        first = routes[0]
        try:
            self.call = Call(
                ground,
                CallStatus(
                    id="",
                    scheme="sip",
                    incoming=False,
                    state=CallState.CALLING,
                    peer=number,
                    target=where or "",
                    trunk=first.trunk,
                    started=time.time(),
                    engine=ground.engine.name,
                ),
                who,
                first.policy,
            )
        except BaseException:
            self._give_back()
            raise
        # Nobody is there yet to hear a ringing tone in a group; in its own conversation whoever joins it is.
        self.call.early = early or where is None
        self.call.pictured = video
        self.call.on_early = self.early.set

    async def run(self) -> None:
        end = LegEnd("internal")
        try:
            async with AsyncExitStack() as stack:
                try:
                    end = await self._call(stack)
                except GatewayError as exc:
                    end = self.call.ending or end_of_error(exc)
        except asyncio.CancelledError:
            end = LegEnd("stopping")
            raise
        finally:
            self._give_back()
            self.call.finish(end)
            if not self.over.done():
                self.over.set_result(end)

    async def end(self, code: str, detail: str = "") -> None:
        await self.call.end(code, detail)

    def _give_back(self) -> None:
        left, self._left = self._left, []
        for route in left:
            route.ended()

    async def _call(self, stack: AsyncExitStack) -> LegEnd:
        call = self.call
        stack.push_async_callback(self._leave)
        if self._place.kind == "console" or call.early:
            await call.sit(self._place)
        if self._video and self._place.kind == "channel":
            await self._view(stack)
        end = LegEnd("no-route")
        for route in list(self._left):
            if call.ending is not None:
                return call.ending
            reached = await self._try(route)
            if reached is None:
                break
            end = reached
            self._left.remove(route)
            route.ended()
            if not (end.status in FAILOVER or end.code == "call-link-lost") or call.ending is not None:
                return end
            log.info("call %s: %s by %s, the next way is tried", call.id, end.detail or end.code, route.name)
        else:
            return end
        if call.seat is None:
            await call.sit(self._place)
        if not call.settled.done():
            call.settled.set_result(None)
        self.answered.set()
        end = await call.ended()
        return call.ending or end

    async def _try(self, route: Route) -> LegEnd | None:
        """None when it is answered."""
        call = self.call
        wish = self._wish() if route.policy.video else NO_VIDEO
        try:
            leg = await self.ground.engine.place(route, call, wish, replaces=self._replaces)
        except LinkDown as exc:
            return LegEnd("call-link-lost", str(exc))
        call.use(leg, route.policy)
        call.trunk = route.trunk
        if self._viewing is not None and call.pictures is not None:
            call.pictures.show(self._viewing)
        call.hold_on.change(CallState.CALLING, trunk=route.trunk, engine=route.engine)
        if call.ending is not None:
            await leg.hang_up(call.ending.code, call.ending.detail)
            return call.ending
        try:
            async with asyncio.timeout(route.policy.max_ring_s):
                await leg.answered()
            return None
        except TimeoutError:
            await leg.hang_up("no-answer", f"it rang for {route.policy.max_ring_s:g} s")
            return LegEnd("no-answer", f"it rang for {route.policy.max_ring_s:g} s", 480)
        except (PeerError, LinkDown) as exc:
            return await self._why(leg, exc)

    async def _view(self, stack: AsyncExitStack) -> None:
        """The channel's picture, held open while it is called about; without it the sound goes on."""
        streams = self.ground.context.streams
        try:
            stream = streams.resolve(self._place.ref)
            self._viewing = await stack.enter_async_context(streams.view(stream, self.call.principal, "sip"))
        except GatewayError as exc:
            self.call.trouble("view", exc.code, f"no picture: {exc}")

    def _wish(self) -> VideoWish:
        viewing = self._viewing
        if viewing is not None:
            return VideoWish(send=True, receive=True, near=viewing.handle, tracks=lambda: viewing.tracks)
        return VideoWish(receive=True) if self._video else NO_VIDEO

    async def _why(self, leg: Leg, exc: GatewayError) -> LegEnd:
        call = self.call
        if call.ending is not None:
            return call.ending
        await leg.hang_up("call-link-lost", str(exc))  # no answer in time: nobody else cancels it
        try:
            async with asyncio.timeout(1.0):
                return await call.ended()
        except TimeoutError:
            return end_of_error(exc)

    async def _leave(self) -> None:
        await self.call.unseat()
        ending = self.call.ending or LegEnd("stopping")
        if self.call.leg is not None:
            await self.call.leg.hang_up(ending.code, ending.detail)


def _place(where: str | None) -> Target:
    if where is None:
        return Target("console")
    kind = where.split("/")[1:2]
    return Target("group" if kind == ["talk"] else "channel", where)  # `talk` is no device's name


async def dial(ground: Ground, who: Principal, number: str, where: str | None, video: bool) -> str:
    """The dialer of "sip": the call's id, while it is under way. Raises what `Routing.outgoing` raises, and Busy."""
    routes = ground.routing.outgoing(who, number, where or "")
    dialled = Dialled(ground, who, number, routes, where, video=video)
    ground.start(dialled.run(), f"call {dialled.call.id}")
    return dialled.call.id
