"""What a step of the ladder is made of: the picture itself, a camera's smaller one, or one made smaller here.

A feed is a stream of the media plane with what holds it: closing it lets go of the viewing and of the conversion.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from adapters.uplink.ladder import Step
from gateway.base.errors import GatewayError, Unsupported
from gateway.contract.adapter import Context
from gateway.contract.media import Needs, Viewing
from gateway.model.ids import StreamId
from gateway.model.media import Codec, StreamState
from gateway.model.principal import Principal

SOUNDS = (Codec.OPUS, Codec.AAC, Codec.PCMA, Codec.PCMU, Codec.G722, Codec.L16)
PICTURES = (Codec.H264, Codec.H265)
LOW_SOUNDS = (Codec.OPUS, Codec.PCMA, Codec.G722)
MADE: dict[Step, Needs] = {
    Step.SUB: Needs(PICTURES, SOUNDS, max_height=576, max_fps=15.0, max_bitrate_bps=900_000),
    Step.LOW: Needs(PICTURES, LOW_SOUNDS, max_height=360, max_fps=10.0, max_bitrate_bps=260_000),
    Step.PICTURES: Needs((Codec.H264,), (), max_height=360, max_fps=1.0, max_bitrate_bps=70_000),
    Step.STILLS: Needs((Codec.H264,), (), max_height=360, max_fps=0.2, max_bitrate_bps=10_000),
}
STALL_MS = {Step.PICTURES: 6_000, Step.STILLS: 20_000}
"""How long the center waits for the next picture before it calls the stream stalled; else as for any."""
SUB_PATIENCE_S = 8.0


@dataclass(eq=False, slots=True)
class Feed:
    step: Step
    handle: int
    stack: AsyncExitStack

    async def close(self) -> None:
        await self.stack.aclose()


async def feed(context: Context, viewing: Viewing, step: Step, who: Principal) -> Feed:
    """Raises GatewayError where that step can not be had."""
    if step is Step.MAIN:
        return Feed(step, viewing.handle, AsyncExitStack())
    if step is Step.SUB and (sub := sub_stream(context, viewing.stream)) is not None:
        try:
            return await _sub(context, sub, who)
        except GatewayError:
            pass  # it does not open: made here then
    if step not in MADE:
        raise Unsupported(f"there is no step {step.name.lower()}")
    async with AsyncExitStack() as stack:
        # A viewing of its own: what it needs is held by it alone, and let go with it.
        own = await stack.enter_async_context(context.streams.view(viewing.stream, who, "uplink"))
        suited = await own.suited(MADE[step])
        if any(kind == "video" for kind, _ in suited.missing):
            code = next(code for kind, code in suited.missing if kind == "video")
            raise Unsupported(f"{viewing.stream} can not be made smaller", code=code)
        return Feed(step, suited.handle, stack.pop_all())


async def _sub(context: Context, sub: StreamId, who: Principal) -> Feed:
    async with AsyncExitStack() as stack:
        viewing = await stack.enter_async_context(context.streams.view(sub, who, "uplink"))
        try:
            async with asyncio.timeout(SUB_PATIENCE_S):
                async for status in viewing.changes():
                    if status.state is StreamState.LIVE:
                        return Feed(Step.SUB, viewing.handle, stack.pop_all())
        except TimeoutError:
            pass
    raise Unsupported(f"{sub} does not open")


def sub_stream(context: Context, stream: StreamId) -> StreamId | None:
    """The smaller picture of the same camera, where it has one: `…/main` and `…/sub`."""
    device, _, channel = stream.rpartition("/")
    if channel != "main":
        return None
    try:
        return context.streams.resolve(f"{device}/sub")
    except GatewayError:
        return None
