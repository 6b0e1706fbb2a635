"""A stream sent to another server: ANNOUNCE, SETUP, RECORD."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from typing import Any

from adapters.rtsp.client import Client, Moved
from adapters.rtsp.config import RtspConfig
from adapters.rtsp.flow import READERS, keep_suited, narrowed, wished
from adapters.rtsp.link import Link
from adapters.rtsp.outlet import rtp_map
from adapters.rtsp.protocol.describing import Described, described, write_description
from adapters.rtsp.pull import connected, request_uri
from gateway import codecs
from gateway.base.errors import LinkDown, PeerError, Unsupported
from gateway.base.url import SourceUrl
from gateway.contract.adapter import Context
from gateway.contract.media import Viewing
from gateway.net.suiting import settled
from gateway.wire.rtsp import Transport, join_control, parse_transports


class Push:
    """One attempt."""

    def __init__(self, config: RtspConfig, context: Context, url: SourceUrl) -> None:
        self._config = config
        self._context = context
        self._url = url
        self._uri = request_uri(url)
        self._needs = wished(READERS, url.options)

    async def run(self, viewing: Viewing) -> None:
        """`contract.source.PushOpener`: over TCP, which every server takes. Raises how it ended."""
        # Nothing is connected before there is something to send.
        await settled(viewing)
        suited = await viewing.suited(self._needs)
        tracks = described(suited.tracks, "streamid={}")
        if not tracks:
            raise Unsupported(f"{viewing.stream} has nothing that goes over RTSP", code="codec-unsupported")
        try:
            async with connected(self._config, self._context, self._url) as (link, client):
                await client.options(self._uri)
                body = write_description(tracks, str(viewing.stream), "")
                await client.ask("ANNOUNCE", self._uri, [("Content-Type", "application/sdp")], body)
                outs = [await self._set_up(client, one, 2 * at) for at, one in enumerate(tracks)]
                await client.ask("RECORD", self._uri, [("Range", "npt=0.000-")])
                subscription = link.hand_over(
                    lambda fd, rest: self._context.media.engine.subscribe_rtsp(
                        suited.handle, outs, fd=fd, initial=rest, queue_bytes=self._config.queue
                    )
                )
                try:
                    needs, media = narrowed(self._needs, tracks), self._context.media
                    flow = keep_suited(media, viewing, needs, suited, self._url.scheme, subscription)
                    await self._keep(link, client, flow)
                finally:
                    self._context.media.engine.unsubscribe(subscription)
        except Moved as moved:
            raise PeerError(
                f"{self._url} names another place: {self._context.sources.parse(moved.location)}", code="rtsp-moved"
            ) from None

    async def _set_up(self, client: Client, one: Described, channel: int) -> codecs.RtspOut:
        asked = Transport(tcp=True, channel=channel, record=True)
        uri = join_control(self._uri, one.control)
        response = await client.ask("SETUP", uri, [("Transport", str(asked))])
        found = parse_transports(response.headers.get("Transport") or "")
        given = found[0].channel if found and found[0].channel >= 0 else channel
        return codecs.RtspOut(rtp_map(one), secrets.randbits(32), channel=given - given % 2)

    async def _keep(self, link: Link, client: Client, flow: Coroutine[Any, Any, None]) -> None:
        tasks = (
            asyncio.create_task(client.listen()),
            asyncio.create_task(client.keep_alive(self._uri)),
            asyncio.create_task(flow),
        )
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await client.leave(self._uri)
            for task in tasks:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
        for result in found:
            if isinstance(result, Exception):
                raise result
        raise LinkDown(f"{self._url} ended the session", code="source-ended")
