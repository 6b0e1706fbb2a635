"""Chromium, which we did not write, plays what the media plane sends and publishes what the gateway takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.paths.webrtc_rig import BALL, SMALL, Kit, ball, kit, voice
from tests.peers.browser import Page, PageError, launch, require
from tests.peers.webpage import serve

pytestmark = pytest.mark.peer

HD = replace(SMALL, width=1280, height=720, bitrate=2_000_000, audio=True)


class Screen:
    """A running adapter on the real engine, and a page in Chromium that can play from it."""

    def __init__(self, kit: Kit, page: Page) -> None:
        self.kit = kit
        self.page = page

    async def play(self, stream: str, *kinds: str) -> None:
        await self.page.evaluate(f"play('/whep/{stream}', {json.dumps(kinds)})")

    async def stat(self, kind: str, name: str, least: float) -> float:
        """Wait until a figure of the page's own getStats has grown to `least`."""
        expression = f"stats().then(s => s.{kind} && s.{kind}.{name} >= {least} && s.{kind}.{name})"
        return float(await self.page.wait_for(expression, what=f"{kind} {name} ≥ {least}"))

    async def codec(self, kind: str) -> str:
        return str(await self.page.evaluate(f"stats().then(s => s.{kind}.codec)"))


@pytest.fixture
async def screen() -> AsyncIterator[Screen]:
    require()
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(kit())
        url = await stack.enter_async_context(serve(made.context.http))
        browser = await stack.enter_async_context(launch())
        page = await browser.open(url + "/")
        yield Screen(made, page)
        assert not [error for error in page.errors if "favicon" not in error]


async def test_the_picture_of_a_ball(screen: Screen, tmp_path: Path) -> None:
    async with ball(screen.kit, settings=HD):
        await screen.play(BALL, "video", "audio")
        seen = await screen.stat("video", "framesDecoded", 25)
        await screen.stat("video", "framesDecoded", seen + 25)
        assert await screen.codec("video") == "video/H264"
        assert await screen.page.evaluate("[v.videoWidth, v.videoHeight]") == [1280, 720]
        picture = await screen.page.screenshot(tmp_path / "picture.png")
        assert picture.stat().st_size > 10_000
        # The sound of the same program stream, at the same time.
        assert await screen.codec("audio") == "audio/PCMA"
        await screen.stat("audio", "totalSamplesReceived", 12_000)
        await screen.stat("audio", "totalAudioEnergy", 1e-4)
        first = await screen.page.evaluate("first - posted")
        print(f"Chromium: first decoded frame {first:.0f} ms after the POST, already live")
        await screen.page.evaluate("leave()")


@pytest.mark.parametrize(("codec", "name"), [("opus", "audio/opus"), ("pcma", "audio/PCMA")])
async def test_voice(screen: Screen, codec: str, name: str) -> None:
    async with voice(screen.kit, "kit1/radio-1/ch1", codec):
        await screen.play("kit1/radio-1/ch1", "audio")
        await screen.stat("audio", "totalSamplesReceived", 12_000)
        await screen.stat("audio", "totalAudioEnergy", 1e-3)
        assert await screen.codec("audio") == name
        await screen.page.evaluate("leave()")


async def test_the_picture_comes_back_by_itself_when_the_device_does(screen: Screen) -> None:
    async with ball(screen.kit):
        await screen.play(BALL, "video")
        seen = await screen.stat("video", "framesDecoded", 10)
    async with ball(screen.kit):
        await screen.stat("video", "framesDecoded", seen + 25)
        assert await screen.page.evaluate("pc.connectionState") == "connected"
        await screen.page.evaluate("leave()")


async def test_a_page_without_a_picture_can_read_why(screen: Screen) -> None:
    async with ball(screen.kit, settings=replace(SMALL, codec="h265")):
        await screen.play(BALL, "video")
        told = await screen.page.wait_for("fetch(where).then(r => r.json()).then(s => s.code && s)")
        offered = "H265" in await screen.page.evaluate("offer")
        assert offered or told["code"] in ("codec-unsupported", "waiting-key-frame")
        told = await screen.page.wait_for(
            "fetch(where).then(r => r.json()).then(s => (s.code == 'codec-unsupported' || s.code == '') && s)"
        )
        assert offered or (told["code"], set(told["cause"])) == ("codec-unsupported", {"en", "zh"})
        await screen.page.evaluate("leave()")


async def test_a_page_that_is_closed_leaves_nothing(screen: Screen) -> None:
    async with ball(screen.kit):
        await screen.play(BALL, "video")
        await screen.stat("video", "framesDecoded", 5)
        await screen.page.evaluate("pc.close()")
        async with asyncio.timeout(10):
            while screen.kit.engine.engine_stats()["sessions"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_no_common_codec_is_said_at_once(screen: Screen) -> None:
    screen.kit.streams.open(BALL)
    screen.kit.adapter.config.__dict__["codecs"] = ["h265"]
    known = await screen.page.evaluate("RTCRtpReceiver.getCapabilities('video').codecs.map(one => one.mimeType)")
    assert "video/H264" in known
    if "video/H265" in known:
        pytest.skip("this Chromium takes H.265")
    with pytest.raises(PageError, match="codec-unsupported"):
        await screen.play(BALL, "video")
    screen.page.errors.clear()


async def test_what_a_page_publishes_plays_in_a_second_page(screen: Screen) -> None:
    await screen.page.evaluate("publish('/whip/phone')")
    await screen.stat("video", "framesSent", 5)
    assert await screen.codec("video") == "video/H264"
    page = screen.page
    async with asyncio.timeout(10):
        while "kit1/phone/main" not in screen.kit.streams.known:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    async with launch() as browser, serve(screen.kit.context.http) as url:
        viewer = Screen(screen.kit, await browser.open(url + "/"))
        await viewer.play("kit1/phone/main", "video", "audio")
        await viewer.stat("video", "framesDecoded", 20)
        await viewer.stat("audio", "totalSamplesReceived", 24_000)
        assert await viewer.codec("audio") == "audio/opus"
        await viewer.page.evaluate("leave()")
    await page.evaluate("leave()")
