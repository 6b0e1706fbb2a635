"""A connection to our own port: who it is, what it asks, and whether it sends (Intake) or reads (Outlet).

init ──ANNOUNCE──► announced ──SETUP──► ready to record ──RECORD──► recording
  └──DESCRIBE / SETUP──► ready to play ──PLAY──► playing ◄──PAUSE / PLAY──► paused
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from adapters.rtsp.client import AGENT
from adapters.rtsp.config import RtspConfig
from adapters.rtsp.intake import Intake
from adapters.rtsp.link import Link
from adapters.rtsp.outlet import Outlet
from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, NotFound, RemoteProtocolError, Unsupported
from gateway.contract.adapter import Context
from gateway.model.principal import Principal
from gateway.wire.digest import Verdict
from gateway.wire.rtsp import Guard, RtspRequest, RtspResponse
from gateway.wire.textmsg import Headers, printable

log = logging.getLogger(__name__)

PUBLIC = "OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, PAUSE, RECORD, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
MAX_WRONG = 3
"""Wrong credentials of one connection; then it is closed."""
GOODBYE_S = 0.3
LOOK_S = 1.0


class Over(Exception):
    """TEARDOWN: it is over in good order."""


class Guest:
    def __init__(self, config: RtspConfig, context: Context, guard: Guard, address: str, protocol: str) -> None:
        """`protocol`: "rtsp" or "rtsps"."""
        self._config = config
        self._context = context
        self._guard = guard
        self._address = address
        self._protocol = protocol
        self._tls = protocol == "rtsps"
        self._who: Principal | None = None
        self._wrong = 0
        self._intake: Intake | None = None
        self._outlet: Outlet | None = None
        self._session = secrets.token_hex(8)
        self._heard = time.monotonic()
        self.role = ""
        """"publish" or "play", once it is."""

    async def serve(self, sock: socket.socket) -> None:
        """Until it is over. Raises what ended it, GatewayError or nothing."""
        link = Link(self._context.media, sock, tls=self._tls)
        self._link = link
        work = asyncio.create_task(self._requests(link))
        try:
            while not work.done():
                # What sends or reads may end by itself: its stream is gone, or another took its place.
                parts = [p.work for p in (self._intake, self._outlet) if p is not None and p.work is not None]
                left_s = self._left_s(sends_or_reads=bool(parts))
                await asyncio.wait({work, *parts}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                if any(task.done() for task in parts):
                    break
                self._check_silence()
        finally:
            work.cancel()
            found = await asyncio.gather(work, return_exceptions=True)
            ends = [await part.close() for part in (self._intake, self._outlet) if part is not None]
            link.close()
        for result in [*ends, *found]:
            if isinstance(result, TimeoutError):
                raise RemoteProtocolError("it asked for nothing in time", code="rtsp-silent") from None
            if isinstance(result, Exception) and not isinstance(result, Over):
                raise result

    def _left_s(self, *, sends_or_reads: bool) -> float | None:
        """Until its silence is looked at; None: what it sends or reads tells of itself."""
        if not sends_or_reads:
            return LOOK_S
        if self._outlet is None or not self._outlet.udp:
            return None
        return max(LOOK_S, self._heard + 2 * self._config.session_timeout - time.monotonic())

    def _check_silence(self) -> None:
        """A reader over UDP that is silent on its connection for too long is gone (RFC 2326 §12.37). A sender's media
        tells of itself."""
        silent_s = time.monotonic() - self._heard
        parts = [part for part in (self._intake, self._outlet) if part is not None and part.work is not None]
        if not parts and silent_s > self._config.session_timeout + self._config.patience:
            # Neither sends nor reads: strangers must not hold the places of others.
            raise LinkDown("it asked for nothing more in time", code="rtsp-silent")
        udp = self._outlet is not None and self._outlet.udp
        if udp and silent_s > 2 * self._config.session_timeout:
            raise LinkDown("no keep-alive within the session's time", code="rtsp-session")

    async def _requests(self, link: Link) -> None:
        async with asyncio.timeout(self._config.patience):
            request = await link.receive()
        while True:
            self._heard = time.monotonic()
            if isinstance(request, RtspRequest):
                await self._answered(link, request)
            request = await link.receive()

    async def _answered(self, link: Link, request: RtspRequest) -> None:
        handler = self._handlers().get(request.method)
        try:
            if handler is None:
                await self._say(link, request, 501)
                return
            if request.method not in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN"):
                self._check_requires(request)
                if self._who is None and not await self._known(link, request):
                    return
            await handler(link, request)
        except Denied as exc:
            await self._refuse(link, request, 403, exc)
        except NotFound as exc:
            await self._refuse(link, request, 404, exc)
        except Busy as exc:
            await self._refuse(link, request, 453 if exc.code != "locked" else 403, exc)
        except Unsupported as exc:
            await self._refuse(link, request, {"rtsp-transport": 461, "rtsp-require": 551}.get(exc.code, 415), exc)
        except RemoteProtocolError as exc:
            await self._refuse(link, request, 455 if exc.code == "rtsp-order" else 400, exc)
        except GatewayError as exc:
            if link.ended:
                raise
            await self._refuse(link, request, 503, exc)

    def _handlers(self) -> Mapping[str, Callable[[Link, RtspRequest], Awaitable[None]]]:
        return {
            "OPTIONS": self._options,
            "GET_PARAMETER": self._parameter,
            "SET_PARAMETER": self._parameter,
            "ANNOUNCE": self._announce,
            "DESCRIBE": self._describe,
            "SETUP": self._set_up,
            "RECORD": self._record,
            "PLAY": self._play,
            "PAUSE": self._pause,
            "TEARDOWN": self._tear_down,
        }

    # — saying —

    async def _say(
        self, link: Link, request: RtspRequest, status: int, *headers: tuple[str, str], body: bytes = b""
    ) -> None:
        await link.send(bytes(self._response(request, status, *headers, body=body)))

    def _response(
        self, request: RtspRequest, status: int, *headers: tuple[str, str], body: bytes = b"", reason: str = ""
    ) -> RtspResponse:
        lines = [("CSeq", (request.headers.get("CSeq") or "0")[:32]), ("Server", AGENT), *headers]
        return RtspResponse(status, Headers(lines), body, reason)

    def _session_line(self) -> tuple[str, str]:
        return "Session", f"{self._session};timeout={self._config.session_timeout:.0f}"

    async def _refuse(self, link: Link, request: RtspRequest, status: int, exc: GatewayError) -> None:
        """With the reason's code in the line that players show, then the connection ends where it can't go on."""
        log.info("RTSP from %s: %s refused: %s (%s)", self._address, request.method, exc, exc.code)
        words = f"{exc.code}: {printable(str(exc))}"[:180]
        await link.send(bytes(self._response(request, status, reason=words)))
        if status in (403, 453) and not link.is_bound:
            await asyncio.sleep(GOODBYE_S)
            raise exc

    @staticmethod
    def _check_requires(request: RtspRequest) -> None:
        """RFC 2326 §12.32: an option that is not known is refused. Back channels of ours are talked to elsewhere."""
        if (wanted := request.headers.get("Require")) and request.method != "DESCRIBE":
            raise Unsupported(f"{wanted[:80]} is not known here", code="rtsp-require")

    # — who —

    async def _known(self, link: Link, request: RtspRequest) -> bool:
        """Credentials where they are needed. False: they are asked for. Raises Denied, Busy (`locked`)."""
        programs = self._context.programs
        if "Authorization" not in request.headers:
            self._who = programs.anonymous(self._address)
            if self._who is not None:
                return True
        now = time.time()
        judged = self._guard.judge(request, now, programs.secret, basic=self._tls)
        if judged.password is not None:
            self._who = await programs.check(judged.user, judged.password, self._address)
            return True
        if judged.verdict is Verdict.OK:
            self._who = programs.known(judged.user, self._address)
            return True
        if judged.verdict is Verdict.WRONG:
            programs.failed(judged.user, self._address)
            self._wrong += 1
            if self._wrong >= MAX_WRONG:
                raise Denied("name or password is wrong", code="program-password")
        stale = judged.verdict in (Verdict.STALE, Verdict.REPLAY)
        lines = self._guard.challenges(now, basic=self._tls, stale=stale)
        await self._say(link, request, 401, *(("WWW-Authenticate", line) for line in lines))
        return False

    def _known_who(self) -> Principal:
        assert self._who is not None  # noqa: S101  (asked before every handler that needs it)
        return self._who

    # — requests —

    async def _options(self, link: Link, request: RtspRequest) -> None:
        await self._say(link, request, 200, ("Public", PUBLIC))

    async def _parameter(self, link: Link, request: RtspRequest) -> None:
        """Keep-alives, for the most part; no parameter is known."""
        await self._say(link, request, 200, self._session_line())

    async def _announce(self, link: Link, request: RtspRequest) -> None:
        if self._intake is not None or self._outlet is not None:
            raise RemoteProtocolError("ANNOUNCE comes first, and once", code="rtsp-order")
        name, _ = named(request.uri)
        who = self._known_who()
        stream = self._context.push_points.resolve(name, who)
        software = printable(request.headers.get("User-Agent") or "")[:80]
        self._intake = Intake(
            self._config, self._context, stream, who, self._protocol, self._address, software, request
        )
        self.role = "publish"
        await self._say(link, request, 200, self._session_line())

    async def _describe(self, link: Link, request: RtspRequest) -> None:
        outlet = await self._reading(request)
        body = await outlet.describe(link.local_host() if not self._tls and not link.is_bound else "")
        base = request.uri if request.uri.endswith("/") else f"{request.uri}/"
        await self._say(link, request, 200, ("Content-Base", base), ("Content-Type", "application/sdp"), body=body)

    async def _reading(self, request: RtspRequest) -> Outlet:
        if self._intake is not None:
            raise RemoteProtocolError("this connection sends", code="rtsp-order")
        name, wishes = named(request.uri)
        if self._outlet is None:
            who = self._known_who()
            stream = self._context.push_points.reading(name, who)
            self._outlet = Outlet(self._config, self._context, stream, who, self._protocol, wishes)
            self.role = "play"
        return self._outlet

    async def _set_up(self, link: Link, request: RtspRequest) -> None:
        if self._intake is not None:
            line = self._intake.set_up(request, link, self._address, udp=self._config.udp and not self._tls)
        else:
            outlet = await self._reading(request)
            await outlet.ready()
            line = outlet.set_up(request, link, self._address, udp=self._config.udp and not self._tls)
        await self._say(link, request, 200, ("Transport", line), self._session_line())

    async def _record(self, link: Link, request: RtspRequest) -> None:
        if self._intake is None:
            raise RemoteProtocolError("RECORD without ANNOUNCE", code="rtsp-order")
        await self._intake.record(link, bytes(self._response(request, 200, self._session_line())))

    async def _play(self, link: Link, request: RtspRequest) -> None:
        if self._outlet is None:
            raise RemoteProtocolError("PLAY without SETUP", code="rtsp-order")

        def response(info: str) -> bytes:
            lines = [self._session_line(), ("Range", "npt=now-")]
            if info:
                lines.append(("RTP-Info", info))
            return bytes(self._response(request, 200, *lines))

        await self._outlet.play(link, request.uri, response)

    async def _pause(self, link: Link, request: RtspRequest) -> None:
        if self._outlet is None:
            raise RemoteProtocolError("PAUSE without PLAY", code="rtsp-order")
        self._outlet.pause()
        await self._say(link, request, 200, self._session_line())

    async def _tear_down(self, link: Link, request: RtspRequest) -> None:
        await self._say(link, request, 200, self._session_line())
        # Time for the answer: what is closed with bytes unread takes it back.
        await asyncio.sleep(0.05)
        raise Over


def named(uri: str) -> tuple[str, dict[str, str]]:
    """The stream that a URI names, without the tail that a SETUP has, and its wishes. Raises RemoteProtocolError."""
    try:
        parts = urlsplit(uri)
        wishes = dict(parse_qsl(parts.query, max_num_fields=8))
    except ValueError as exc:
        raise RemoteProtocolError("the URI can not be read", code="bad-name") from exc
    name = unquote(parts.path).strip("/")
    # Some put the control behind the query: rtsp://host/name?video=h264/trackID=0.
    wishes = {key: value.partition("/")[0] for key, value in wishes.items()}
    head, _, tail = name.rpartition("/")
    return (head if head and tail.lower().startswith(("trackid=", "streamid=", "stream=")) else name), wishes
