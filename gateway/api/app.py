"""The application: routes, adapters' mounts, the console's files, errors as problem details, and the guard around all.

`create_app` touches no socket and reads no clock, so that tests drive it as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api import problems
from gateway.api.auth import Authenticator
from gateway.api.guard import Guard
from gateway.api.late import Late
from gateway.api.mounts import Mounts
from gateway.api.pages import Pages
from gateway.api.routes import FIRST, rest
from gateway.core.services import Services

STATIC = Path(__file__).with_name("static")
OPEN_PATHS: Sequence[str] = (
    "/healthz",
    "/api/v1/auth/login",
    "/api/v1/auth/code",
    "/api/v1/pairing/answers/{answer}",
    "/field",
    "/field/state",
    "/field/page.css",
    "/field/page.js",
)

DESCRIPTION = """\
Everything that a person or program may ask of a Fieldgate gateway. Every answer needs a bearer token or the console's
session, but `/healthz`, the two sign-in calls and a kit's question for the answer to its pairing code. Errors are RFC
9457 problem details with a stable `code`, and `cause` and `cure` in Chinese and English. Live events: WebSocket
`/api/v1/events?cursor=N`.
"""


class Door:
    """Mounted adapters' routes first, since they come and go; then the API; the console's pages answer what is left."""

    def __init__(self, api: ASGIApp, mounts: Mounts, authenticator: Authenticator) -> None:
        self._api = api
        self._mounts = mounts
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and await self._mounts.serve(scope, receive, send, self._authenticator):
            return
        await self._api(scope, receive, send)


def create_api(
    services: Services,
    *,
    authenticator: Authenticator,
    state_dir: Path,
    ca_file: Path | None = None,
) -> FastAPI:
    """The FastAPI part with its first routes; `complete` adds the others."""
    api = FastAPI(
        title="Fieldgate",
        version=services.version,
        description=DESCRIPTION,
        openapi_url=None,  # served behind a token by routes below
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    api.state.services = services
    api.state.authenticator = authenticator
    api.state.state_dir = state_dir
    api.state.ca_file = ca_file
    problems.install(api)
    for router in FIRST:
        api.include_router(router)
    return api


def complete(api: FastAPI, routers: Sequence[APIRouter], static: Path) -> None:
    from gateway.api.live import Live

    api.state.live = Live()
    for router in routers:
        api.include_router(router)
    api.mount("/", Pages(static))


def create_app(
    services: Services,
    mounts: Mounts | None = None,
    *,
    state_dir: Path,
    secure: bool = True,
    ca_file: Path | None = None,
    static: Path = STATIC,
) -> ASGIApp:
    """The whole application. `secure` is False only where TLS is switched off in the configuration."""
    authenticator = Authenticator(services.accounts, secure=secure, by_bearer=services.by_bearer)
    api = create_api(services, authenticator=authenticator, state_dir=state_dir, ca_file=ca_file)
    complete(api, rest(), static)
    return Guard(Door(api, mounts or Mounts(), authenticator), hsts=secure and ca_file is None)


def create_late_app(
    services: Services, mounts: Mounts, *, state_dir: Path, secure: bool, ca_file: Path | None
) -> tuple[ASGIApp, Late]:
    """The same, of which most is built by `Late.load`, or by whoever asks for it before."""
    authenticator = Authenticator(services.accounts, secure=secure, by_bearer=services.by_bearer)
    api = create_api(services, authenticator=authenticator, state_dir=state_dir, ca_file=ca_file)

    async def build() -> None:
        complete(api, await asyncio.to_thread(rest), STATIC)

    at_once = (route.path for router in FIRST for route in router.routes if isinstance(route, APIRoute))
    late = Late(api, frozenset(at_once), build)
    return Guard(Door(late, mounts, authenticator), hsts=secure and ca_file is None), late
