"""`make demo-center`, by a person's way: the center's console plays a county's picture in Chromium, and goes on with it
when a link is cut on the demo's page."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.client import Client
from tests.emu.program import ROOT, skip_unless_able
from tests.peers.browser import Page, launch, require
from tests.peers.stage import frames_grow, play, ports

pytestmark = pytest.mark.peer
BEGIN_S = 150.0


async def told(folder: Path, demo: asyncio.subprocess.Process) -> dict[str, str]:
    """What the demo writes for programs when all is there."""
    file = folder / "demo-center.json"
    async with asyncio.timeout(BEGIN_S):
        while True:
            assert demo.returncode is None, "the demo has ended; its words stand above"
            try:
                found: dict[str, str] = json.loads(file.read_text())
                return found
            except (FileNotFoundError, json.JSONDecodeError):
                await asyncio.sleep(0.1)


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    require()
    skip_unless_able()
    with ports() as free:
        (tmp_path / "ports.toml").write_text(free.config())
        folder = tmp_path / "state"
        given = {
            "host": "127.0.0.1",
            "api-port": free.api,
            "udp-port": free.other,
            "page-port": free.ts,
            "center-ports": tmp_path / "ports.toml",
            "state-dir": folder,
        }
        words = [f"--{name}={value}" for name, value in given.items()]
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.emu.demo", *words, cwd=ROOT)
        try:
            yield await told(folder, process) | {"folder": str(folder)}
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0


async def click(page: Page, county: str, link: str, word: str) -> None:
    """The button of that link, as a person finds it: by the words that it shows."""
    button = f"""[...document.querySelectorAll('.kit')].find((kit) => kit.textContent.includes('{county}'))
        ?.querySelectorAll('.link') ?? []"""
    row = f"[...({button})].find((row) => row.textContent.includes('{link}'))?.querySelector('button')"
    await page.wait_for(f"({row})?.textContent.includes('{word}')", 30, f"the button {word} of {link}")
    await page.evaluate(f"({row}).click()")


async def until_in(center: Client, link: str) -> None:
    """The center says that the kit's link carries again: 10 good seconds after it was mended."""
    async with asyncio.timeout(60):
        while True:
            kits = await asyncio.to_thread(center.get, "/api/v1/kits")
            links = next(one["links"] for one in kits if one["gateway"] == "county-a")
            if any(one["name"] == link and one["state"] == "in" for one in links):
                return
            await asyncio.sleep(0.2)


@pytest.mark.long
async def test_a_click_cuts_a_link_and_the_picture_goes_on(demo: dict[str, str]) -> None:
    streams: dict[str, Any] = {name.split()[1]: one for name, one in demo.items() if name.startswith("stream ")}
    assert set(streams) == {"county-a", "county-b"}
    origin, _, code = demo["console"].partition("/#code=")
    async with launch() as browser:
        picture, _ = await play(browser, f"{origin}/play/{streams['county-a']}#code={code}")
        await frames_grow(picture, 60)
        links = await browser.open(demo["page"])
        attempts = await picture.evaluate("__fieldgate.attempts")
        # One link is cut and comes back, then the other: the viewer's session is the same all the time.
        for name in ("lte-a", "lte-b"):
            await click(links, "County A", name, "Cut")
            for _ in range(3):
                await frames_grow(picture, 60, f"pictures while {name} is away")
            await click(links, "County A", name, "Mend")
            await until_in(Client(Path(demo["folder"]) / "center"), name)
        assert await picture.evaluate("__fieldgate.attempts") == attempts
        assert links.errors == [] and picture.errors == []
