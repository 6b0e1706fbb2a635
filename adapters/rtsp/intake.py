"""A sender: ANNOUNCE, SETUP, RECORD (RFC 2326 §10.3, §10.11)."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress

from adapters.rtsp.config import RtspConfig
from adapters.rtsp.link import Link
from adapters.rtsp.protocol.described import read_description
from adapters.rtsp.pull import maps
from adapters.rtsp.sockets import media_pair, open_way
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown, RemoteProtocolError, Unsupported
from gateway.contract.adapter import Context
from gateway.contract.media import Publication
from gateway.contract.source import PushInfo
from gateway.model.ids import StreamId
from gateway.model.principal import Principal
from gateway.wire.rtsp import RtspRequest, Transport, parse_transports, track_of

log = logging.getLogger(__name__)


class Intake:
    """Close it in `finally`."""

    def __init__(
        self,
        config: RtspConfig,
        context: Context,
        stream: StreamId,
        who: Principal,
        protocol: str,
        address: str,
        software: str,
        request: RtspRequest,
    ) -> None:
        """Raises RemoteProtocolError (`rtsp-sdp`), Unsupported (`source-codec`)."""
        self._config = config
        self._context = context
        self._stream = stream
        self._who = who
        description = read_description(request.body, request.uri, sends=True)
        self._info = PushInfo(protocol, address, software, description.title)
        # What is not taken is set up too, and thrown away: most senders know all or nothing.
        self._tracks = (*description.tracks, *description.left_out)
        self._missing = description.missing
        self._ways: dict[int, Transport] = {}
        self._pairs: dict[int, tuple[socket.socket, socket.socket]] = {}
        self.work: asyncio.Task[None] | None = None
        """Runs while it records."""

    @property
    def udp(self) -> bool:
        return bool(self._pairs) or any(not way.tcp for way in self._ways.values())

    def set_up(self, request: RtspRequest, link: Link, address: str, *, udp: bool) -> str:
        """The Transport line of the answer. Raises Unsupported (`rtsp-transport`), Busy, RemoteProtocolError."""
        at = track_of(request.uri, [offered.control for offered in self._tracks])
        if at is None:
            at = next((i for i in range(len(self._tracks)) if i not in self._ways), None)
        if at is None or at in self._ways or self.work is not None:
            raise RemoteProtocolError("SETUP of no track that was announced", code="rtsp-order")
        for wish in parse_transports(request.headers.get("Transport") or ""):
            if wish.secure or wish.multicast:
                continue
            if wish.tcp and not self._pairs:
                channel = wish.channel if wish.channel >= 0 else 2 * len(self._ways)
                way = Transport(tcp=True, channel=channel - channel % 2, record=True)
                self._ways[at] = way
                return str(way)
            if not wish.tcp and udp and wish.client_port[0] and len(self._pairs) == len(self._ways):
                rtp, rtcp = media_pair(self._context.media, link.local_host())
                self._pairs[at] = rtp, rtcp
                ports = rtp.getsockname()[1], rtcp.getsockname()[1]
                open_way(rtp, address, wish.client_port[0])
                open_way(rtcp, address, wish.client_port[1])
                self._ways[at] = Transport(client_port=wish.client_port, server_port=ports, record=True)
                return str(self._ways[at])
        raise Unsupported("no transport that is taken here", code="rtsp-transport")

    async def record(self, link: Link, accepted: bytes) -> None:
        """`accepted` is said once the stream is ours. Raises what `PushPoints.publish` refuses with."""
        if not any(self._tracks[at].payloads for at in self._ways) or self.work is not None:
            raise RemoteProtocolError("RECORD without SETUP", code="rtsp-order")
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def open_(publication: Publication) -> None:
            await self._open(publication, link, accepted, started)

        points = self._context.push_points
        self.work = asyncio.create_task(points.publish(self._stream, self._who, self._info, open_))
        await asyncio.wait({self.work, started}, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            started.cancel()
            work, self.work = self.work, None
            work.result()

    async def _open(self, publication: Publication, link: Link, accepted: bytes, started: asyncio.Future[None]) -> None:
        if started.done():
            raise LinkDown("the connection has ended", code="source-ended")
        engine, stall_ms = self._context.media.engine, publication.stall_ms
        try:
            if self._pairs:
                # Its host only: what sends from behind a translation of addresses names ports that are not seen here.
                hosts = [self._info.address]
                tracks = [
                    codecs.RtspIn(maps(self._tracks[at]), rtp_fd=rtp.detach(), rtcp_fd=rtcp.detach(), hosts=hosts)
                    for at, (rtp, rtcp) in sorted(self._pairs.items())
                    if self._tracks[at].payloads
                ]
                leg = publication.leg(engine.open_rtsp_in(publication.handle, tracks, stall_ms=stall_ms))
                await link.send(accepted)
            else:
                tracks = [
                    codecs.RtspIn(maps(self._tracks[at]), channel=way.channel)
                    for at, way in sorted(self._ways.items())
                    if self._tracks[at].payloads
                ]
                # The answer first: what follows on the connection is the media plane's.
                await link.send(accepted)
                leg = publication.leg(
                    link.hand_over(
                        lambda fd, rest: engine.open_rtsp_in(
                            publication.handle, tracks, fd=fd, initial=rest, stall_ms=stall_ms
                        )
                    )
                )
        except codecs.MediaError as exc:
            raise LinkDown(str(exc), code="source-ended") from exc
        if self._missing:
            publication.remark("track-left-out", self._missing)
        started.set_result(None)
        code = await leg.ended()
        raise LinkDown("the sender has ended", code=code or "source-ended")

    async def close(self) -> Exception | None:
        """How it ended."""
        for rtp, rtcp in self._pairs.values():
            rtp.close()
            rtcp.close()
        if self.work is None:
            return None
        self.work.cancel()
        with suppress(asyncio.CancelledError):
            try:
                await self.work
            except GatewayError as exc:
                return exc
        return None
