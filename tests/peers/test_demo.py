"""The whole trunk: a ball's process, the daemon's process, and the console's own page in Chromium.

ball → SIP and RTP → media plane → WHEP → page, and back from the page's arrows to the ball's head. What is killed is
killed by SIGKILL, and nobody touches the page after it was opened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.peers.browser import launch, require
from tests.peers.stage import Stage, frames_grow, move, play, ports

pytestmark = pytest.mark.peer


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    require()
    with ports() as free:
        made = Stage(tmp_path, free)
        try:
            yield made
        finally:
            await made.stop()


async def test_a_ball_plays_moves_and_comes_back_and_so_does_the_gateway(stage: Stage) -> None:
    stream = await stage.begin()
    async with launch() as browser:
        page, _ = await play(browser, stage.link(stream))
        await frames_grow(page)
        video = "document.querySelector('video')"
        assert await page.evaluate(f"[{video}.videoWidth, {video}.videoHeight]") == [1280, 720]
        await move(page, patience_s=20.0)

        # The ball dies: the page says so, keeps its session, and goes on when the ball is back.
        attempts = await page.evaluate("__fieldgate.attempts")
        await stage.kill("ball")
        await page.wait_for("__fieldgate.state !== 'live'", 15, "the page says that the picture stopped")
        await stage.ball()
        await frames_grow(page, 40, "the picture after the ball came back")
        await page.wait_for("__fieldgate.state === 'live'", 5)
        assert await page.evaluate("__fieldgate.attempts") == attempts

        # The gateway dies: what was admitted is admitted still, and page and ball find it again.
        before = stage.device()
        assert before is not None
        await stage.kill("gateway")
        await page.wait_for("__fieldgate.state !== 'live'", 15, "the page says that the picture stopped")
        await stage.daemon()
        await stage.until("the gateway's second start", stage.ready)
        after = stage.device()
        assert after is not None and (after["id"], after["name"]) == (before["id"], before["name"])
        await stage.until("the ball online again", stage.online)
        await frames_grow(page, 40, "the picture after the gateway came back")
        await page.wait_for("__fieldgate.state === 'live'", 5)
        assert await page.evaluate("__fieldgate.attempts") > attempts
