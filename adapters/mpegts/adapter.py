"""MPEG-TS as an adapter: the schemes `udp` and `rtp`, for sources and for outputs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel

from adapters.mpegts.config import MpegTsConfig
from adapters.mpegts.programmes import Programmes
from adapters.mpegts.protocol import Place, parse_place
from adapters.mpegts.sockets import interface_index, receiving, sending
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown
from gateway.contract.adapter import Context
from gateway.contract.media import Needs, Publication, Viewing
from gateway.contract.source import SourceUrl
from gateway.model.doctor import Finding, Grade
from gateway.model.media import Codec
from gateway.net.outflow import Outflow
from gateway.net.sensed import Sensed

log = logging.getLogger(__name__)

SCHEMES = ("udp", "rtp")
NEEDS = Needs(video=(Codec.H264, Codec.H265), audio=(Codec.AAC, Codec.OPUS))
"""What a transport stream carries."""


class MpegTs:
    """Implements contract.adapter.Adapter and Measured."""

    name: ClassVar[str] = "mpegts"
    Config: ClassVar[type[BaseModel]] = MpegTsConfig

    def __init__(self, config: BaseModel, context: Context) -> None:
        assert isinstance(config, MpegTsConfig)  # noqa: S101  (the core made it of Config)
        self._config = config
        self._context = context
        self._programmes = Programmes(context, self._receive)
        self._receiving = 0
        self._sending = 0

    async def run(self) -> None:
        """Serve until cancelled."""
        sources = self._context.sources
        undo = [sources.scheme(scheme, self.source) for scheme in SCHEMES]
        undo += [sources.push_scheme(scheme, self.push) for scheme in SCHEMES]
        try:
            self._context.ready()
            await asyncio.get_running_loop().create_future()
        finally:
            for one in undo:
                one()
            self._programmes.close()

    async def source(self, url: SourceUrl, publication: Publication) -> None:
        """`SourceOpener`."""
        place = parse_place(url)
        await self._receive(place, publication)

    async def _receive(self, place: Place, publication: Publication) -> None:
        media = self._context.media
        bound, only = receiving(place, place.interface or self._config.interface)
        self._receiving += 1
        try:
            sensed = Sensed(publication.stream, self._context.messages.position)
            publication.on_data(lambda event: self._data(place, publication, sensed, event))
            try:
                handle = media.engine.open_ts_in(
                    publication.handle,
                    bound.detach(),
                    program=place.program,
                    source=only,
                    stall_ms=publication.stall_ms,
                )
            except codecs.MediaError as exc:
                raise LinkDown(str(exc)) from exc
            leg = publication.leg(handle)
            try:
                code = await leg.ended()
                raise LinkDown(f"nothing comes to {place.host or '*'}:{place.port}", code=code)
            finally:
                leg.close()
        finally:
            self._receiving -= 1

    def _data(self, place: Place, publication: Publication, sensed: Sensed, event: codecs.DataEvent) -> None:
        if event.kind == "klv" and self._config.positions:
            sensed.heard(event)
        elif event.kind == "programs" and self._config.programmes and place.group and not place.program:
            self._programmes.found(place, publication.stream, event.data)

    async def push(self, url: SourceUrl, viewing: Viewing) -> None:
        """`PushOpener`."""
        place = parse_place(url)
        host = place.host
        if not place.group:
            found = await self._context.reach.addresses(place.host, place.port, trusted=url.trusted)
            host = found[0][1]
        ttl = self._config.ttl if place.ttl is None else place.ttl
        interface = place.interface or self._config.interface
        media = self._context.media

        def begin(stream: int) -> int:
            out = sending(place, host, interface, ttl)
            try:
                return media.engine.subscribe_ts_udp(
                    stream, out.detach(), host, place.port, rtp=place.rtp, bitrate_bps=place.bitrate_bps
                )
            except codecs.MediaError as exc:
                raise LinkDown(str(exc)) from exc

        self._sending += 1
        try:
            out = Outflow(media, viewing, url.scheme, lambda begun: viewing.suited(NEEDS.begun(begun)))
            code = await out.run(begin)
            raise LinkDown(f"{url} has ended", code=code)
        finally:
            self._sending -= 1

    def figures(self) -> Mapping[str, float]:
        return {"ts_receiving": self._receiving, "ts_sending": self._sending}

    @classmethod
    async def checks(cls, config: BaseModel) -> Sequence[Finding]:
        """Is the interface there?"""
        assert isinstance(config, MpegTsConfig)  # noqa: S101
        if not config.interface:
            return [Finding("mpegts.interface", Grade.OK, "the route decides for multicast")]
        try:
            interface_index(config.interface)
        except GatewayError as exc:
            return [Finding("mpegts.interface", Grade.FAIL, str(exc), config.interface, exc.code)]
        return [Finding("mpegts.interface", Grade.OK, "there", config.interface)]
