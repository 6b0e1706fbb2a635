"""All calls of the adapter: where they begin, and how they end together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

from adapters.sip.call import Ground
from adapters.sip.engine import Closing, LegState, Probing, SipEngine
from adapters.sip.incoming import run_incoming
from adapters.sip.native import NativeEngine
from adapters.sip.outgoing import dial
from adapters.sip.routing import Routing
from adapters.sip.transfer import refer
from gateway.base.errors import Busy, GatewayError
from gateway.base.tasks import Nest
from gateway.contract.adapter import Context
from gateway.net.sip import IncomingCall, SipEndpoint

log = logging.getLogger(__name__)

GOODBYE_S = 4.0
ASK_S = 6.0  # the far side of a trunk that was lost has so long to answer


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Full: a call that comes in gets 503, one that is ordered Busy. A call may need three tasks."""

    max_calls: int = 128


class CallManager:
    """`async with`: calls are placed and taken while it lasts; leaving hangs all of them up. Leave it before the
    endpoints are closed. `endpoint.on_call(manager.handler(endpoint))` for each of them."""

    def __init__(
        self,
        context: Context,
        routing: Routing,
        engine: SipEngine | None = None,
        *,
        native: NativeEngine | None = None,
        limits: CallLimits | None = None,
    ) -> None:
        """`engine` places the calls that go out; those that come in to our endpoints are `native`'s."""
        self._limits = limits or CallLimits()
        native = native or NativeEngine(context.media)
        self._nest = Nest("SIP calls", self._limits.max_calls * 4)
        self._ground = Ground(context, routing, engine or native, native, self._nest.start)
        self._ground.refer = partial(refer, self._ground)
        self._total = 0
        self._refused = 0
        self._open = False
        self._stop_dialling: Callable[[], None] = lambda: None

    async def __aenter__(self) -> CallManager:
        self._open = True
        self._stop_dialling = self._ground.context.calls.dialer("sip", self._dial)
        self._ground.routing.moved(self._moved)
        self._ground.routing.trunk_lost(self._trunk_lost)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        self._stop_dialling()
        calls = list(self._ground.calls.values())
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await asyncio.gather(*(call.end("stopping") for call in calls), return_exceptions=True)
        try:
            await self._nest.close()
        finally:
            if isinstance(self._ground.engine, Closing):
                await self._ground.engine.close()

    def handler(self, endpoint: SipEndpoint) -> Callable[[IncomingCall], Awaitable[None]]:
        """What `endpoint.on_call` takes."""

        async def on_call(incoming: IncomingCall) -> None:
            origin = await self._ground.routing.incoming(incoming)
            if origin is None:
                return
            if not self._open or incoming.end is not None:
                incoming.reject(503)
                origin.ended()
                return
            self._total += 1
            try:
                self._room()
                self._nest.start(run_incoming(self._ground, endpoint, incoming, origin), f"call {incoming.call_id}")
            except Busy:
                self._refused += 1
                incoming.reject(503, headers=[("Retry-After", "10")])
                origin.ended()

        return on_call

    def calls_of(self, trunk: str) -> int:
        """Standing calls of a trunk."""
        return sum(1 for call in self._ground.calls.values() if call.trunk == trunk)

    def figures(self) -> Mapping[str, float]:
        return {
            "calls": len(self._ground.calls),
            "calls_total": self._total,
            "calls_refused": self._refused,
            "legs": self._ground.engine.standing()
            + (0 if self._ground.engine is self._ground.native else self._ground.native.standing()),
        }

    async def _dial(self, who: Any, number: str, group: Any, video: bool) -> str:
        self._room()
        self._total += 1
        return await dial(self._ground, who, number, group, video)

    def _room(self) -> None:
        if len(self._ground.calls) >= self._limits.max_calls:
            raise Busy(f"{self._limits.max_calls} calls stand", code="too-many-calls")

    def _moved(self) -> None:
        """Our own address changed: every call tells its peer, each in its own time."""
        for call in list(self._ground.calls.values()):
            if call.leg is not None and call.leg.end is None:
                self._start(call.leg.move(), f"move of {call.id}")

    def _trunk_lost(self, trunk: str, words: str) -> None:
        """Its answered calls are asked whether their far side is there; those that can not ask end."""
        for call in list(self._ground.calls.values()):
            leg = call.leg
            if call.trunk != trunk or leg is None or leg.state is not LegState.UP:
                continue
            asking = leg.probe(words, ASK_S) if isinstance(leg, Probing) else call.end("call-link-lost", words)
            self._start(asking, f"probe of {call.id}")

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            self._nest.start(work, name)
        except GatewayError as exc:
            log.error("%s: %s", name, exc)
