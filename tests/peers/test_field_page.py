"""The field team's page in Chromium, as on a phone: each of the four words, and that it changes by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from gateway.api.app import create_app
from gateway.core.field_word import PERSONS
from gateway.model.field_words import WORDS
from gateway.model.kit_state import FieldWord
from gateway.model.reason import REASONS
from tests.peers.browser import Page, launch, require
from tests.unit.api.fakes import fake_services

pytestmark = pytest.mark.peer

SEEN = """(() => {
  const shapes = [...document.querySelectorAll('.shape')].filter(one => getComputedStyle(one).display !== 'none');
  return {
    word: document.body.className, text: document.getElementById('word').textContent,
    other: document.getElementById('other').textContent, shapes: shapes.map(one => one.className.baseVal),
    back: getComputedStyle(document.body).backgroundColor,
    size: parseFloat(getComputedStyle(document.getElementById('word')).fontSize),
    wide: document.documentElement.scrollWidth <= innerWidth,
    links: [...document.querySelectorAll('#links li span')].map(one => one.textContent),
  };
})()"""


NINE_SECONDS_GO_BY = """(() => {
  const real = Date.prototype.getTime;
  Date.prototype.getTime = function () { return real.call(this) + 9000; };
})()"""


FACED = sorted(PERSONS | {code for code in REASONS if code.startswith(("field-", "battery-", "clock-"))})
"""Reasons that stand under the word."""


class _Within(uvicorn.Server):
    """On the test's loop: signals are pytest's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[str, Any]]:
    services = fake_services()
    (folder / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    app = create_app(services, state_dir=folder, secure=False, static=folder)
    server = _Within(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    run = asyncio.create_task(server.serve())
    async with asyncio.timeout(20):
        while not server.started:  # noqa: ASYNC110  (it has no event for it)
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", services.kit
    finally:
        server.should_exit = True
        await run


async def _says(page: Page, word: FieldWord) -> dict[str, Any]:
    await page.wait_for(f"document.body.className === '{word.value}'", 20, f"the word {word.value}")
    seen: dict[str, Any] = await page.evaluate(SEEN)
    return seen


async def test_the_four_words_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require()
    async with served(tmp_path) as (address, kit), launch() as browser:
        page = await browser.open()
        await page.send("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
        kit.says("connecting", "field-starting")
        await page.goto(f"{address}/field?lang=zh")
        backs = set()
        for word in (FieldWord.CONNECTING, FieldWord.READY, FieldWord.DEGRADED, FieldWord.TECHNICIAN):
            kit.says(word.value, "" if word is FieldWord.READY else "field-no-link")  # the page is not touched
            seen = await _says(page, word)
            assert (seen["text"], seen["other"]) == (WORDS[word]["zh"], WORDS[word]["en"])
            assert seen["shapes"] == [f"shape {word.value}"], "one shape, and it is this word's"
            assert seen["size"] >= 45 and seen["wide"], seen
            assert seen["links"] == ["4G lte0", "卫星站 sat"]
            backs.add(seen["back"])
        assert len(backs) == 4, "each has its colour"
        await page.goto(f"{address}/field?lang=en")
        seen = await _says(page, FieldWord.TECHNICIAN)
        assert seen["text"] == "Call the technician" and seen["wide"]
        await _nobody_must_scroll(page, address, kit)
        assert page.errors == []
        await page.evaluate("window.stays = 1")
        # The phone is on another network now, by which the kit is reached too.
        monkeypatch.setattr("gateway.api.routes.field.is_near", lambda *_, **__: False)
        await page.wait_for("window.stays !== 1 && !!document.getElementById('code')", 20, "it says why")
        assert "field-elsewhere" in await page.evaluate("document.getElementById('code').textContent")


FOLD = """(() => {
  const bottom = name => document.getElementById(name).getBoundingClientRect().bottom;
  return {
    cure: bottom('cure') <= innerHeight, wide: document.documentElement.scrollWidth <= innerWidth,
    word: parseFloat(getComputedStyle(document.getElementById('word')).fontSize),
    cause: parseFloat(getComputedStyle(document.getElementById('cause')).fontSize),
    button: document.querySelector('header a').getBoundingClientRect().height,
  };
})()"""


async def _nobody_must_scroll(page: Page, address: str, kit: Any) -> None:
    """The kit's own screen, and a phone that lies: word, reason and cure above the fold, a button for gloves."""
    longest = max(FACED, key=lambda code: len(REASONS[code].cause_en + REASONS[code].cure_en))
    for wide, high in ((800, 480), (740, 360)):
        await page.send("Emulation.setDeviceMetricsOverride", width=wide, height=high, deviceScaleFactor=1, mobile=True)
        for word in FieldWord:
            kit.says(word.value, longest)
            for language in ("zh", "en"):
                await page.goto(f"{address}/field?lang={language}")
                seen = await page.evaluate(FOLD)
                assert seen["cure"] and seen["wide"], (wide, high, word, language)
                assert seen["word"] >= high / 8 and seen["cause"] >= high / 16 and seen["button"] >= 40, seen


async def test_without_a_script_and_without_the_kit(tmp_path: Path) -> None:
    require()
    async with launch() as browser:
        async with served(tmp_path) as (address, kit):
            old, page = await browser.open(), await browser.open()
            await old.send("Emulation.setScriptExecutionDisabled", value=True)
            kit.says("degraded", "field-voice-only")
            await old.goto(f"{address}/field")
            await page.goto(f"{address}/field?lang=en")
            assert (await _says(page, FieldWord.DEGRADED))["text"] == "Voice only"
            tree = await old.send("DOM.getDocument", depth=-1)
            assert "degraded" in str(tree) and "meta" in str(tree).lower()
        await page.evaluate(NINE_SECONDS_GO_BY)
        await page.wait_for("document.body.className === 'lost'", 30, "the kit is gone, and the page says so")
        assert (await page.evaluate(SEEN))["text"] == "No contact with the kit"
