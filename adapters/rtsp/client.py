"""The client's side of one connection: requests with credentials, answers in order, what the server asks meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from adapters.rtsp.link import Link
from gateway import codecs
from gateway.base.errors import GatewayError, LinkDown, PeerError
from gateway.wire.rtsp import (
    Credentials,
    RtspRequest,
    RtspResponse,
    SessionHeader,
    parse_public,
    parse_session,
)
from gateway.wire.textmsg import Headers, printable

log = logging.getLogger(__name__)

AGENT = f"Fieldgate/{codecs.VERSION}"
MOVED = (301, 302, 303, 305, 307, 308)
_STRANGE = 64
"""Answers to nothing that was asked, and requests, passed over while one answer is awaited."""


class Moved(Exception):
    """The server names another place."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


class Client:
    def __init__(self, link: Link, credentials: Credentials, where: str, patience_s: float) -> None:
        """`where` is the URL as people may read it."""
        self._link = link
        self._credentials = credentials
        self._where = where
        self._patience_s = patience_s
        self._cseq = 0
        self._waiting: dict[int, asyncio.Future[RtspResponse]] = {}
        self._listening = False
        self.public: frozenset[str] = frozenset()
        self.session: SessionHeader | None = None

    async def ask(
        self, method: str, uri: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"", *, ok: bool = True
    ) -> RtspResponse:
        """The answer, credentials given where they are asked for. Raises Moved where it names another place, LinkDown
        (`rtsp-silent`), and with `ok` PeerError for anything but success (`rtsp-password`, `rtsp-not-found`,
        `rtsp-transport`, `rtsp-refused`)."""
        response = await self._once(method, uri, headers, body)
        # Twice: a nonce may have run out just then.
        for _ in range(2):
            if response.status != 401 or self._credentials.is_empty or not self._credentials.learn(response):
                break
            response = await self._once(method, uri, headers, body)
        if response.status != 401:
            self._credentials.accepted()
        if response.ok and (found := parse_session(response.headers.get("Session"))) is not None:
            self.session = found
        location = (response.headers.get("Location") or "").strip()
        if response.status in MOVED and location:
            raise Moved(location)
        if ok and not response.ok:
            self._refuse(method, response)
        return response

    def _refuse(self, method: str, response: RtspResponse) -> None:
        words = f"{self._where} answered {method} with {response.status} {printable(response.reason)[:80]}".rstrip()
        if response.status in (401, 403, 407):
            code = "rtsp-no-password" if self._credentials.is_empty else "rtsp-password"
        else:
            code = {404: "rtsp-not-found", 454: "rtsp-session", 461: "rtsp-transport"}.get(
                response.status, "rtsp-refused"
            )
        raise PeerError(words, status=response.status, code=code)

    async def _once(self, method: str, uri: str, headers: Sequence[tuple[str, str]], body: bytes) -> RtspResponse:
        self._cseq += 1
        cseq = self._cseq
        lines = [("CSeq", str(cseq)), ("User-Agent", AGENT), *headers]
        if self.session is not None:
            lines.append(("Session", self.session.id))
        request = self._credentials.sign(RtspRequest(method, uri, Headers(lines), body))
        try:
            async with asyncio.timeout(self._patience_s):
                if not self._listening:
                    await self._link.send(bytes(request))
                    return await self._read_answer(cseq)
                self._waiting[cseq] = asyncio.get_running_loop().create_future()
                await self._link.send(bytes(request))
                return await self._waiting[cseq]
        except TimeoutError:
            raise LinkDown(f"{self._where} does not answer {method}", code="rtsp-silent") from None
        finally:
            self._waiting.pop(cseq, None)

    async def _read_answer(self, cseq: int) -> RtspResponse:
        for _ in range(_STRANGE):
            message = await self._link.receive()
            if isinstance(message, RtspRequest):
                await self._answer(message)
            elif message.status >= 200 and message.cseq in (cseq, None):
                return message
            elif message.status >= 200 and (message.cseq or 0) > cseq:
                return message  # a server that counts by itself
        raise LinkDown(f"{self._where} answers other questions", code="rtsp-silent")

    async def listen(self) -> None:
        """Once media flows: answers go to who asked, until the connection ends (raises) or the server ends the session
        (returns)."""
        self._listening = True
        try:
            while True:
                message = await self._link.receive()
                if isinstance(message, RtspRequest):
                    await self._answer(message)
                    if message.method == "TEARDOWN":
                        return
                    if message.method == "REDIRECT" and (location := message.headers.get("Location")):
                        raise Moved(location.strip())
                    continue
                future = self._waiting.get(message.cseq or -1)
                if future is None and len(self._waiting) == 1:
                    future = next(iter(self._waiting.values()))
                if future is not None and not future.done() and message.status >= 200:
                    future.set_result(message)
        finally:
            self._listening = False
            for future in self._waiting.values():
                if not future.done():
                    future.cancel()

    async def _answer(self, request: RtspRequest) -> None:
        """What servers ask: whether we live, mostly."""
        known = request.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN", "REDIRECT", "ANNOUNCE")
        headers = Headers([("CSeq", str(request.cseq or 0))])
        await self._link.send(bytes(RtspResponse(200 if known else 501, headers)))

    async def options(self, uri: str) -> None:
        """What the server can; some refuse to say, and that is no reason to stop."""
        response = await self.ask("OPTIONS", uri, ok=False)
        if response.status in MOVED:
            self._refuse("OPTIONS", response)
        self.public = parse_public(response.headers.get("Public"))

    async def keep_alive(self, uri: str) -> None:
        """Until cancelled. Raises LinkDown (`rtsp-silent`, `rtsp-session`) when the server has forgotten us."""
        while True:
            timeout = self.session.timeout_s if self.session is not None else 60.0
            await asyncio.sleep(min(timeout / 2, 30.0))
            # Devices that say nothing of GET_PARAMETER may take it badly; OPTIONS is known to all.
            method = "GET_PARAMETER" if "GET_PARAMETER" in self.public else "OPTIONS"
            response = await self.ask(method, uri, ok=False)
            if response.status == 454:
                raise LinkDown(f"{self._where} has forgotten the session", code="rtsp-session")
            if response.status in (405, 501, 551) and method == "GET_PARAMETER":
                self.public -= {"GET_PARAMETER"}

    async def leave(self, uri: str) -> None:
        """TEARDOWN, not waited for long: the connection is closed behind it."""
        if self._link.ended or self.session is None:
            return
        self._cseq += 1
        lines = [("CSeq", str(self._cseq)), ("User-Agent", AGENT), ("Session", self.session.id)]
        request = self._credentials.sign(RtspRequest("TEARDOWN", uri, Headers(lines)))
        try:
            async with asyncio.timeout(0.5):
                await self._link.send(bytes(request))
        except (TimeoutError, GatewayError) as exc:
            log.debug("%s: TEARDOWN: %s", self._where, exc)
