"""The whole daemon with Chromium: a drone publishes over RTMP, goes, and comes back with another codec and size.

The viewer's tile stays: it shows the last picture with its age, and lives again within a second of the next key frame;
the sources' tab says who sends what, what is made of it and why, and who watches.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.peers.browser import Browser, Page, launch, require
from tests.peers.programs import need
from tests.peers.stage import Stage, ports

pytestmark = pytest.mark.peer

KEY = "a-key-of-its-own"
MORE = f'[program.drone]\npassword = "{KEY}"\npublish = ["drone-1"]\nread = ["*"]\n'
DRONE = "kit1/drone-1/main"
LINE = f"document.querySelector('li[data-stream=\"{DRONE}\"] button')"
SOURCES = "document.querySelector('.sources').textContent"
TILE = f"document.querySelector('[data-stream=\"{DRONE}\"].tile')"


@contextmanager
def sending(stage: Stage, size: str, codec: str = "libx264") -> Iterator[None]:
    tag = "-tag:v hvc1" if codec == "libx265" else ""
    line = (
        f"ffmpeg -v error -re -f lavfi -i testsrc2=size={size}:rate=25 -f lavfi -i sine=frequency=440 -c:v {codec} "
        f"-preset ultrafast -g 25 -bf 0 -pix_fmt yuv420p {tag} -c:a aac -f flv "
        f"rtmp://127.0.0.1:{stage.ports.rtmp}/live/drone-1?key={KEY}"
    )
    process = subprocess.Popen(line.split(), stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def a_console(place: Path) -> AsyncIterator[tuple[Stage, Browser, Page]]:
    require()
    need("ffmpeg")
    with ports() as free:
        stage = Stage(place, free, more=MORE)
        try:
            await stage.daemon()
            await stage.until("the gateway's start", stage.ready)
            async with launch() as browser:
                page = await browser.open(stage.console("tina", "technician"))
                await page.wait_for("document.querySelector('[data-key=sources]') !== null", 30, "the console")
                yield stage, browser, page
        finally:
            await stage.stop()


def status(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = stage.client.get(f"/api/v1/streams/{DRONE}")
    return found


async def test_a_tile_lives_through_a_drones_landings(tmp_path: Path) -> None:
    async with a_console(tmp_path) as (stage, _, page):
        await page.evaluate("document.querySelector('[data-key=sources]').click()")
        await page.wait_for(f"{SOURCES}.includes('drone-1')", 20, "the name that may be published")
        with sending(stage, "640x360"):
            await stage.until("the drone's picture", lambda: status(stage)["state"] == "live")
            await page.evaluate(f"{LINE}.click()")
            await page.wait_for(f"{TILE} !== null && {TILE}.dataset.tone === 'live'", 30, "its tile plays")
            await page.wait_for(f"{SOURCES}.includes('RTMP') && {SOURCES}.includes('drone')", 20, "who sends")
            await page.wait_for(f"/25 fps|24 fps|26 fps/.test({SOURCES})", 20, "how fast")
            await page.wait_for(f"{TILE}.querySelector('video').videoWidth === 640", 20, "640 wide")
        # It has landed: the tile stays, grey, with the age of what it shows.
        await page.wait_for(f"/last picture|最后画面/.test({TILE}.querySelector('.age').textContent)", 30, "its age")
        assert status(stage)["viewers"] == 1 and status(stage)["code"] == "publisher-gone"
        await page.wait_for(f"/last picture|最后画面/.test({SOURCES})", 20, "its age among the sources")
        assert await page.evaluate(f"{TILE}.querySelector('video').videoWidth") == 640, "the last picture stands"
        began = time.perf_counter()
        with sending(stage, "320x240"):
            await stage.until("the next flight", lambda: status(stage)["state"] == "live")
            live = time.perf_counter()
            await page.wait_for(f"{TILE}.querySelector('video').videoWidth === 320", 30, "the next flight is seen")
            print(f"live {live - began:.2f} s after it began to send, seen {time.perf_counter() - live:.2f} s later")
            await page.wait_for(f"{TILE}.dataset.tone === 'live'", 20, "its tile lives")
        with sending(stage, "640x480", "libx264"):
            await page.wait_for(f"{TILE}.querySelector('video').videoHeight === 480", 60, "and once more")
        assert status(stage)["viewers"] == 1


async def test_what_is_converted_and_why_stands_in_the_list(tmp_path: Path) -> None:
    async with a_console(tmp_path) as (stage, _, page):
        with sending(stage, "640x360"):
            await stage.until("the drone's picture", lambda: status(stage)["state"] == "live")
            await page.evaluate("document.querySelector('[data-key=sources]').click()")
            await page.wait_for(f"{LINE} !== null", 20, "the list")
            await page.evaluate(f"{LINE}.click()")
            # AAC is no browser's: its sound is made Opus, and the picture is passed as it is.
            await page.wait_for(f"/aac → opus/.test({SOURCES})", 40, "what is converted")
            await page.wait_for(f"{TILE} !== null && {TILE}.dataset.tone === 'live'", 30, "its tile plays")
            await asyncio.sleep(0)
            assert page.errors == [] or all("401" in error for error in page.errors)
