"""One who called us: told who he is by stream id, passphrase or address, then publisher or reader until he leaves."""

from __future__ import annotations

import logging

from adapters.srt.feed import ended, feed
from adapters.srt.link import Latencies, Wire
from adapters.srt.protocol import Mode, Request, parse_stream_id, selected_user
from gateway import codecs
from gateway.base.errors import Denied
from gateway.contract.adapter import Context
from gateway.contract.media import Needs, Publication
from gateway.contract.source import PushInfo
from gateway.model.media import Codec
from gateway.model.principal import Principal
from gateway.net.outflow import Outflow

log = logging.getLogger(__name__)

NEEDS = Needs(video=(Codec.H264, Codec.H265), audio=(Codec.AAC, Codec.OPUS))
"""What a transport stream carries."""


class Caller:
    def __init__(self, context: Context, wire: int, event: codecs.WireEvent, proven: frozenset[str]) -> None:
        """`proven`: programs that can only have come here by their own passphrase."""
        self._context = context
        self._event = event
        self._proven = proven
        self.wire = Wire(context.media, wire)
        self.address = event.address
        self.host = event.address.rpartition(":")[0].strip("[]")
        self.mode: Mode | None = None
        self.begun = False  # let in, and not only connected

    async def serve(self, latencies: Latencies) -> None:
        """Raises GatewayError with why he was refused, or how it ended."""
        with self.wire:
            request = parse_stream_id(self._event.detail)
            who = await self._who(request)
            self.mode = request.mode
            if request.mode is Mode.PUBLISH:
                await self._publish(request, who, latencies)
            else:
                await self._read(request, who)

    async def _who(self, request: Request) -> Principal:
        programs, host = self._context.programs, self.host
        selected = selected_user(self._event.detail)
        if selected in self._proven:
            return programs.known(selected, host)
        if request.user:
            return await programs.check(request.user, request.secret, host)
        if request.secret:
            return programs.by_key(request.secret, host)
        who = programs.anonymous(host)
        if who is None:
            raise Denied(f"{host} gave no user and no password in its stream id", code="srt-anonymous")
        return who

    async def _publish(self, request: Request, who: Principal, latencies: Latencies) -> None:
        points = self._context.push_points
        stream = points.resolve(request.name, who)

        async def open_(publication: Publication) -> None:
            self.begun = True
            code = await feed(self._context, self.wire, publication, latencies, self.host)
            raise ended(code, f"{who.name}'s SRT connection")

        await points.publish(stream, who, PushInfo("srt", self.address), open_)

    async def _read(self, request: Request, who: Principal) -> None:
        stream = self._context.push_points.reading(request.name, who)
        async with self._context.streams.view(stream, who, "srt") as viewing:
            self.begun = True
            outflow = Outflow(self._context.media, viewing, "SRT", lambda begun: viewing.suited(NEEDS.begun(begun)))
            code = await outflow.run(self.wire.bind_out)
            log.info("SRT reader %s of %s left: %s", self.address, stream, code)
