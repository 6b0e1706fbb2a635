"""The picture that a phone takes, without B-frames: the source's own, or one that the core makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from gateway import codecs
from gateway.base.errors import GatewayError
from gateway.contract.media import Needs, Viewing
from gateway.model.media import Codec


def needs_of(names: Sequence[str]) -> Needs:
    """What a video line of these codecs takes; the sound is a voice's affair."""
    known = {codec.value for codec in Codec}
    video = tuple(dict.fromkeys(Codec(name.lower()) for name in names if name.lower() in known))
    return Needs(video=video, audio=(), b_frames=False)


class Suits:
    """`moved` is called with another stream of the media plane whenever that is the one to send; it may raise
    MediaError. `told(code, detail)` says why there is no picture."""

    def __init__(
        self,
        viewing: Viewing,
        needs: Callable[[], Needs | None],
        moved: Callable[[int], None],
        told: Callable[[str, str], None],
    ) -> None:
        """`needs`: None while nothing may go out."""
        self._viewing = viewing
        self._needs = needs
        self._asked: Needs | None = None
        self._wake = asyncio.Event()
        self._moved = moved
        self._told = told
        self._tasks = (
            asyncio.create_task(self._run(), name=f"what suits of {viewing.handle}"),
            asyncio.create_task(self._follow(), name=f"changes of {viewing.handle}"),
        )

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    def again(self) -> None:
        """What the peer takes may be another."""
        if (needs := self._needs()) is not None and needs != self._asked:
            self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._ask()

    async def _follow(self) -> None:
        changes, asked = self._viewing.changes(), None
        try:
            async for status in changes:
                now = (status.tracks, tuple((one.name, one.state, one.code) for one in status.renditions))
                if status.tracks and now != asked:
                    asked = now
                    self._wake.set()
        finally:
            if isinstance(changes, AsyncGenerator):
                await changes.aclose()

    async def _ask(self) -> None:
        if (needs := self._needs()) is None:
            return
        self._asked = needs
        try:
            self._moved((await self._viewing.suited(needs)).handle)
        except codecs.MediaError as exc:
            self._told("convert-worker-died", str(exc))
        except GatewayError as exc:
            self._told(exc.code, str(exc))
