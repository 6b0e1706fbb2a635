"""A publisher dies and comes back with another size, then with another codec: nobody who watches is sent away."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.peers.browser import launch, require
from tests.peers.outage import MORE, OUTPUTS, WATCH, Kind, Scene, page_sees
from tests.peers.programs import need
from tests.peers.stage import PROBE, Stage, ports

pytestmark = pytest.mark.peer


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        stage = Stage(tmp_path, stack.enter_context(ports()), more=MORE)
        stack.push_async_callback(stage.stop)
        await stage.daemon()
        await stage.until("the gateway's start", stage.ready)
        scene = Scene(stage)
        stack.push_async_callback(scene.close)
        yield scene


@pytest.mark.long
async def test_viewers_stay_over_outages_and_changes(scene: Scene) -> None:
    require()
    for program in ("ffmpeg", "srt-live-transmit"):
        need(program)
    await scene.publish(Kind("h264", 640, 360))
    viewers = [await scene.view(output) for output in OUTPUTS]
    async with launch() as browser:
        page = await browser.open()
        await page.send("Page.addScriptToEvaluateOnNewDocument", source=PROBE + WATCH)
        stream = next(s["id"] for s in scene.stage.client.get("/api/v1/streams"))
        await page.goto(scene.stage.link(stream))
        await page_sees(page, 0)
        for viewer in viewers:
            await viewer.sees(0)
        for kind in (Kind("h264", 320, 240), Kind("h265", 320, 240)):
            await scene.lose()
            # The last picture stands, with its age over it.
            await page.wait_for("document.querySelector('.age').textContent !== ''", 15, "the picture's age")
            now, unix_ms = time.monotonic(), time.time() * 1000
            await scene.publish(kind)
            await page_sees(page, unix_ms, kind.wide)
            for viewer in viewers:
                await viewer.sees(now, kind.wide)
        shown = await page.evaluate("__shown")
        assert (shown["backs"], shown["connections"]) == ([], 1)
        # The watch on the network's side has seen what was shown.
        assert shown["came"] > 0
    for viewer in viewers:
        assert viewer.end == "" and viewer.process.returncode is None, viewer.output
        assert viewer.backs == [], (viewer.output, viewer.backs[:5])
