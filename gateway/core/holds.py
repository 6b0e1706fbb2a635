"""Streams held open by order: a picture is warmed up before anybody looks, and let go by itself.

A hold is a viewing without a viewer. It belongs to the session that asked (or the name, where there is none), ends
after at most `MOST_S` unless it is renewed, and sooner by `stream.close`. What was opened for it alone is closed
`streams.idle_close` later, as after any viewer.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from gateway.base.errors import Busy
from gateway.core.streams import Streams
from gateway.model.ids import StreamId
from gateway.model.principal import Principal

DEFAULT_S = 10.0
MOST_S = 60.0
EACH = 16
"""Streams that one asker may hold at a time."""

_Key = tuple[str, StreamId]


@dataclass(slots=True)
class _Hold:
    limit: asyncio.Timeout
    begun: asyncio.Future[None]
    task: asyncio.Task[None]


class Holds:
    """On the event loop only."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._holds: dict[_Key, _Hold] = {}

    async def open(self, who: Principal, stream: StreamId, seconds: float) -> None:
        """Hold it from now on for `seconds`; a hold of the same asker gets the new end.

        Raises what a viewing raises (NotFound, Denied, Busy), and Busy (`too-many`) for more than `EACH`.
        """
        loop = asyncio.get_running_loop()
        key = (_asker(who), stream)
        until = loop.time() + min(seconds, MOST_S)
        if (found := self._holds.get(key)) is not None:
            await asyncio.shield(found.begun)
            found.limit.reschedule(until)
            return
        if sum(asker == key[0] for asker, _ in self._holds) >= EACH:
            raise Busy(f"{EACH} streams are held already: close one", code="too-many")
        begun: asyncio.Future[None] = loop.create_future()
        limit = asyncio.timeout_at(until)
        task = asyncio.create_task(self._hold(stream, who, limit, begun), name=f"hold {stream}")
        hold = self._holds[key] = _Hold(limit, begun, task)

        def over(_: asyncio.Task[None]) -> None:
            if self._holds.get(key) is hold:
                del self._holds[key]

        task.add_done_callback(over)
        await begun

    async def close(self, who: Principal, stream: StreamId) -> bool:
        """End what this asker holds of it; False when that is nothing."""
        hold = self._holds.pop((_asker(who), stream), None)
        if hold is None:
            return False
        await _end(hold)
        return True

    async def close_all(self) -> None:
        while self._holds:
            await _end(self._holds.pop(next(iter(self._holds))))

    async def _hold(
        self, stream: StreamId, who: Principal, limit: asyncio.Timeout, begun: asyncio.Future[None]
    ) -> None:
        try:
            with suppress(TimeoutError):
                async with self._streams.view(stream, who, "order"), limit:
                    begun.set_result(None)
                    await asyncio.get_running_loop().create_future()
        except Exception as exc:
            if begun.done():
                raise
            begun.set_exception(exc)
        finally:
            begun.cancel()


def _asker(who: Principal) -> str:
    return who.session or who.name


async def _end(hold: _Hold) -> None:
    hold.task.cancel()
    await asyncio.gather(hold.task, return_exceptions=True)
