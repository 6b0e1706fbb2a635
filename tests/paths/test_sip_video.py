"""Pictures over SIP: the ball's goes out, the center's comes in, both are decoded; codecs, ciphers, key frames."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from adapters.sip.engine import VideoWish
from adapters.sip.routing import MediaPolicy, Srtp, Target
from gateway.base.errors import GatewayError
from tests.paths.sip_pictures import SMALL, decoded, picture, received, sent
from tests.paths.sip_rig import WHO, Kit, Phone, site
from tests.paths.sip_sound import PATIENCE_S
from tests.peers.frames import FrameReader

BOTH = VideoWish(send=True, receive=True)
BALL = "kit1/ball-1/ch1"


@asynccontextmanager
async def watching(
    *, policy: MediaPolicy | None = None, live: bool = True, codec: str = "h264"
) -> AsyncIterator[tuple[Kit, Phone]]:
    async with AsyncExitStack() as stack:
        it, (one,) = await stack.enter_async_context(site("8001", policy=policy or MediaPolicy(audio=("pcma",))))
        it.routing.numbers["700"] = Target("channel", BALL)
        if live:
            stream = it.context.streams.known[BALL]
            await stack.enter_async_context(picture(it.engine, stream, replace(SMALL, codec=codec)))
        yield it, one


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_the_ball_is_seen_and_the_center_too(codec: str) -> None:
    async with watching(codec=codec, policy=MediaPolicy(audio=("pcma",), video=(codec,))) as (it, one):
        await one.call(it, "700", BOTH)
        async with received(one) as stream, sent(one, replace(SMALL, codec=codec)):
            assert await decoded(one.engine, stream) == (320, 240)
            async with asyncio.timeout(PATIENCE_S):
                await it.context.streams.published_now.wait()
            (publication,) = it.context.streams.published.values()
            assert await decoded(it.engine, publication.handle) == (320, 240)  # type: ignore[attr-defined]
        (hold,) = it.context.calls.all
        assert hold.status.video == codec and hold.status.audio == "pcma"


@pytest.mark.parametrize("srtp", ["sdes", "dtls"])
async def test_both_lines_are_ciphered(srtp: Srtp) -> None:
    policy = MediaPolicy(audio=("pcma",), srtp=srtp)
    async with watching(policy=policy) as (it, one):
        await one.call(it, "700", BOTH)
        async with received(one) as stream:
            assert await decoded(one.engine, stream) == (320, 240)
        await one.media(lambda media: media.secure == srtp)


async def test_a_picture_that_is_not_there_yet_starts_when_it_comes() -> None:
    async with watching(live=False) as (it, one):
        await one.call(it, "700", BOTH)
        async with received(one) as stream, picture(it.engine, it.context.streams.known[BALL]):
            assert await decoded(one.engine, stream) == (320, 240)


async def test_a_phone_without_video_gets_the_sound() -> None:
    async with watching() as (it, one):
        leg = await one.call(it, "700")
        assert leg.media.voice is not None and leg.media.video is None
        assert it.context.calls.all[0].status.video == "" and not it.engine.engine_stats()["subscriptions"]


async def test_a_picture_that_the_trunk_does_not_allow_leaves_the_sound_and_says_why() -> None:
    async with watching() as (it, one):
        it.routing.policy = MediaPolicy(audio=("pcma",), video=())
        leg = await one.call(it, "700", BOTH)
        assert leg.media.voice is not None and leg.media.video is None and leg.media.no_video


async def test_info_of_the_phone_brings_a_key_frame() -> None:
    """The device sends none again while this waits: a second one that the phone gets was asked for."""
    async with watching(live=False) as (it, one):
        await one.call(it, "700", BOTH)
        rare = replace(SMALL, gop_s=2 * PATIENCE_S)
        async with picture(it.engine, it.context.streams.known[BALL], rare), received(one) as stream:
            reader = FrameReader(one.engine, stream)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while not (await reader.video()).key:
                        pass
                    for _ in range(10):
                        assert not (await reader.video()).key
                    assert one.leg is not None
                    await one.leg.want_picture()
                    while not (await reader.video()).key:
                        pass
            finally:
                one.engine.unsubscribe(reader.subscription)
                reader.close()


async def test_our_wish_for_a_key_frame_reaches_the_phone_by_info() -> None:
    async with watching() as (it, one):
        await one.call(it, "700", BOTH)
        async with sent(one):
            async with asyncio.timeout(PATIENCE_S):
                await it.context.streams.published_now.wait()
                (publication,) = it.context.streams.published.values()
                await publication.opened.wait()
                assert not one.picture_wanted.is_set()
                await publication.ask()
                await one.picture_wanted.wait()


async def test_a_picture_is_added_and_taken_away_in_the_call() -> None:
    async with watching() as (it, one):
        leg = await one.call(it, "700")
        assert leg.media.video is None
        await leg.change_video(BOTH)
        async with received(one) as stream:
            assert await decoded(one.engine, stream, frames=3) == (320, 240)
        await leg.change_video(VideoWish())
        assert leg.media.video is None and leg.media.voice is not None
        hold = it.context.calls.all[0]
        assert hold.status.video == ""
        await hold.handler.hold(WHO, True)  # our own offer does not ask for its camera again
        await hold.handler.hold(WHO, False)
        assert one.leg is not None and one.leg.media.video is None
        await leg.change_video(BOTH)
        async with received(one) as stream:
            assert await decoded(one.engine, stream, frames=3) == (320, 240)


async def test_hold_stops_the_picture_and_resume_brings_it_back() -> None:
    async with watching() as (it, one):
        await one.call(it, "700", BOTH)
        assert one.leg is not None
        async with received(one) as stream:
            await decoded(one.engine, stream, frames=3)
        await one.leg.hold(True)
        assert not (await asyncio.to_thread(it.engine.engine_stats))["subscriptions"]
        await one.leg.hold(False)
        async with received(one) as stream:
            assert await decoded(one.engine, stream, frames=3) == (320, 240)


async def test_a_stream_that_does_not_exist_is_no_call() -> None:
    async with watching() as (it, one):
        it.routing.numbers["701"] = Target("group", "kit1/talk/none")
        with pytest.raises(GatewayError, match="404"):
            await one.call(it, "701", BOTH)


async def test_a_codec_that_the_phone_has_not_is_said_and_the_sound_goes_on() -> None:
    async with watching(codec="h265") as (it, one):
        one.policy = MediaPolicy(audio=("pcma",), video=("h264",))
        leg = await one.call(it, "700", BOTH)
        (hold,) = it.context.calls.all
        async with asyncio.timeout(PATIENCE_S):
            while hold.status.code != "codec-unsupported":
                hold.moved.clear()
                await hold.moved.wait()
        assert leg.media.voice is not None and hold.ended is None
