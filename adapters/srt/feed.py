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
    context: Context, wire: Wire, publication: Publication, latencies: Latencies, host: str, program: int = 0
) -> str:
    """Until the leg has ended: why. `latencies` learns of the link meanwhile."""
    media = context.media
    publication.on_data(Sensed(publication.stream, context.messages.position).heard)
    leg = publication.leg(wire.bind_in(publication.handle, stall_ms=publication.stall_ms, program=program))
    watch = asyncio.create_task(_watch(media, leg.handle, latencies, host), name=f"srt link {host}")
    try:
        return await leg.ended()
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        media.forget_wire(leg.handle)
        leg.close()


async def _watch(media: Media, leg: int, latencies: Latencies, host: str) -> None:
    told = False
    await asyncio.sleep(SETTLE_S)
    while True:
        try:
            figures = await asyncio.to_thread(media.engine.srt_stats, leg)
        except codecs.MediaError:
            return
        wanted = latencies.learnt(host, float(figures["rtt_ms"]))
        negotiated = float(figures["latency_ms"])
        if negotiated < wanted and not told:
            told = True
            log.info(
                "SRT from %s: latency %.0f ms is short for a round trip of %.0f ms; its next connection gets %d ms",
                host, negotiated, float(figures["rtt_ms"]), wanted,
            )  # fmt: skip
        await asyncio.sleep(LOOK_EVERY_S)


def ended(code: str, what: str) -> LinkDown:
    return LinkDown(f"{what} has ended", code=code)
