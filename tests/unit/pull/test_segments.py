"""What of a playlist ends its source or is told beside the picture; the far side is a table of texts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.pull import live
from adapters.pull.http import Address
from adapters.pull.segments import SegmentPull
from gateway.base.errors import LinkDown

MASTER = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="zh",URI="sound.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,AUDIO="a"
picture.m3u8
"""
STANDS = """#EXTM3U
#EXT-X-TARGETDURATION:1
#EXT-X-MEDIA-SEQUENCE:7
"""
OVER = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-ENDLIST\n"


class Far:
    """A client of texts by name."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.asked: list[str] = []

    @asynccontextmanager
    async def ask(self, address: Address, **_more: Any) -> AsyncIterator[Any]:
        name = address.url.rpartition("/")[2]
        self.asked.append(name)

        async def read(_most: int) -> bytes:
            return self.texts[name].encode()

        yield SimpleNamespace(read=read, address=address)


async def pulled(far: Far) -> tuple[str, list[str]]:
    """(the code it ended with, what was said beside)."""
    said: list[str] = []
    publication: Any = SimpleNamespace(stream="kit1/cloud/main", say=said.append)
    context: Any = SimpleNamespace()
    client: Any = far
    with pytest.raises(LinkDown) as ended:
        await SegmentPull(context, client, publication, height=0, bandwidth=0, most=1000).run(
            Address("http://cloud/live.m3u8")
        )
    return ended.value.code, said


async def test_a_playlist_that_shows_nothing_new_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STALE_TARGETS", 0.0)
    far = Far({"live.m3u8": STANDS})
    assert await pulled(far) == ("hls-stale", [])
    assert far.asked.count("live.m3u8") >= 2, "it was asked again before it was given up"


async def test_sound_in_a_playlist_of_its_own_is_told_to_be_missing() -> None:
    far = Far({"live.m3u8": MASTER, "picture.m3u8": OVER})
    assert await pulled(far) == ("source-ended", ["hls-sound-apart"])
    assert far.asked == ["live.m3u8", "picture.m3u8"]
