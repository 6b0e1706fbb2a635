"""A connection that brings a transport stream: its leg, its link watched, its positions told."""

from __future__ import annotations

import asyncio
import logging

from adapters.srt.link import Latencies, Wire
from gateway import codecs
from gateway.base.errors import LinkDown
from gateway.contract.adapter import Context
from gateway.contract.media import Media, Publication
from gateway.net.sensed import Sensed

log = logging.getLogger(__name__)

SETTLE_S = 5.0
"""After so long a link's round trip is measured."""
LOOK_EVERY_S = 60.0


async def feed(
    context: Context,
    wire: Wire,
    publication: Publication,
    latencies: Latencies,
    host: str,
    program: int = 0,
    *,
    anew: bool = False,
) -> str:
    """Until the leg has ended: why. `latencies` learns of the link meanwhile; `anew`: end with `srt-latency` when what
    was agreed is short for it, so that it is connected again with more."""
    media = context.media
    publication.on_data(Sensed(publication.stream, context.messages.position).heard)
    leg = publication.leg(wire.bind_in(publication.handle, stall_ms=publication.stall_ms, program=program))
    ended = asyncio.create_task(leg.ended(), name=f"srt leg {host}")
    try:
        return await watched(media, leg.handle, ended, latencies, host, anew=anew)
    finally:
        media.forget_wire(leg.handle)
        leg.close()


async def watched(
    media: Media, bound: int, ended: asyncio.Task[str], latencies: Latencies, host: str, *, anew: bool
) -> str:
    """`ended`'s result, or `srt-latency`. The link of the bound connection is measured meanwhile."""
    short = asyncio.create_task(_short(media, bound, latencies, host), name=f"srt link {host}")
    try:
        await asyncio.wait({ended, short} if anew else {ended}, return_when=asyncio.FIRST_COMPLETED)
        return ended.result() if ended.done() else "srt-latency"
    finally:
        short.cancel()
        ended.cancel()
        await asyncio.gather(short, ended, return_exceptions=True)


async def _short(media: Media, bound: int, latencies: Latencies, host: str) -> None:
    """Ends when the agreed latency is found short; goes on measuring otherwise."""
    await asyncio.sleep(SETTLE_S)
    while True:
        try:
            figures = await asyncio.to_thread(media.engine.srt_stats, bound)
        except codecs.MediaError:
            await asyncio.get_running_loop().create_future()  # it has ended: somebody else tells
            return
        wanted = latencies.learnt(host, float(figures["rtt_ms"]))
        negotiated = float(figures["latency_ms"])
        if negotiated < wanted:
            log.info(
                "SRT with %s: latency %.0f ms is short for a round trip of %.0f ms; its next connection gets %d ms",
                host, negotiated, float(figures["rtt_ms"]), wanted,
            )  # fmt: skip
            return
        await asyncio.sleep(LOOK_EVERY_S)


def ended(code: str, what: str) -> LinkDown:
    return LinkDown(f"{what} has ended", code=code)
