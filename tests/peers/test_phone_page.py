"""The phones' page in Chromium against the whole daemon: without signal, over reloads, killed tabs and dead gateways.

Chromium is no old phone. What can be held of those here: the script's syntax is of 2015 (console/tests/phone.test.ts),
and the page works where everything that Chrome 51 and iOS 12 lack has been taken out of the browser.
"""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.peers.browser import Browser, Page, launch, require
from tests.peers.stage import Stage, ports

pytestmark = pytest.mark.peer

# What came after Chrome 51 and Safari 12.
OLD = """
for (const [of, names] of [
  [Object, ['entries', 'values', 'fromEntries', 'getOwnPropertyDescriptors']],
  [String.prototype, ['padStart', 'padEnd', 'matchAll', 'replaceAll', 'at', 'trimStart', 'trimEnd']],
  [Array.prototype, ['flat', 'flatMap', 'at', 'findLast', 'toSorted', 'includes']],
  [Promise, ['allSettled', 'any']], [Promise.prototype, ['finally']],
  [Element.prototype, ['append', 'prepend', 'replaceChildren', 'before', 'after', 'remove', 'toggleAttribute']],
  [Document.prototype, ['append', 'replaceChildren']], [NodeList.prototype, ['forEach']],
  [Blob.prototype, ['arrayBuffer', 'text', 'stream']], [HTMLCanvasElement.prototype, ['toBlob']],
  [window, ['fetch', 'AbortController', 'IntersectionObserver', 'ResizeObserver', 'structuredClone', 'MediaRecorder',
            'queueMicrotask', 'BigInt', 'globalThis', 'createImageBitmap', 'caches']],
]) for (const name of names) { try { delete of[name]; } catch (e) {} }
for (const name of ['serviceWorker', 'storage', 'connection']) try { delete Navigator.prototype[name]; } catch (e) {}
"""


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("photo") / "photo.jpg"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "mandelbrot=size=2400x1800", "-frames:v", "1", "-q:v", "3"]
    subprocess.run([*command, str(made)], check=True)
    return made


class Site:
    """A daemon, and a browser with the page of an invitation."""

    def __init__(self, stage: Stage, browser: Browser) -> None:
        self.stage, self.browser = stage, browser
        body = {"label": "Wang", "place": "North dam", "host": f"127.0.0.1:{stage.ports.api}"}
        self.made = stage.client.post("/api/v1/invitations", body)
        self.link = self.made["link"]

    async def open(self, *scripts: str) -> Page:
        page = await self.browser.open()
        for script in scripts:
            await page.send("Page.addScriptToEvaluateOnNewDocument", source=script)
        await page.send("DOM.enable")
        await page.send("Network.enable")
        await page.goto(self.link)
        return page

    def reports(self, kind: str = "") -> list[dict[str, Any]]:
        found = self.stage.client.get("/api/v1/reports")
        return [one for one in found if one["complete_at"] and kind in ("", one["kind"])]

    async def arrived(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        return list(await self.stage.until(f"{count} {kind}", lambda: len(r := self.reports(kind)) >= count and r, 90))


@asynccontextmanager
async def a_site(place: Path) -> AsyncIterator[Site]:
    require()
    with ports() as free:
        stage = Stage(place, free)
        try:
            await stage.daemon()
            await stage.until("the gateway's start", stage.ready)
            async with launch() as browser:
                yield Site(stage, browser)
        finally:
            await stage.stop()


async def take(page: Page, file: Path, way: str = "photo") -> None:
    """Choose a way, press the button, and give the camera's file: as the phone's camera does."""
    await page.evaluate(f"document.querySelector('[data-way={way}]').click()")
    root = (await page.send("DOM.getDocument"))["root"]["nodeId"]
    kind = "image" if way == "photo" else "audio"
    field = (await page.send("DOM.querySelector", nodeId=root, selector=f"input[accept='{kind}/*']"))["nodeId"]
    await page.send("DOM.setFileInputFiles", files=[str(file)], nodeId=field)


async def press(page: Page, way: str) -> None:
    await page.evaluate(f"document.querySelector('[data-way={way}]').click(); document.querySelector('.big').click()")


async def listed(page: Page, state: str, count: int) -> None:
    await page.wait_for(f"document.querySelectorAll('li.{state}').length === {count}", 60, f"{count} {state}")


async def tone(page: Page, wanted: str) -> None:
    await page.wait_for(f"document.querySelector('.state').className === 'state {wanted}'", 60, f"the page is {wanted}")


async def line(page: Page, up: bool) -> None:
    rate = {"downloadThroughput": -1, "uploadThroughput": -1, "latency": 0}
    await page.send("Network.emulateNetworkConditions", offline=not up, **rate)


async def test_without_signal_over_a_reload_and_once(tmp_path: Path, photo: Path) -> None:
    async with a_site(tmp_path) as site:
        page = await site.open()
        await tone(page, "green")
        await page.wait_for("navigator.serviceWorker.ready.then(r => !!r.active)", 30, "the page is kept for offline")
        await line(page, False)
        await tone(page, "red")
        await take(page, photo)
        await listed(page, "kept", 1)
        assert "1" in await page.evaluate("document.querySelector('.state').textContent")
        await page.reload()  # the service worker gives the page, the phone's storage the photo
        await listed(page, "kept", 1)
        assert site.reports() == []
        await line(page, True)
        (report,) = await site.arrived("photo")
        await listed(page, "sent", 1)
        await tone(page, "green")
        assert (report["who"], report["place"]) == ("Wang", "North dam")
        assert report["size"] < photo.stat().st_size, "made smaller for a weak link"
        data = (tmp_path / "reports" / f"{report['id']}.bin").read_bytes()
        assert data[:2] == b"\xff\xd8" and hashlib.sha256(data).hexdigest() == report["sha256"]
        await page.evaluate("dispatchEvent(new Event('online'))")
        await page.reload()
        await tone(page, "green")
        assert [one["id"] for one in site.reports()] == [report["id"]]


async def test_the_console_invites_and_shows(tmp_path: Path, photo: Path) -> None:
    async with a_site(tmp_path) as site:
        console = await site.browser.open(apart=True)
        await console.goto(site.stage.console("otto"))
        await console.wait_for("!!document.querySelector('[data-key=reports]')", 30)
        await console.evaluate("document.querySelector('[data-key=reports]').click()")
        await console.evaluate("document.querySelector('.invite').open = true")
        await console.evaluate("document.querySelector('.invite input').value = 'Old Li'")
        await console.evaluate("document.querySelector('.invite form button').click()")
        site.link = await console.wait_for("(document.querySelector('.link-text') || {}).value", 30, "the link")
        await console.wait_for("document.querySelector('.qr').naturalWidth > 0", 30, "the QR code is a picture")
        page = await site.open()
        await tone(page, "green")
        await take(page, photo)
        await listed(page, "sent", 1)
        await console.wait_for("(i => i && i.naturalWidth === 1600)(document.querySelector('.reports li img'))", 30)
        assert "Old Li" in await console.evaluate("document.querySelector('.reports > ul').textContent")
        await console.evaluate("document.querySelector('.reports > ul button').click()")
        await site.stage.until("otto has seen it", lambda: site.reports("photo")[0]["seen_by"] == "otto")
        assert not console.errors and not page.errors


@pytest.mark.long
async def test_a_dead_gateway_a_killed_tab(tmp_path: Path, photo: Path) -> None:
    async with a_site(tmp_path) as site:
        page = await site.open()
        await tone(page, "green")
        await page.wait_for("navigator.serviceWorker.ready.then(r => !!r.active)", 30)
        await site.stage.kill("gateway")
        await page.reload()  # nobody answers: the page comes out of the phone
        await page.wait_for("!!document.querySelector('[data-way=photo]')", 30, "the page without a gateway")
        await take(page, photo)
        await listed(page, "kept", 1)
        await page.evaluate("document.querySelector('[data-way=text]').click()")
        await page.evaluate("(t => { t.value = '堤坝漏水'; document.querySelector('.big').click(); })"
                            "(document.querySelector('textarea'))")  # fmt: skip
        await listed(page, "kept", 2)
        await page.close()  # the tab is gone, nothing was sent
        await site.stage.daemon()
        await site.stage.until("the gateway's second start", site.stage.ready)
        page = await site.open()
        await listed(page, "sent", 2)
        assert sorted(one["kind"] for one in site.reports()) == ["photo", "text"]
        assert next(one["text"] for one in site.reports("text")) == "堤坝漏水"


@pytest.mark.long
async def test_a_tab_killed_in_the_middle_of_a_photo(tmp_path: Path, photo: Path) -> None:
    """The link is slow and the tab dies while pieces are on the way; two tabs then send the same report."""
    async with a_site(tmp_path) as site:
        page = await site.open()
        await tone(page, "green")
        slow = {"downloadThroughput": 50_000, "uploadThroughput": 20_000, "latency": 50}
        await page.send("Network.emulateNetworkConditions", offline=False, **slow)
        await take(page, photo)
        begun = lambda: any(site.stage.place.glob("reports/*.part"))  # noqa: E731
        await site.stage.until("the first bytes", begun)
        await page.close()
        assert site.reports() == []
        pages = [await site.open(), await site.open()]
        (report,) = await site.arrived("photo")
        for page in pages:
            await listed(page, "sent", 1)
        data = (tmp_path / "reports" / f"{report['id']}.bin").read_bytes()
        assert hashlib.sha256(data).hexdigest() == report["sha256"] and len(site.reports()) == 1


async def test_where_everything_new_is_missing(tmp_path: Path, photo: Path) -> None:
    """No fetch, no MediaRecorder, no Blob.arrayBuffer, no toBlob, no service worker: photo, note and words arrive."""
    async with a_site(tmp_path) as site:
        page = await site.open(OLD)
        assert await page.evaluate("typeof fetch + typeof MediaRecorder") == "undefinedundefined"
        await tone(page, "green")
        await take(page, photo)
        await site.arrived("photo")
        await page.evaluate(
            "document.querySelector('[data-way=voice]').click(); document.querySelector('.big').click()"
        )
        await page.wait_for("document.querySelector('.big').className === 'big on'", 30, "it records")
        await asyncio.sleep(1.0)  # of speech
        await page.evaluate("document.querySelector('.big').click()")
        (note,) = await site.arrived("voice")
        data = (tmp_path / "reports" / f"{note['id']}.bin").read_bytes()
        assert note["media_type"] == "audio/wav" and data[:4] == b"RIFF" and len(data) > 8000
        assert not page.errors


async def test_voice_place_and_live_picture(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        page = await site.open()
        origin = f"https://127.0.0.1:{site.stage.ports.api}"
        await page.send("Emulation.setGeolocationOverride", latitude=39.9, longitude=116.4, accuracy=15)
        await page.send("Browser.grantPermissions", origin=origin,
                        permissions=["geolocation", "audioCapture", "videoCapture"])  # fmt: skip
        await tone(page, "green")
        await page.evaluate(
            "document.querySelector('[data-way=position]').click(); document.querySelector('.big').click()"
        )
        (there,) = await site.arrived("position")
        assert there["where"]["longitude"] == pytest.approx(116.4) and there["where"]["accuracy_m"] == 15
        (position,) = site.stage.client.get("/api/v1/positions")
        assert position["device"] == there["device"]

        await page.evaluate(
            "document.querySelector('[data-way=voice]').click(); document.querySelector('.big').click()"
        )
        await page.wait_for("document.querySelector('.big').className === 'big on'", 30, "it records")
        await asyncio.sleep(1.0)  # of speech
        await page.evaluate("document.querySelector('.big').click()")
        (note,) = await site.arrived("voice")
        assert note["media_type"] == "audio/webm" and note["where"]

        await press(page, "live")
        stream = f"{there['device']}/ch1"

        def live() -> bool:
            found = [one for one in site.stage.client.get("/api/v1/streams") if one["id"] == stream]
            return bool(found) and found[0]["state"] == "live" and len(found[0]["tracks"]) == 2

        await site.stage.until("the phone's picture is live", live, 60)
        site.stage.client.delete(f"/api/v1/invitations/{site.made['invitation']['id']}")
        gone = lambda: all(one["id"] != stream for one in site.stage.client.get("/api/v1/streams"))  # noqa: E731
        await site.stage.until("the picture ends with the invitation", gone, 30)
