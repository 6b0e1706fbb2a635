"""Calls that libsrt may hold up: it joins its threads under one lock for all connections, so none is made on the event
loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from gateway.contract.media import Media

T = TypeVar("T")


async def made(work: Callable[[], T], undo: Callable[[T], Any]) -> T:
    """What `work` makes in a thread. Cancelled meanwhile, it is undone, in a thread too."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        # Within this call: nothing is left to close when the adapter has ended.
        await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled() and task.exception() is None:
            await asyncio.to_thread(undo, task.result())
        raise


async def connected(media: Media, host: str, port: int, **options: Any) -> int:
    """The wire of a connection that begins. Raises codecs.MediaError."""
    engine = media.engine
    return await made(lambda: engine.srt_connect(host, port, **options), engine.close_wire)


@asynccontextmanager
async def listening(media: Media, host: str, port: int, **options: Any) -> AsyncIterator[tuple[int, int]]:
    """A listener's wire and its port. When it is left the port is free. Raises codecs.MediaError."""
    engine = media.engine

    def close(both: tuple[int, int]) -> None:
        engine.close_wire(both[0])

    listener, bound = await made(lambda: engine.srt_listen(host, port, **options), close)
    try:
        yield listener, bound
    finally:
        media.forget_wire(listener)
        # Shielded: who is cancelled a second time still lets the port go.
        await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(engine.close_wire, listener)))
