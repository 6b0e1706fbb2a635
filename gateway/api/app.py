"""The application: routes, adapters' mounts, the console's files, errors as problem details, and the guard around all.

`create_app` touches no socket and reads no clock, so that tests drive it as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.authenticator import Authenticator
from gateway.api.first import First
from gateway.api.guard import Guard
from gateway.api.late import Late
from gateway.api.mounts import Mounts
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
    from gateway.api.whole import create_api

    authenticator = Authenticator(services.accounts, secure=secure, by_bearer=services.by_bearer)
    api = create_api(services, authenticator=authenticator, state_dir=state_dir, ca_file=ca_file, static=static)
    return Guard(Door(api, mounts or Mounts(), authenticator), hsts=secure and ca_file is None)


def create_late_app(
    services: Services,
    mounts: Mounts,
    *,
    state_dir: Path,
    secure: bool,
    ca_file: Path | None,
    complete: Callable[[], Awaitable[object]],
) -> tuple[ASGIApp, Late]:
    """The same, of which most is loaded and built by `Late.load`, or by whoever asks for it before; it answers when
    `complete` has returned."""
    authenticator = Authenticator(services.accounts, secure=secure, by_bearer=services.by_bearer)

    def whole() -> ASGIApp:
        from gateway.api.whole import create_api

        return create_api(services, authenticator=authenticator, state_dir=state_dir, ca_file=ca_file, static=STATIC)

    async def build() -> ASGIApp:
        made = await asyncio.to_thread(whole)
        await complete()
        return made

    late = Late(First(services, authenticator), build)
    return Guard(Door(late, mounts, authenticator), hsts=secure and ca_file is None), late
