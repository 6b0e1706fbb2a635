"""Trying a URL: a stream that nobody sees, opened once, until there is a picture or a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from gateway.base.clock import Clock
from gateway.base.errors import Busy
from gateway.base.url import SourceUrl
from gateway.contract.media import Offer, Publication
from gateway.core.mediaplane import MediaPlane
from gateway.core.sources import Sources
from gateway.core.stream import LiveStream, Setting
from gateway.model.ids import device_id, stream_id
from gateway.model.media import StreamState, StreamStatus, TrackKind
from gateway.model.source import SourceTest

PATIENCE_S = 12.0
MORE_S = 1.0
"""After the picture, for the sound."""
AT_A_TIME = 4


class SourceTester:
    def __init__(
        self, gateway: str, sources: Sources, plane: MediaPlane, clock: Clock, setting: Callable[[], Setting]
    ) -> None:
        self._device = device_id(gateway, "test")
        self._sources = sources
        self._plane = plane
        self._clock = clock
        self._setting = setting
        self._running = 0
        self._number = 0

    async def run(self, url: SourceUrl, patience_s: float = PATIENCE_S) -> SourceTest:
        """Raises Busy when `AT_A_TIME` are tried already."""
        if self._running >= AT_A_TIME:
            raise Busy(f"{AT_A_TIME} sources are being tried", code="busy")
        self._running += 1
        self._number += 1

        async def open_(publication: Publication) -> None:
            await self._sources.open(url, publication)

        id_ = stream_id(self._device, f"t{self._number}")
        offer = Offer(id_, self._device, "test", open_, on_demand=False)
        stream = LiveStream(offer, self._plane, self._clock, self._setting(), changed=lambda _status: None)
        began = self._clock.monotonic()
        try:
            stream.start()
            status = await self._found(stream, patience_s)
            took = self._clock.monotonic() - began
            ok = status.state is StreamState.LIVE
            if ok and len(status.tracks) == 1:
                status = await self._with_sound(stream)
        finally:
            await stream.remove()
            self._running -= 1
        code = "" if ok else status.code if status.state is StreamState.WAITING else _late(status)
        return SourceTest(ok, str(url), url.scheme, code, "" if ok else status.detail, round(took, 2), status.tracks)

    async def _found(self, stream: LiveStream, patience_s: float) -> StreamStatus:
        try:
            async with asyncio.timeout(patience_s), aclosing(stream.changes()) as changes:
                async for status in changes:
                    if status.state in (StreamState.LIVE, StreamState.WAITING, StreamState.OFFLINE):
                        return status
        except TimeoutError:
            pass
        return stream.status

    async def _with_sound(self, stream: LiveStream) -> StreamStatus:
        try:
            async with asyncio.timeout(MORE_S), aclosing(stream.changes()) as changes:
                async for status in changes:
                    if any(track.kind is TrackKind.AUDIO for track in status.tracks):
                        return status
        except TimeoutError:
            pass
        return stream.status


def _late(status: StreamStatus) -> str:
    """What it still waited for."""
    return status.code if status.code not in ("", "opening", "waiting-media") else "no-media"
