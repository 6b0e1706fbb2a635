"""The API in two steps: what says whether the gateway is there is served at once, all else a moment later.

Loading FastAPI and building a hundred routes takes longer than opening every socket of the kit, and nobody gives orders
before they know that it is ready. Whoever does has the routes built at once, and waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.first import First


class Late:
    """An ASGI application: `first` answers what it has until `build` has made the whole."""

    def __init__(self, first: First, build: Callable[[], Awaitable[ASGIApp]]) -> None:
        self._first = first
        self._build = build
        self._building: asyncio.Task[None] | None = None
        self._whole: ASGIApp | None = None

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
        self._whole = await self._build()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._whole is None:
            if self._first.has(scope):
                await self._first(scope, receive, send)
                return
            await self.load()
        assert self._whole is not None  # noqa: S101  (load returned)
        await self._whole(scope, receive, send)
