"""Bad media from the simulated ball through the adapter, the real media plane and the core's stream.

What is asserted is what the API tells: the state, the track and the reason code, and that it goes on without a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway import codecs
from gateway.base.clock import Clock
from gateway.core.on_demand import Patience
from gateway.core.stream import LiveStream, Setting
from gateway.model.media import StreamState, StreamStatus
from tests.paths.test_gb28181_ball import Site, site
from tests.unit.gb28181.rig import STREAM

FRAMES = 20
"""Two seconds of the ball's picture: more than one group of pictures."""


class Watch:
    """Somebody who watches the ball's stream, and every status that the API had of it meanwhile."""

    def __init__(self) -> None:
        self.seen: list[StreamStatus] = []
        self._changed = asyncio.Event()
        self.stream: LiveStream | None = None

    def told(self, status: StreamStatus) -> None:
        self.seen.append(status)
        self._changed.set()

    async def until(self, true: Callable[[StreamStatus], object], timeout: float = 12.0) -> StreamStatus:
        """The first status, of those seen and to come, for which it holds."""
        at = 0
        try:
            async with asyncio.timeout(timeout):
                while True:
                    for status in self.seen[at:]:
                        if true(status):
                            return status
                    at = len(self.seen)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError([(s.state, s.code, s.detail) for s in self.seen]) from None

    async def picture(self) -> None:
        live = await self.until(lambda s: s.state is StreamState.LIVE and s.tracks)
        video = next(track for track in live.tracks if track.kind == "video")
        assert (video.codec, video.width, video.height) == ("h264", 320, 180)

    async def frames(self, here: Site, more: int = FRAMES, timeout: float = 12.0) -> None:
        """So many more frames come through the media plane."""
        assert self.stream is not None
        handle = self.stream.handle
        first = int(here.plane.engine.stream_stats(handle)["frames"])
        async with asyncio.timeout(timeout):
            while True:
                stats = await asyncio.to_thread(here.plane.engine.stream_stats, handle)
                if int(stats["frames"]) >= first + more:
                    return
                await asyncio.sleep(0.1)


@asynccontextmanager
async def watched(here: Site) -> AsyncIterator[Watch]:
    watch = Watch()
    offer = await here.rig.context.streams.offered(STREAM)
    stream = watch.stream = LiveStream(
        offer,
        here.plane,
        Clock(),
        Setting(Patience(retry_first_s=0.5), stall_s=2.0, gop_bytes=8_000_000),
        changed=watch.told,
    )
    stream.start()
    stream.joined()
    try:
        yield watch
    finally:
        stream.left()
        await stream.remove()


def cured(here: Site) -> None:
    """The technician has changed the device's setting; the ball goes on as it is."""
    here.ball.profile.faults._given.clear()


@pytest.mark.parametrize(
    ("fault", "media"),
    [
        ("no-psm", "udp"),
        ("wrong-psm", "udp"),
        ("pes-zero-length", "udp"),
        ("big-frame", "udp"),
        ("big-frame", "tcp-passive"),
        ("rtp-reorder=0.1", "udp"),
        ("rtp-loss=0.05", "udp"),
    ],
)
async def test_the_picture_comes_all_the_same(tmp_path: Path, fault: str, media: str) -> None:
    async with site(tmp_path, fault, media_ladder=(media,)) as here, watched(here) as watch:
        await watch.picture()
        await watch.frames(here)
        assert watch.stream is not None and watch.stream.ends == 0, "one call all the time"


async def test_tcp_framing_that_breaks_is_told_and_found_again(tmp_path: Path) -> None:
    async with site(tmp_path, "tcp-framing=0.5", media_ladder=("tcp-passive",)) as here, watched(here) as watch:
        await watch.picture()
        await watch.until(lambda s: s.code == "framing-lost")
        await watch.frames(here)
        assert watch.stream is not None and watch.stream.ends == 0, "one call all the time"


async def test_a_private_stream_is_named_and_plays_once_it_is_none(tmp_path: Path) -> None:
    async with site(tmp_path, "private-stream", media_ladder=("udp",)) as here, watched(here) as watch:
        told = await watch.until(lambda s: s.code == "private-stream")
        assert told.state is not StreamState.LIVE and not told.tracks
        cured(here)
        await watch.picture()
        await watch.frames(here)
        assert watch.stream is not None and watch.stream.status.code != "private-stream"


async def test_b_frames_are_named_to_browsers(tmp_path: Path) -> None:
    async with site(tmp_path, "b-frames", media_ladder=("udp",)) as here, watched(here) as watch:
        await watch.until(lambda s: any(track.b_frames for track in s.tracks))
        engine, stream = here.plane.engine, watch.stream
        assert stream is not None
        session = engine.open_session("viewer")
        refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def heard(event: codecs.SubscriptionEvent) -> None:
            if event.state == "refused" and not refused.done():
                refused.set_result(event.code)

        subscription = engine.subscribe_session(
            stream.handle,
            session,
            video=[codecs.RtpMap(96, "h264", 90_000)],
            audio=[],
            video_ssrc=1,
            video_rtx_ssrc=2,
            audio_ssrc=3,
            cname="x",
        )
        here.plane.on_subscription(subscription, heard)
        assert await asyncio.wait_for(refused, 5) == "b-frames"
        await watch.frames(here)
