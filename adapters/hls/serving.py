"""The HTTP face of the output.

GET  /hls/{stream}/index.m3u8      signed in (a person, or a program by its key): the multivariant playlist, whose media
                                   stands behind a ticket
POST /hls/{stream}/link            a link with its ticket, for players that know no header
GET  /hls-media/{ticket}/…         index.m3u8, media.m3u8, init-N.mp4, seg-N.m4s, part-N-M.m4s
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

from adapters.hls.config import HlsConfig
from adapters.hls.output import Output, Outputs
from adapters.hls.playlist import BEGIN, media, multivariant, target_s
from adapters.hls.tickets import Ticket, Tickets
from gateway.base.errors import NotFound, RemoteProtocolError
from gateway.contract.adapter import Context
from gateway.contract.http import HttpRequest, HttpResponse
from gateway.model.ids import StreamId
from gateway.model.principal import Principal

M3U8 = "application/vnd.apple.mpegurl"
MP4 = "video/mp4"
AHEAD = 2
"""Segments that a player may ask for in advance (RFC 8216bis §6.2.5.2)."""
_FILE = re.compile(r"(init|seg|part)-(\d{1,12})(?:-(\d{1,6}))?\.(mp4|m4s)")
_NUMBER = re.compile(r"\d{1,12}")


class Serving:
    def __init__(self, config: HlsConfig, context: Context, outputs: Outputs, tickets: Tickets) -> None:
        self._config = config
        self._context = context
        self._outputs = outputs
        self._tickets = tickets

    def mount(self) -> list[Callable[[], None]]:
        http = self._context.http
        return [
            http.route("GET", "/hls/{stream:path}/index.m3u8", self.index, programs=True),
            http.route("POST", "/hls/{stream:path}/link", self.link, programs=True),
            # Open: the ticket in the path is what it is about.
            http.route("GET", "/hls-media/{ticket}/{file}", self.file, role=None),
            http.route("HEAD", "/hls-media/{ticket}/{file}", self.file, role=None),
        ]

    async def index(self, request: HttpRequest) -> HttpResponse:
        stream = self._stream(request)
        output = self._outputs.open(stream, request.who)
        await output.started(anew=True)
        ticket = self._ticket(request.who, stream)
        text = multivariant(output.window, width=output.width, height=output.height)
        return _text(text.replace("media.m3u8", f"/hls-media/{ticket}/media.m3u8"))

    async def link(self, request: HttpRequest) -> HttpResponse:
        stream = self._stream(request)
        ticket = self._ticket(request.who, stream)
        told = {
            "url": f"{request.base_url}/hls-media/{ticket}/index.m3u8",
            "expires_at": time.time() + self._config.link_life,
        }
        return HttpResponse(201, json.dumps(told).encode(), "application/json")

    async def file(self, request: HttpRequest) -> HttpResponse:
        ticket = self._tickets.read(request.path["ticket"], time.time())
        # A ticket outlives its maker's rights: who has lost them has lost their links as well.
        who = self._context.grants.granted(ticket.grant, ticket.stream, request.who.address)
        self._context.push_points.reading(ticket.stream, who)
        name = request.path["file"]
        if name == "index.m3u8":
            output = self._outputs.open(StreamId(ticket.stream), who)
            await output.started(anew=True)
            return _text(multivariant(output.window, width=output.width, height=output.height))
        if name == "media.m3u8":
            return await self._media(self._outputs.open(StreamId(ticket.stream), who), request)
        return await self._bytes(ticket, name)

    # — within —

    def _stream(self, request: HttpRequest) -> StreamId:
        return self._context.push_points.reading(request.path["stream"], request.who)

    def _ticket(self, who: Principal, stream: StreamId) -> str:
        return self._tickets.make(self._context.grants.grant(who), stream, time.time() + self._config.link_life)

    async def _media(self, output: Output, request: HttpRequest) -> HttpResponse:
        await output.started()
        window, wanted = output.window, _wanted(request)
        if wanted is not None:
            number, part = wanted
            if number > window.next_part[0] + AHEAD:
                raise RemoteProtocolError(f"segment {number} is far from now", code="bad-request")
            # The source is away: what stands is told when the wait is over, and the player asks again.
            await output.until(lambda: window.has(number, part), 3 * target_s(window, self._config.segment))
        begin = min(_begin(request), window.form)
        return _text(media(window, segment_s=self._config.segment, part_s=self._config.part, begin=begin))

    async def _bytes(self, ticket: Ticket, name: str) -> HttpResponse:
        output, parts = self._outputs.find(StreamId(ticket.stream)), _FILE.fullmatch(name)
        if output is None or parts is None:
            raise NotFound(f"there is no {name[:60]}")
        window, number = output.window, int(parts[2])
        data: bytes | None = None
        if parts[1] == "init":
            data = window.inits.get(number)
        elif parts[1] == "seg":
            segment = window.segment(number)
            data = b"".join(part.data for part in segment.parts) if segment is not None else None
        elif parts[3] is not None:
            place = int(parts[3])
            if (number, place) == window.next_part:  # the one that was hinted at
                await output.until(lambda: window.has(number, place), 3 * target_s(window, self._config.segment))
            found = window.part(number, place)
            data = found.data if found is not None else None
        if data is None:
            raise NotFound(f"{name} is not kept any more, or not there yet", code="hls-gone")
        return HttpResponse(200, data, MP4, {"Cache-Control": "private, max-age=60"})


def _text(text: str) -> HttpResponse:
    return HttpResponse(200, text.encode(), M3U8, {"Cache-Control": "no-store"})


def _begin(request: HttpRequest) -> int:
    """Raises RemoteProtocolError (`bad-request`)."""
    begin = request.query.get(BEGIN, "0")
    if not _NUMBER.fullmatch(begin):
        raise RemoteProtocolError(f"{BEGIN} is the number of a segment", code="bad-request")
    return int(begin)


def _wanted(request: HttpRequest) -> tuple[int, int | None] | None:
    """`_HLS_msn` and `_HLS_part`. Raises RemoteProtocolError (`bad-request`)."""
    number, part = request.query.get("_HLS_msn"), request.query.get("_HLS_part")
    if number is None and part is None:
        return None
    if number is None or not _NUMBER.fullmatch(number) or (part is not None and not _NUMBER.fullmatch(part)):
        raise RemoteProtocolError("_HLS_msn is a number, and _HLS_part needs it", code="bad-request")
    return int(number), int(part) if part is not None else None
