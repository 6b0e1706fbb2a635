"""A reader: DESCRIBE, SETUP, PLAY. It stays over outages of the source, and is moved to what suits it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress

from adapters.rtsp.config import RtspConfig
from adapters.rtsp.flow import READERS, keep_suited, narrowed, wished
from adapters.rtsp.link import Link
from adapters.rtsp.protocol.describing import Described, described, write_description
from adapters.rtsp.sockets import media_pair, open_way
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown, RemoteProtocolError, Unsupported
from gateway.contract.adapter import Context
from gateway.contract.media import Suited, Viewing
from gateway.model.ids import StreamId
from gateway.model.principal import Principal
from gateway.net.suiting import SETTLED_S, settled
from gateway.wire.rtsp import RtspRequest, Transport, join_control, parse_transports, track_of

log = logging.getLogger(__name__)


class Outlet:
    """Close it in `finally`."""

    def __init__(
        self,
        config: RtspConfig,
        context: Context,
        stream: StreamId,
        who: Principal,
        protocol: str,
        wishes: Mapping[str, str],
    ) -> None:
        self._config = config
        self._context = context
        self._stream = stream
        self._who = who
        self._protocol = protocol
        self._needs = wished(READERS, wishes)
        self._held = AsyncExitStack()
        self._viewing: Viewing | None = None
        self._suited: Suited | None = None
        self._tracks: tuple[Described, ...] = ()
        self._ways: dict[int, Transport] = {}
        self._pairs: dict[int, tuple[socket.socket, socket.socket]] = {}
        self._ssrcs: dict[int, int] = {}
        self._subscription: int | None = None
        self._address = ""
        self.work: asyncio.Task[None] | None = None
        """Runs while it plays."""

    @property
    def udp(self) -> bool:
        return bool(self._pairs)

    async def ready(self) -> None:
        """What there is to send is known. Raises NotFound, Denied, Busy, LinkDown (`rtsp-not-yet`)."""
        if self._suited is not None:
            return
        if self._viewing is None:
            view = self._context.streams.view(self._stream, self._who, self._protocol)
            self._viewing = await self._held.enter_async_context(view)
        try:
            async with asyncio.timeout(self._config.patience):
                await settled(self._viewing, min(SETTLED_S, self._config.patience / 2))
                self._suited = await self._viewing.suited(self._needs)
        except TimeoutError:
            status = self._viewing.status
            raise LinkDown(
                f"{self._stream} has no picture yet: {status.code or status.state.value}", code="rtsp-not-yet"
            ) from None
        self._tracks = described(self._suited.tracks)
        if not self._tracks:
            raise Unsupported(f"{self._stream} has nothing that goes over RTSP", code="codec-unsupported")

    async def describe(self, address: str) -> bytes:
        await self.ready()
        assert self._viewing is not None  # noqa: S101  (just made ready)
        return write_description(self._tracks, str(self._stream), address)

    def set_up(self, request: RtspRequest, link: Link, address: str, *, udp: bool) -> str:
        """The Transport line of the answer. Raises Unsupported (`rtsp-transport`), Busy, RemoteProtocolError."""
        base = request.uri
        at = track_of(base, [join_control("rtsp://x/y", one.control) for one in self._tracks])
        if at is None and len(self._tracks) == 1:
            at = 0
        if at is None or at in self._ways or self._subscription is not None:
            raise RemoteProtocolError("SETUP of no track of this stream, or once too often", code="rtsp-order")
        ssrc = self._ssrcs[at] = secrets.randbits(32)
        self._address = address
        for wish in parse_transports(request.headers.get("Transport") or ""):
            if wish.secure or wish.multicast:
                continue
            if wish.tcp and not self._pairs:
                channel = wish.channel if wish.channel >= 0 else 2 * len(self._ways)
                channel -= channel % 2
                if any(way.channel == channel for way in self._ways.values()):
                    channel = 2 * len(self._ways)
                self._ways[at] = Transport(tcp=True, channel=channel, ssrc=ssrc)
                return str(self._ways[at])
            if not wish.tcp and udp and wish.client_port[0] and len(self._pairs) == len(self._ways):
                rtp, rtcp = media_pair(self._context.media, link.local_host())
                self._pairs[at] = rtp, rtcp
                ports = rtp.getsockname()[1], rtcp.getsockname()[1]
                self._ways[at] = Transport(client_port=wish.client_port, server_port=ports, ssrc=ssrc)
                return str(self._ways[at])
        raise Unsupported("no transport that goes here", code="rtsp-transport")

    async def play(self, link: Link, uri: str, response: Callable[[str], bytes]) -> None:
        """The answer goes before the first packet. Raises RemoteProtocolError (`rtsp-order`), LinkDown."""
        engine = self._context.media.engine
        if self._subscription is None:
            if not self._ways or self._suited is None or self._viewing is None:
                raise RemoteProtocolError("PLAY without SETUP", code="rtsp-order")
            self._subscription = self._subscribe(link, self._suited.handle)
            chosen = [self._tracks[at] for at in sorted(self._ways)]
            needs, media = narrowed(self._needs, chosen), self._context.media
            self.work = asyncio.create_task(
                keep_suited(media, self._viewing, needs, self._suited, self._protocol, self._subscription)
            )
        await link.send(response(self._info(uri)))
        engine.hold_rtsp(self._subscription, False)

    def _subscribe(self, link: Link, stream: int) -> int:
        engine, queue = self._context.media.engine, self._config.queue
        tracks: list[codecs.RtspOut] = []
        for at, way in sorted(self._ways.items()):
            payload = rtp_map(self._tracks[at])
            if way.tcp:
                tracks.append(codecs.RtspOut(payload, self._ssrcs[at], channel=way.channel))
                continue
            rtp, rtcp = self._pairs[at]
            open_way(rtp, self._address, way.client_port[0])
            tracks.append(
                codecs.RtspOut(
                    payload,
                    self._ssrcs[at],
                    rtp_fd=rtp.detach(),
                    rtcp_fd=rtcp.detach(),
                    host=self._address,
                    rtp_port=way.client_port[0],
                    rtcp_port=way.client_port[1],
                )
            )
        try:
            if self._pairs:
                return engine.subscribe_rtsp(stream, tracks, queue_bytes=queue, held=True)
            return link.hand_over(
                lambda fd, rest: engine.subscribe_rtsp(
                    stream, tracks, fd=fd, initial=rest, queue_bytes=queue, held=True
                )
            )
        except codecs.MediaError as exc:
            raise LinkDown(str(exc), code="source-ended") from exc

    def _info(self, uri: str) -> str:
        """RTP-Info: the first sequence numbers. No RTP time: a live picture has no beginning to count from."""
        assert self._subscription is not None  # noqa: S101  (just made)
        try:
            numbers = self._context.media.engine.rtp_info(self._subscription)
        except codecs.MediaError:
            return ""
        out = []
        for at in sorted(self._ways):
            one = self._tracks[at]
            if one.kind in numbers:
                out.append(f"url={join_control(uri, one.control)};seq={numbers[one.kind][0]}")
        return ",".join(out)

    def pause(self) -> None:
        if self._subscription is not None:
            self._context.media.engine.hold_rtsp(self._subscription, True)

    async def close(self) -> Exception | None:
        """How it ended, where it did so by itself."""
        result: Exception | None = None
        if self.work is not None:
            self.work.cancel()
            with suppress(asyncio.CancelledError):
                try:
                    await self.work
                except GatewayError as exc:
                    result = exc
        if self._subscription is not None:
            self._context.media.engine.unsubscribe(self._subscription)
        for rtp, rtcp in self._pairs.values():
            rtp.close()
            rtcp.close()
        await self._held.aclose()
        return result


def rtp_map(one: Described) -> codecs.RtpMap:
    p = one.payload
    return codecs.RtpMap(p.pt, p.codec, p.clock_hz, fmtp=p.fmtp, channels=p.channels)
