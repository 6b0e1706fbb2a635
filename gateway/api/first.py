"""What says whether the gateway is there: answered from the first moment on, without the routes and what they load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.api.authenticator import Authenticator
from gateway.api.problems import respond_error
from gateway.base.errors import GatewayError
from gateway.core.services import Services


def alive(services: Services) -> Response:
    """Says no more than whether the gateway works: 200 or 503."""
    health = services.daemon.health()
    return JSONResponse({"ok": health.ok}, 200 if health.ok else 503, headers={"Cache-Control": "no-store"})


def system(services: Services) -> Mapping[str, Any]:
    """Which gateway this is, of which version, and whether it is ready; `now` in Unix seconds."""
    health = services.daemon.health()
    config = services.config().gateway
    return {
        "gateway": services.gateway,
        "name": config.name,
        "role": config.role,
        "version": services.version,
        "now": services.now(),
        "uptime_s": health.uptime_s,
        "ready": health.ready,
    }


class First:
    """An ASGI application of these two, as the routes of the same paths answer later."""

    def __init__(self, services: Services, authenticator: Authenticator) -> None:
        self._services = services
        self._authenticator = authenticator
        self._answers: Mapping[str, Callable[[Request], Response]] = {
            "/healthz": self._alive,
            "/api/v1/system": self._system,
        }

    def has(self, scope: Scope) -> bool:
        return scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in self._answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = self._answers[scope["path"]](Request(scope))
        except GatewayError as error:
            answer = respond_error(error)
        await answer(scope, receive, send)

    def _alive(self, _: Request) -> Response:
        return alive(self._services)

    def _system(self, request: Request) -> Response:
        request.scope["fieldgate.who"] = self._authenticator.principal(request).name
        return JSONResponse(system(self._services))
