"""The API in two steps: what says whether the gateway is there is served at once, all else a moment later.

Building the validators of a hundred routes takes as long as opening every socket of the kit, and nobody gives orders
before they know that it is ready. Whoever does has the routes built at once, and waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send


class Late:
    """An ASGI application: `app`, of which the paths `at_once` are there, and `build` adds the rest."""

    def __init__(self, app: ASGIApp, at_once: frozenset[str], build: Callable[[], Awaitable[None]]) -> None:
        self._app = app
        self._at_once = at_once
        self._build = build
        self._building: asyncio.Task[None] | None = None
        self._whole = False

    async def load(self) -> None:
        """Returns when all is there; the first call builds it. Raises what building it raised."""
        if self._building is None:
            self._building = asyncio.create_task(self._load(), name="API routes")
        # Who waits may go away; the others still want it.
        await asyncio.shield(self._building)

    async def close(self) -> None:
        """The server ends; what is being built is let go."""
        if self._building is not None:
            self._building.cancel()
            await asyncio.gather(self._building, return_exceptions=True)

    async def _load(self) -> None:
        await self._build()
        self._whole = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._whole and not (scope["type"] == "http" and scope["path"] in self._at_once):
            await self.load()
        await self._app(scope, receive, send)
