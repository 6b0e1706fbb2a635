"""A multicast source with several programmes: each becomes a stream beside the source's own, opened when watched."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from adapters.mpegts.protocol import Place, parse_programmes
from gateway.contract.adapter import Context
from gateway.contract.media import Offer, Publication
from gateway.model.ids import DeviceId, StreamId

log = logging.getLogger(__name__)

Receive = Callable[[Place, Publication], Awaitable[None]]


class Programmes:
    def __init__(self, context: Context, receive: Receive) -> None:
        self._context = context
        self._receive = receive
        self._offered: dict[StreamId, dict[StreamId, Place]] = {}

    def found(self, place: Place, stream: StreamId, data: bytes) -> None:
        """The programmes of what `stream` receives, as they are now."""
        device = DeviceId(stream.rpartition("/")[0])
        before = self._offered.get(stream, {})
        now: dict[StreamId, Place] = {}
        for programme in parse_programmes(data):
            id_ = StreamId(f"{device}/p{programme.number}")
            now[id_] = replace(place, program=programme.number)
            if before.get(id_) != now[id_]:
                log.info("%s: programme %d, %s, is offered as %s", stream, programme.number, programme.name, id_)
                self._context.streams.offer(Offer(id_, device, programme.name, self._opener(now[id_])))
        for id_ in before.keys() - now.keys():
            self._context.streams.withdraw(id_)
        self._offered[stream] = now

    def close(self) -> None:
        for offered in self._offered.values():
            for id_ in offered:
                self._context.streams.withdraw(id_)
        self._offered.clear()

    def _opener(self, place: Place) -> Callable[[Publication], Awaitable[None]]:
        async def open_(publication: Publication) -> None:
            await self._receive(place, publication)

        return open_
