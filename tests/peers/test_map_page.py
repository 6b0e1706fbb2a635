"""The console's map in Chromium with a real PMTiles file: MapLibre draws what is in it, and the ball stands on it."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import pytest

from tests.peers.browser import Page, launch, require
from tests.peers.stage import Stage, ports
from tests.peers.tiny_map import MVT, PNG, area, pmtiles, png

pytestmark = pytest.mark.peer

MAP = "document.querySelector('.map-place canvas')"
MARK = "document.querySelector('.map-place .mark')"
RED = (200, 40, 40)
WATER = (0x15, 0x2A, 0x3F)
"""As console/src/mapview.ts draws it."""
NEAR = 12


@asynccontextmanager
async def a_map(place: Path, more: str) -> AsyncIterator[Page]:
    """The console's map of a gateway with a ball that tells where it is."""
    require()
    with ports() as free:
        stage = Stage(place, free, more=more)
        try:
            await stage.begin()
            await stage.until("the ball's position", lambda: stage.client.get("/api/v1/positions"))
            async with launch() as browser:
                page = await browser.open()
                await page.send(
                    "Emulation.setDeviceMetricsOverride", width=1440, height=900, deviceScaleFactor=1, mobile=False
                )
                await page.goto(stage.console("tina", "technician"))
                await page.wait_for("document.querySelector('[data-key=map]') !== null", 30, "the console")
                await page.evaluate("document.querySelector('[data-key=map]').click()")
                await page.wait_for(f"{MAP} !== null && {MARK} !== null", 60, "the map with the ball")
                yield page
                assert page.errors == []
        finally:
            await stage.stop()


async def share(page: Page, colour: tuple[int, int, int]) -> float:
    """How much of the canvas has that colour, as a person sees it."""
    box = await page.evaluate(f"(r => [r.x, r.y, r.width, r.height])({MAP}.getBoundingClientRect())")
    clip = dict(zip(("x", "y", "width", "height"), box, strict=True)) | {"scale": 1}
    shot = await page.send("Page.captureScreenshot", format="png", clip=clip)
    return alike(shot["data"], colour)


def alike(encoded: str, colour: tuple[int, int, int]) -> float:
    import base64

    with av.open(io.BytesIO(base64.b64decode(encoded)), format="png_pipe") as file:
        frame: Any = next(file.decode(video=0)).reformat(format="rgb24")
    plane, row = frame.planes[0], 3 * frame.width
    found = total = 0
    for line in range(0, frame.height, 4):
        data = bytes(plane)[line * plane.line_size : line * plane.line_size + row]
        for at in range(0, row - 2, 12):
            total += 1
            found += all(abs(data[at + one] - colour[one]) <= NEAR for one in range(3))
    return found / total


@pytest.mark.parametrize(
    ("kind", "tile", "layers", "colour"),
    [
        pytest.param(PNG, png(*RED), (), RED, id="pictures"),
        pytest.param(MVT, area("water"), ("water",), WATER, id="vectors"),
    ],
)
async def test_a_base_map_is_drawn(
    tmp_path: Path, kind: int, tile: bytes, layers: tuple[str, ...], colour: tuple[int, int, int]
) -> None:
    file = tmp_path / "county.pmtiles"
    file.write_bytes(pmtiles(kind, tile, layers))
    async with a_map(tmp_path, f'[map]\nfile = "{file}"\nattribution = "County 7"\n') as page:
        seen = 0.0
        for _ in range(100):
            if (seen := await share(page, colour)) > 0.6:
                break
        assert seen > 0.6, "its tiles fill the canvas"
        assert await page.evaluate("document.querySelector('.map').textContent.includes('PMTiles')") is False
        # The ball's mark opens its picture.
        await page.evaluate(f"{MARK}.click()")
        await page.wait_for("document.querySelector('.picked .primary') !== null", 15, "what stands there")
        await page.evaluate("document.querySelector('.picked .primary').click()")
        await page.wait_for("document.querySelector('.tile')?.dataset.tone === 'live'", 30, "its picture")
