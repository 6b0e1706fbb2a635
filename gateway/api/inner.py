"""Requests to the API that came another way than by a socket: from a center, by the uplink. Answered as any other.

Whoever hands one in has found out who asks; the principal travels in the ASGI scope, which no client can set.
"""

from __future__ import annotations

import logging
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Scope

from gateway.api.authenticator import INNER_SCOPE_KEY
from gateway.contract.home import ApiAnswer, ApiRequest
from gateway.model.principal import Principal

log = logging.getLogger(__name__)

MOST_BODY = 8 << 20


class Inner:
    """One application, called within."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, request: ApiRequest, who: Principal) -> ApiAnswer:
        """Raises nothing: what fails is an answer."""
        status, headers, body = 500, {}, bytearray()
        asked = False

        async def receive() -> Message:
            nonlocal asked
            if asked:
                return {"type": "http.disconnect"}
            asked = True
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = {
                    name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message["headers"]
                }
            elif message["type"] == "http.response.body":
                body.extend(message.get("body", b"")[: MOST_BODY + 1 - len(body)])

        try:
            await self._app(_scope(request, who), receive, send)
        except Exception:
            log.exception("%s %s of %s failed", request.method, request.path, who.name)
            return ApiAnswer(500)
        if len(body) > MOST_BODY:
            return ApiAnswer(413, {"content-type": "text/plain"}, b"more than 8 MB")
        return ApiAnswer(status, headers, bytes(body))


def _scope(request: ApiRequest, who: Principal) -> Scope:
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in request.headers.items()
    ]
    headers = [one for one in headers if one[0] not in (b"authorization", b"cookie", b"host", b"content-length")]
    headers += [(b"host", b"inner"), (b"content-length", str(len(request.body)).encode())]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "https",
        "path": request.path,
        "raw_path": quote(request.path).encode(),
        "query_string": request.query.encode("ascii", "replace"),
        "root_path": "",
        "headers": headers,
        "client": (who.address or "inner", 0),
        "server": ("inner", 0),
        INNER_SCOPE_KEY: who,
    }
