"""The daemon's streams, asked again and again by one for all who wait for a state of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gateway.base.errors import GatewayError
from gateway.cli.client import Client

EVERY_S = 0.2


class Watch:
    """`run` beside those who wait."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._streams: dict[str, dict[str, Any]] = {}
        self._asked = asyncio.Event()

    async def run(self) -> None:
        while True:
            with suppress(GatewayError):
                listed = await asyncio.to_thread(self._client.get, "/api/v1/streams")
                self._streams = {one["id"]: one for one in listed}
                self._asked.set()
                self._asked = asyncio.Event()
            await asyncio.sleep(EVERY_S)

    async def live(self, stream: str, limit_s: float) -> None:
        """Raises TimeoutError."""
        await self._until(lambda: self.last(stream).get("state") == "live", limit_s)

    async def gone(self, stream: str, limit_s: float) -> None:
        """Until it is in another state than live, or is there no more. Raises TimeoutError."""
        await self._until(lambda: self.last(stream).get("state") != "live", limit_s)

    def last(self, stream: str) -> dict[str, Any]:
        """As the daemon told it last, by its id without the gateway's own name; {} when it has no such stream."""
        found = (one for id_, one in self._streams.items() if id_ == stream or id_.endswith(f"/{stream}"))
        return next(found, {})

    async def _until(self, true: Callable[[], bool], limit_s: float) -> None:
        async with asyncio.timeout(limit_s):
            while True:
                await self._asked.wait()
                if true():
                    return
