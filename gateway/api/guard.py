"""Around every request: security headers, a bound on bodies, and a request log that holds no secret.

Plain ASGI, so that WebSockets and adapters' routes pass through the same door. Query strings are not logged: an id is
in the path, and whatever somebody puts behind `?` may be a code. Of routes that are open because the path itself has a
secret in it (tickets), the pattern is logged.
"""

from __future__ import annotations

import asyncio
import logging
from time import monotonic

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.problems import respond

log = logging.getLogger(__name__)

API_BODY_BYTES = 64 * 1024
BODY_PATIENCE_S = 15.0
LARGE = {("POST", "/api/v1/outbox/files")}
"""Takes a file as it comes, once it is known who sends it; bounded there. A piece has the patience of a body."""

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
        "connect-src 'self'; media-src 'self' blob:; manifest-src 'self'; worker-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self), fullscreen=(self), autoplay=(self)",
}
HSTS = "max-age=31536000"


class Guard:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, *, hsts: bool = False) -> None:
        """`hsts` only under a certificate of the owner's: it binds a whole host name, `localhost` among them, and a
        kit whose own authority is made anew would be locked out of its browsers."""
        self._app = app
        self._hsts = hsts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = monotonic()
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if self._hsts:
                    headers.setdefault("Strict-Transport-Security", HSTS)
            await send(message)

        try:
            if (scope["method"], scope["path"]) in LARGE:
                receive = _in_time(receive)
            elif scope["path"].startswith("/api/") and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
                bounded = await self._bounded(scope, receive, send_with_headers)
                if bounded is None:
                    return
                receive = bounded
            await self._app(scope, receive, send_with_headers)
        finally:
            level = logging.INFO if status >= 500 else logging.DEBUG
            log.log(
                level,
                "%s %s → %d for %s in %.0f ms",
                scope["method"],
                scope.get("fieldgate.path", scope["path"])[:200],
                status,
                scope.get("fieldgate.who", "-"),
                (monotonic() - started) * 1000,
            )

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        """Read the small body that the API takes before anybody works on it; None when it was refused."""
        held = bytearray()
        code = ""
        try:
            async with asyncio.timeout(BODY_PATIENCE_S):
                while not code:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    held += message.get("body", b"")
                    if len(held) > API_BODY_BYTES:
                        code = "too-large"
                    elif not message.get("more_body", False):
                        break
        except TimeoutError:
            code = "expired"
        if code:
            await respond(code, f"the body was not complete within {API_BODY_BYTES} bytes and {BODY_PATIENCE_S:.0f} s")(
                scope, receive, send
            )
            return None
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": bytes(held), "more_body": False}

        return replay


def _in_time(receive: Receive) -> Receive:
    async def one() -> Message:
        try:
            async with asyncio.timeout(BODY_PATIENCE_S):
                return await receive()
        except TimeoutError:
            return {"type": "http.disconnect"}

    return one
