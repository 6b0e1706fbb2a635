"""A camera's loudspeaker: the back channel of ONVIF (Streaming Specification §5.3), as a member of talk groups.

A source with `#talk=1` (or that is found to have one while it is opened with it) is asked with `Require:
www.onvif.org/ver20/backchannel` whether it hears. Sound goes on a connection of its own, so that it does not matter
whether its picture is watched.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import replace
from functools import partial

from adapters.rtsp.client import Client, Moved
from adapters.rtsp.config import RtspConfig
from adapters.rtsp.link import Link
from adapters.rtsp.protocol.described import Offered
from adapters.rtsp.pull import REQUIRE, ask_back_channel, connected, maps, request_uri
from gateway import codecs
from gateway.base.errors import LinkDown, PeerError, Unsupported
from gateway.base.url import SourceUrl
from gateway.contract.adapter import Context
from gateway.contract.media import Publication
from gateway.contract.voice import VoiceLine, VoiceOffer
from gateway.model.ids import DeviceId
from gateway.model.voice import MemberKind, VoiceId
from gateway.wire.rtsp import Transport, parse_transports

log = logging.getLogger(__name__)

MAX_OFFERED = 512


class Loudspeakers:
    """Those that were found; offered until the adapter ends."""

    def __init__(self, config: RtspConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._offered: dict[VoiceId, SourceUrl] = {}

    def found(self, publication: Publication, url: SourceUrl) -> None:
        """The camera of this stream says that it hears."""
        voice = VoiceId(publication.stream)
        if self._offered.get(voice) == url or len(self._offered) >= MAX_OFFERED:
            return
        self._offered[voice] = url
        device = DeviceId(publication.stream.rpartition("/")[0])
        offer = VoiceOffer(
            voice,
            device,
            device.rpartition("/")[2],
            MemberKind.LOUDSPEAKER,
            partial(self._open, url),
            talks=False,  # its microphone is its stream
        )
        self._context.talk.offer(offer)

    def close(self) -> None:
        for voice in self._offered:
            self._context.talk.withdraw(voice)
        self._offered.clear()

    async def _open(self, url: SourceUrl, line: VoiceLine) -> None:
        """`contract.voice.VoiceOpen`."""
        line.say("opening")
        try:
            async with connected(self._config, self._context, url) as (link, client):
                if not link.takes_frames:
                    raise Unsupported("no sound goes through an HTTP tunnel", code="rtsp-no-back-channel")
                await self._speak(link, client, url, line)
        except Moved as moved:
            where = self._context.sources.parse(moved.location)
            raise PeerError(f"{url} names another place: {where}", code="rtsp-moved") from None

    async def _speak(self, link: Link, client: Client, url: SourceUrl, line: VoiceLine) -> None:
        uri, engine = request_uri(url), self._context.media.engine
        await client.options(uri)
        description = await ask_back_channel(client, uri)
        talk = description.talk if description is not None else None
        if talk is None or description is None:
            raise Unsupported(f"{url} has no back channel", code="rtsp-no-back-channel")
        asked = Transport(tcp=True, channel=0)
        answer = await client.ask("SETUP", talk.control, [("Transport", str(asked)), REQUIRE])
        found = parse_transports(answer.headers.get("Transport") or "")
        if found and not found[0].tcp:
            raise PeerError(f"{url} takes sound over UDP only", status=461, code="rtsp-transport")
        channel = found[0].channel if found and found[0].channel >= 0 else 0
        await client.ask("PLAY", description.control, [REQUIRE])
        # A stream that nobody sees: its leg is what writes the connection.
        stream = engine.open_stream(f"talk {url}")
        try:
            tracks = [codecs.RtspIn(maps(talk), channel=channel - channel % 2)]
            leg = link.hand_over(
                lambda fd, rest: engine.open_rtsp_in(stream, tracks, fd=fd, initial=rest, stall_ms=600_000)
            )
            voice = engine.open_voice_rtsp(
                leg, channel - channel % 2, send=_preferred(talk), ssrc=secrets.randbits(32), cname="fieldgate"
            )
            try:
                line.voice(voice)
                await self._keep(client, description.control, url)
            finally:
                engine.close_voice(voice)
        except codecs.MediaError as exc:
            raise LinkDown(str(exc), code="source-ended") from exc
        finally:
            engine.close_stream(stream)

    async def _keep(self, client: Client, uri: str, url: SourceUrl) -> None:
        tasks = asyncio.create_task(client.listen()), asyncio.create_task(client.keep_alive(uri))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await client.leave(uri)
            for task in tasks:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
        for result in found:
            if isinstance(result, Exception):
                raise result
        raise LinkDown(f"{url} ended the session", code="source-ended")


def _preferred(talk: Offered) -> list[codecs.RtpMap]:
    """G.711 first: cameras name better codecs that they do not play."""
    order = ("pcmu", "pcma", "g722", "opus", "l16")
    return maps(replace(talk, payloads=tuple(sorted(talk.payloads, key=lambda p: order.index(p.codec)))))
