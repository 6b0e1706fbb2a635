"""When an output begins: the sound that is a moment late is waited for, and no longer than that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.hls import output
from adapters.hls.output import sound_too
from gateway.model.ids import DeviceId, StreamId
from gateway.model.media import Codec, StreamState, StreamStatus, Track, TrackKind

PICTURE = Track(TrackKind.VIDEO, Codec.H264, 90_000, 1)
SOUND = Track(TrackKind.AUDIO, Codec.PCMA, 8_000, 1)


class _Viewing:
    def __init__(self) -> None:
        self.told: asyncio.Queue[tuple[Track, ...]] = asyncio.Queue()

    async def changes(self) -> AsyncIterator[StreamStatus]:
        while True:
            tracks = await self.told.get()
            yield StreamStatus(StreamId("kit1/a/b"), DeviceId("kit1/a"), "", StreamState.LIVE, tracks=tracks)


async def test_the_sound_is_waited_for() -> None:
    viewing: Any = _Viewing()
    waiting = asyncio.create_task(sound_too(viewing))
    for tracks in ((), (PICTURE,)):
        viewing.told.put_nowait(tracks)
    await asyncio.sleep(0.05)
    assert not waiting.done()
    viewing.told.put_nowait((PICTURE, SOUND))
    await asyncio.wait_for(waiting, 10)


async def test_a_picture_without_sound_begins_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "SOUND_S", 0.01)
    viewing: Any = _Viewing()
    viewing.told.put_nowait((PICTURE,))
    await asyncio.wait_for(sound_too(viewing), 10)


async def test_nothing_begins_before_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "SOUND_S", 0.01)
    viewing: Any = _Viewing()
    viewing.told.put_nowait(())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sound_too(viewing), 0.1)
