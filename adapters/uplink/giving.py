"""A kit gives its pictures: one copy of each that its center asks for, at the step that the links carry.

Each goes by a flow of frames. When the step changes the new one begins beside the old: the center goes over at its
first key picture, says so, and only then the old flow ends. What is given up is said, and so is what the source waits
for.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any

from adapters.uplink.bundle import Bundle, Klass
from adapters.uplink.config import UplinkConfig
from adapters.uplink.feeds import STALL_MS, Feed, feed
from adapters.uplink.ladder import Ladder, Step
from gateway import codecs
from gateway.base.errors import Busy, GatewayError
from gateway.base.tasks import Nest
from gateway.contract.adapter import Context
from gateway.contract.media import Viewing
from gateway.model.ids import StreamId
from gateway.model.media import StreamState
from gateway.model.principal import Principal

log = logging.getLogger(__name__)

OVER_S = 10.0
"""A step before is kept so long while the center has not gone over to the next."""
TRY_AGAIN_S = 60.0
PICTURES_PLAYOUT_S = 2.5
"""At one picture a second one may take its time: on a thin link a second goes by until it is there."""
CODES = {
    Step.MAIN: "",
    Step.SUB: "link-sub",
    Step.LOW: "link-low",
    Step.PICTURES: "link-pictures",
    Step.STILLS: "link-stills",
    Step.NOTHING: "link-nothing",
}
Say = Callable[[str, Mapping[str, Any]], object]


def playout_ms(step: Step, config: UplinkConfig) -> int:
    """How long after it was taken a picture is of use. Stills have no play-out: each is shown when it is whole, 20 s
    later where the link is that thin."""
    if step >= Step.STILLS:
        return 0
    return round(1000 * (max(config.playout, PICTURES_PLAYOUT_S) if step is Step.PICTURES else config.playout))


class Flow:
    """One step on its way: the media plane reads it from a stream and the bundle carries it."""

    def __init__(self, bundle: Bundle, given: Feed, config: UplinkConfig) -> None:
        """Raises LinkDown, MediaError."""
        self._bundle = bundle
        self.feed = given
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        klass: Klass = "still" if given.step >= Step.STILLS else "video"
        try:
            playout = playout_ms(given.step, config)
            self.number = bundle.open_flow(theirs.detach(), "frames", klass, config.mode, playout)
        except BaseException:
            ours.close()
            raise
        self.subscription = bundle.engine.open_frames_out(given.handle, ours.detach())
        bundle.engine.bundle_join(bundle.handle, self.number, self.subscription, way="out")
        self.bytes = 0.0
        self.bps = 0.0

    def measure(self, seconds: float) -> float:
        """Bit/s of late; blocks for a moment, to be called in a thread."""
        try:
            total = float(self._bundle.engine.subscription_stats(self.subscription).get("bytes", 0))
        except codecs.MediaError:
            return self.bps
        rate = max(0.0, total - self.bytes) * 8 / max(seconds, 0.1)
        self.bps = rate if self.bytes == 0 else 0.7 * self.bps + 0.3 * rate
        self.bytes = total
        return self.bps

    async def close(self) -> None:
        self._bundle.engine.unsubscribe(self.subscription)
        self._bundle.close_flow(self.number)
        await self.feed.close()


class Given:
    """One picture that a center has."""

    def __init__(self, giving: Giving, number: int, stream: StreamId, first: Step) -> None:
        self._giving = giving
        self.number = number
        self.stream = stream
        self.step = first
        self.flow: Flow | None = None
        self._before: Flow | None = None
        self._wanted = asyncio.Event()
        self._gone_over = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled, or the stream is no more."""
        giving = self._giving
        code, detail = "source-ended", ""
        try:
            view = giving.context.streams.view(self.stream, giving.who, "uplink")
            async with view as viewing, asyncio.TaskGroup() as group:
                stepping = group.create_task(self._steps(viewing))
                await self._states(viewing)
                stepping.cancel()
        except* GatewayError as errors:
            first = errors.exceptions[0]
            code, detail = (first.code, str(first)) if isinstance(first, GatewayError) else ("internal", "")
        finally:
            for flow in (self.flow, self._before):
                if flow is not None:
                    await flow.close()
            giving.say("over", {"given": self.number, "code": code, "detail": detail[:200]})

    def want(self, step: Step) -> None:
        self.step = step
        self._wanted.set()

    def gone_over(self, flow: int) -> None:
        if self.flow is not None and self.flow.number == flow:
            self._gone_over.set()

    async def _states(self, viewing: Viewing) -> None:
        said: object = None
        async for status in viewing.changes():
            if status.state is StreamState.REMOVED:
                return
            now = (status.state, status.code, status.detail)
            if now != said:
                said = now
                words = {"given": self.number, "state": status.state.value, "code": status.code}
                self._giving.say("at", words | {"detail": status.detail[:200]})

    async def _steps(self, viewing: Viewing) -> None:
        """The step that is wanted, again and again."""
        self._wanted.set()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self.flow is None or self.flow.feed.step is not self.step:
                await self._go(viewing, self.step)

    async def _go(self, viewing: Viewing, step: Step) -> None:
        giving = self._giving
        if step is Step.NOTHING:
            giving.gave_up(self.stream, step)
            await self._end_flow()
            return
        try:
            made = await feed(giving.context, viewing, step, giving.who, encoders=giving.config.encoders)
        except GatewayError as exc:
            log.info("%s: no %s for the center: %s (%s)", self.stream, step.name.lower(), exc, exc.code)
            self.want(giving.without(self, step))
            return
        try:
            flow = Flow(giving.bundle, made, giving.config)
        except (GatewayError, codecs.MediaError):
            await made.close()
            raise
        self._before, self.flow = self.flow, flow
        self._gone_over.clear()
        giving.gave_up(self.stream, step)
        words = {"given": self.number, "flow": flow.number, "step": step.name.lower()}
        giving.say("flow", words | {"stall_ms": STALL_MS.get(step, 0)})
        if self._before is not None:
            try:
                async with asyncio.timeout(OVER_S):
                    await self._gone_over.wait()
            except TimeoutError:
                pass
            before, self._before = self._before, None
            await before.close()

    async def _end_flow(self) -> None:
        flow, self.flow = self.flow, None
        if flow is not None:
            await flow.close()


class Giving:
    """All pictures that one center has, and the ladder over them."""

    def __init__(self, context: Context, bundle: Bundle, who: Principal, config: UplinkConfig, say: Say) -> None:
        self.context = context
        self.bundle = bundle
        self.who = who
        self.config = config
        self.say = say
        self._ladder = Ladder()
        self._given: dict[int, tuple[Given, asyncio.Task[None]]] = {}
        self._nest = Nest("pictures for a center", config.max_pictures)
        self._up: dict[str, str] = {}
        self._tried_at = 0.0

    def open(self, number: int, stream: StreamId) -> None:
        """`number` is the center's for it. Raises Busy (`too-many`); whether it may be had is asked as it opens, and
        told by `over`."""
        if number in self._given:
            raise Busy(f"picture {number} is given already")
        now = asyncio.get_running_loop().time()
        usable = self.bundle.usable_bps if self.config.ladder else None
        first = self._ladder.add(str(number), now, float(usable) if usable else None)
        given = Given(self, number, stream, first)
        try:
            task = self._nest.start(given.run(), f"give {stream}")
        except Busy as exc:
            self._ladder.remove(str(number))
            raise Busy(str(exc), code="too-many") from exc
        self._given[number] = (given, task)
        task.add_done_callback(lambda _task: self._over(number))

    async def close(self, number: int) -> None:
        if (found := self._given.get(number)) is not None:
            found[1].cancel()
            await asyncio.gather(found[1], return_exceptions=True)

    async def close_all(self) -> None:
        await self._nest.close()

    def gone_over(self, number: int, flow: int) -> None:
        """The center has gone over to that flow."""
        if (found := self._given.get(number)) is not None:
            found[0].gone_over(flow)

    @property
    def count(self) -> int:
        return len(self._given)

    def own_bps(self) -> float:
        """What the pictures take now."""
        return sum(given.flow.bps for given, _ in self._given.values() if given.flow is not None)

    async def measure(self, seconds: float) -> None:
        """Once in so many seconds: what each picture really takes."""
        flows = [(given, given.flow) for given, _ in self._given.values() if given.flow is not None]
        if flows:
            await asyncio.to_thread(lambda: [flow.measure(seconds) for _, flow in flows])
        for given, flow in flows:
            if flow.bps > 0:
                self._ladder.measured(str(given.number), flow.feed.step, flow.bps)

    def look(self, usable_bps: float, pressed: bool) -> None:
        """What passes now; steps follow. While nothing passes at all nothing is decided: it is as before, or not at
        all."""
        if not self.config.ladder or usable_bps <= 0:
            return
        now = asyncio.get_running_loop().time()
        if now - self._tried_at > TRY_AGAIN_S:
            self._tried_at = now
            for given, _ in self._given.values():
                self._ladder.again(str(given.number))
        for name, step in self._ladder.look(now, usable_bps, pressed):
            if (found := self._given.get(int(name))) is not None:
                log.info("%s: %s for the center", found[0].stream, step.name.lower())
                found[0].want(step)

    def without(self, given: Given, step: Step) -> Step:
        return self._ladder.without(str(given.number), step)

    def gave_up(self, stream: StreamId, step: Step) -> None:
        code = CODES[step]
        if self._up.get(stream, "") != code:
            self._up[stream] = code
            self.say("gave-up", {"stream": stream, "code": code})

    def _over(self, number: int) -> None:
        given, _ = self._given.pop(number)
        self._ladder.remove(str(number))
        self.gave_up(given.stream, Step.MAIN)
        self._up.pop(given.stream, None)
