"""What a step of the ladder is made of: the picture itself, a camera's smaller one, or one made smaller here.

A feed is a stream of the media plane with what holds it: closing it lets go of the viewing and of the conversion.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass

from adapters.uplink.ladder import Step
from gateway.base.errors import GatewayError, Unsupported
from gateway.contract.adapter import Context
from gateway.contract.media import Needs, Viewing
from gateway.model.ids import StreamId
from gateway.model.media import Codec, StreamState
from gateway.model.principal import Principal

log = logging.getLogger(__name__)

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
ENCODER_BPS = 260_000
"""What a camera's encoder is told to send at most of its smaller picture."""


@dataclass(eq=False, slots=True)
class Feed:
    step: Step
    handle: int
    stack: AsyncExitStack

    async def close(self) -> None:
        await self.stack.aclose()


async def feed(context: Context, viewing: Viewing, step: Step, who: Principal, *, encoders: bool = False) -> Feed:
    """`encoders`: cameras may be told to send less. Raises GatewayError where that step can not be had."""
    if step is Step.MAIN:
        return Feed(step, viewing.handle, AsyncExitStack())
    if step not in MADE:
        raise Unsupported(f"there is no step {step.name.lower()}")
    if (smaller := viewing.smaller) is not None:
        try:
            return await _of_smaller(context, smaller, step, who, encoders)
        except GatewayError as exc:
            log.info("%s: its smaller picture %s is of no use: %s", viewing.stream, smaller, exc)
    async with AsyncExitStack() as stack:
        # A viewing of its own: what it needs is held by it alone, and let go with it.
        own = await stack.enter_async_context(context.streams.view(viewing.stream, who, "uplink"))
        return Feed(step, await _made(own, step), stack.pop_all())


async def _of_smaller(context: Context, smaller: StreamId, step: Step, who: Principal, encoders: bool) -> Feed:
    """The camera's own smaller picture as it is, or with less asked of its encoder, or made smaller still here."""
    async with AsyncExitStack() as stack:
        viewing = await stack.enter_async_context(context.streams.view(smaller, who, "uplink"))
        await _live(viewing)
        if step is Step.SUB or (step is Step.LOW and encoders and await viewing.limit(ENCODER_BPS)):
            return Feed(step, viewing.handle, stack.pop_all())
        return Feed(step, await _made(viewing, step), stack.pop_all())


async def _live(viewing: Viewing) -> None:
    try:
        async with asyncio.timeout(SUB_PATIENCE_S):
            async for status in viewing.changes():
                if status.state is StreamState.LIVE:
                    return
    except TimeoutError:
        pass
    raise Unsupported(f"{viewing.stream} does not open")


async def _made(viewing: Viewing, step: Step) -> int:
    suited = await viewing.suited(MADE[step])
    lacks = [code for kind, code in suited.missing if kind == "video"]
    if lacks:
        raise Unsupported(f"{viewing.stream} can not be made smaller", code=lacks[0])
    return suited.handle
