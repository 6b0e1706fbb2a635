"""The viewer's network changes under a page that plays: its address is gone, another one comes.

Gateway and ball live in a network namespace of the test's own, with a cable (veth) to the outside, where Chromium is.
Then the outer end of the cable gets another address, as when a phone goes from one network to the next. The page makes
a new connection by itself.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers.browser import launch, require
from tests.peers.stage import Stage, frames_grow, play, ports

pytestmark = pytest.mark.peer

# RFC 2544's network for tests; nothing else uses it. One /24 a process, so that two runs never meet.
NET = f"198.19.{os.getpid() % 250 + 1}"
GATEWAY, BEFORE, AFTER = f"{NET}.2", f"{NET}.1", f"{NET}.9"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextmanager
def namespace() -> Iterator[tuple[str, str]]:
    """Its name, and that of the cable's outer end. Both are gone afterwards."""
    name, cable = f"fgn{os.getpid()}", f"fgo{os.getpid()}"
    try:
        ip("netns", "add", name)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        words = f"no network namespace can be made here: {getattr(error, 'stderr', error)}"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)
    try:
        ip("link", "add", cable, "type", "veth", "peer", "name", "inner", "netns", name)
        ip("-n", name, "addr", "add", f"{GATEWAY}/24", "dev", "inner")
        ip("addr", "add", f"{BEFORE}/24", "dev", cable)
        for where in (("-n", name, "link", "set", "lo"), ("-n", name, "link", "set", "inner"), ("link", "set", cable)):
            ip(*where, "up")
        yield name, cable
    finally:
        subprocess.run(["ip", "link", "del", cable], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[tuple[Stage, str]]:
    require()
    with namespace() as (name, cable), ports() as free:
        made = Stage(tmp_path, free, host=GATEWAY, within=("ip", "netns", "exec", name))
        try:
            yield made, cable
        finally:
            await made.stop()


def viewers(stage: Stage) -> set[str]:
    return {one["session"] for one in stage.client.get("/api/v1/viewings")}


async def test_the_page_finds_its_way_from_another_address(stage: tuple[Stage, str]) -> None:
    made, cable = stage
    stream = await made.begin()
    async with launch() as browser:
        page, _ = await play(browser, made.link(stream))
        await frames_grow(page)
        attempts = await page.evaluate("__fieldgate.attempts")
        ip("addr", "del", f"{BEFORE}/24", "dev", cable)
        ip("addr", "add", f"{AFTER}/24", "dev", cable)
        await page.wait_for(f"__fieldgate.attempts > {attempts}", 30, "another attempt of the page's own")
        await frames_grow(page, 30, "the picture over the other address")
        await page.wait_for("__fieldgate.state === 'live'", 5)
        # The session over the dead path is not kept beside the new one.
        await made.until("one viewer only", lambda: len(viewers(made)) == 1, 30)
