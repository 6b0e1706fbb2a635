"""The demo without a person: `python -m tests.peers.demo_check` (make demo-check).

Starts what `fieldgate demo` starts, the daemon and one simulated ball, each a process of its own; opens the printed
link in headless Chromium; plays cold and warm, moves the ball, kills it (SIGKILL) and starts it again. The last line
is one JSON object. Exit code 1, with words, when anything does not come.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.base.errors import GatewayError
from gateway.cli.client import Client
from tests.peers.browser import Browser, Page, PageError, launch

BALL = "34020000001110000001"
LIMITS = {"cold_first_frame_s": 1.5, "warm_first_frame_s": 0.5, "ready_s": 1.5, "register_s": 0.5}

# Runs in the page before its own scripts: when the offer left, and when the first frame came out of the decoder.
PROBE = """
(() => {
  const probe = window.__probe = {posted: null, first: null, frames: 0};
  const peers = [], real = window.RTCPeerConnection, send = window.fetch;
  window.RTCPeerConnection = function (...given) { const pc = new real(...given); peers.push(pc); return pc; };
  window.RTCPeerConnection.prototype = real.prototype;
  window.fetch = function (what, how) {
    const url = String(what && what.url || what), method = (how && how.method || what.method || 'GET');
    if (method === 'POST' && url.includes('/whep/')) probe.posted ??= performance.now();
    return send.apply(this, arguments);
  };
  setInterval(async () => {
    let frames = 0;
    for (const pc of peers)
      for (const one of (await pc.getStats()).values())
        if (one.type === 'inbound-rtp' && one.kind === 'video') frames += one.framesDecoded || 0;
    if (frames > 0) probe.first ??= performance.now();
    probe.frames = Math.max(frames, probe.frames);
  }, 10);
  // The picture as 64 x 36 grey values, without the words drawn into its first and last rows.
  probe.look = () => {
    const canvas = document.createElement('canvas'); canvas.width = 64; canvas.height = 36;
    const draw = canvas.getContext('2d'); draw.drawImage(document.querySelector('video'), 0, 0, 64, 36);
    const all = draw.getImageData(0, 8, 64, 20).data, grey = [];
    for (let at = 0; at < all.length; at += 4) grey.push((all[at] + all[at + 1] + all[at + 2]) / 3);
    return grey;
  };
})();
"""


class Failed(Exception):
    """The check failed; the text says where."""


def say(words: str) -> None:
    print(f"{time.perf_counter() - STARTED:6.2f} s  {words}", file=sys.stderr, flush=True)


STARTED = time.perf_counter()


class Stage:
    """The daemon and the ball, and the daemon's local socket."""

    def __init__(self, place: Path, config: Path | None) -> None:
        self.place = place
        self.config = config
        self.client = Client(place)
        self.children: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str, *arguments: str) -> float:
        """Start `python -m gateway …`; the moment of it."""
        with (self.place / f"{name}.log").open("ab") as log:
            began = time.perf_counter()
            self.children[name] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway", *arguments, stdout=log, stderr=log, start_new_session=True
            )
        return began

    async def daemon(self) -> float:
        config = ["--config", str(self.config)] if self.config else []
        return await self.start("gateway", "run", "--state-dir", str(self.place), *config)

    async def ball(self) -> float:
        return await self.start(
            "ball", "sim", "ball", "--server", "127.0.0.1:5060", "--id", BALL,
            "--password-file", str(self.place / "kit-password"), "--json",
        )  # fmt: skip

    async def kill_ball(self) -> None:
        self.children["ball"].send_signal(signal.SIGKILL)
        await self.children["ball"].wait()

    async def until(self, what: str, question: Callable[[], Any], limit_s: float = 30.0) -> Any:
        """Ask the daemon until the answer is true."""
        deadline = time.perf_counter() + limit_s
        while time.perf_counter() < deadline:
            for name, child in self.children.items():
                if child.returncode not in (None, -signal.SIGKILL):
                    raise Failed(f"{name} ended with {child.returncode}:\n{self.said(name)}")
            with suppress(GatewayError):
                if answer := question():
                    return answer
            await asyncio.sleep(0.01)
        raise Failed(f"{what}: not within {limit_s:g} s\n{self.said('gateway')}")

    def said(self, name: str) -> str:
        log = self.place / f"{name}.log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else ""

    def registered_at(self) -> float | None:
        """Unix time at which the ball read the 200 of its newest REGISTER, by its own log."""
        for line in reversed(self.said("ball").splitlines()):
            with suppress(ValueError, KeyError, TypeError):
                told = json.loads(line)
                if told["event"] == "registered":
                    return datetime.fromisoformat(told["time"]).timestamp()
        return None

    def online(self) -> str | None:
        for device in self.client.get("/api/v1/devices"):
            if device["external_id"] == BALL and device["state"] == "online":
                return next((channel["stream"] for channel in device["channels"] if channel["stream"]), None)
        return None

    def offered(self, stream: str) -> bool:
        return any(one["id"] == stream for one in self.client.get("/api/v1/streams"))

    def link(self, stream: str) -> str:
        code = self.client.post("/api/v1/auth/codes", {"role": "operator", "ttl_s": 600.0, "name": "demo-check"})
        return f"https://127.0.0.1:8443/play/{stream}#code={code['code']}"

    async def stop(self) -> None:
        for name in ("ball", "gateway"):
            child = self.children.get(name)
            if child is None or child.returncode is not None:
                continue
            child.terminate()
            try:
                await asyncio.wait_for(child.wait(), 10)
            except TimeoutError:
                child.kill()
                await child.wait()


async def play(browser: Browser, link: str) -> tuple[Page, float]:
    """Open a link as a person does; the page, and the seconds from its offer to its first decoded frame."""
    page = await browser.open()
    await page.send("Page.addScriptToEvaluateOnNewDocument", source=PROBE)
    await page.goto(link)
    await page.wait_for("__probe.posted !== null", 15, "the page's offer")
    try:
        await page.wait_for("__probe.first !== null", 15, "the first decoded frame")
    except PageError as error:
        facts = await page.evaluate("JSON.stringify(window.__fieldgate || {})")
        raise Failed(f"{error}\nthe page says: {facts}") from error
    return page, float(await page.evaluate("__probe.first - __probe.posted")) / 1000


async def difference(page: Page, wait_s: float) -> float:
    """How much the picture changes in `wait_s`, in grey values a pixel."""
    before = await page.evaluate("__probe.look()")
    await asyncio.sleep(wait_s)
    after = await page.evaluate("__probe.look()")
    return float(sum(abs(a - b) for a, b in zip(before, after, strict=True)) / len(before))


async def move(page: Page) -> None:
    """Hold the page's right arrow for a second, as with a mouse, and see the picture go past."""
    still = await difference(page, 1.0)
    arrow = "[...document.querySelectorAll('button')].find(one => one.textContent === '→' && one.offsetWidth)"
    await page.wait_for(f"!!{arrow}", 5, "the page's arrows")
    x, y = await page.evaluate(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({arrow}.getBoundingClientRect())")
    at = {"x": x, "y": y, "button": "left", "clickCount": 1}
    await page.send("Input.dispatchMouseEvent", type="mousePressed", buttons=1, **at)
    moving = await difference(page, 1.0)
    await page.send("Input.dispatchMouseEvent", type="mouseReleased", buttons=0, **at)
    if moving < 3 * still + 2:
        raise Failed(f"the ball did not move: the picture changed by {moving:.1f} grey values, at rest by {still:.1f}")
    await asyncio.sleep(0.5)
    rest = await difference(page, 1.0)
    if rest > max(moving / 3, 2 * still + 2):
        raise Failed(f"the ball did not stop: the picture still changes by {rest:.1f} grey values")
    say(f"moved and stopped: {still:.1f} at rest, {moving:.1f} moving, {rest:.1f} after")


async def check(stage: Stage, shots: Path | None) -> dict[str, float]:
    result: dict[str, float] = {}
    began = await stage.daemon()
    await stage.until("the gateway's start", lambda: stage.client.get("/api/v1/system")["ready"])
    result["ready_s"] = time.perf_counter() - began
    say(f"the gateway is ready after {result['ready_s']:.2f} s")

    stage.client.post("/api/v1/devices", {"external_id": BALL, "id": "ball-1", "name": "布控球"})
    await stage.ball()
    stream = await stage.until("the ball in the directory", stage.online)
    listed = time.time()
    await stage.until("the ball's own word", stage.registered_at, 5)
    await stage.until("the stream's offer", lambda: stage.offered(stream), 5)
    result["register_s"] = max(0.0, listed - (stage.registered_at() or listed))
    say(f"{stream} is in the directory {result['register_s']:.2f} s after its registration was answered")

    async with launch() as browser:
        page, result["cold_first_frame_s"] = await play(browser, stage.link(stream))
        say(f"cold: first decoded frame {result['cold_first_frame_s']:.2f} s after POST /whep")
        frames = await page.evaluate("__probe.frames")
        await page.wait_for(f"__probe.frames > {frames} + 25", 10, "a second of pictures")
        size = await page.evaluate(
            "[document.querySelector('video').videoWidth, document.querySelector('video').videoHeight]"
        )
        if size != [1280, 720]:
            raise Failed(f"the picture is {size}, not 1280 × 720")
        if shots:
            await page.screenshot(shots / "demo-cold.png")

        # A second tab of the same person, who is signed in already.
        second, result["warm_first_frame_s"] = await play(browser, f"https://127.0.0.1:8443/play/{stream}")
        say(f"warm: first decoded frame {result['warm_first_frame_s']:.2f} s after POST /whep")
        await second.close()

        await page.send("Page.bringToFront")
        await move(page)

        await stage.kill_ball()
        say("the ball is killed")
        await page.wait_for("__fieldgate.state !== 'live'", 15, "the page says that the picture stopped")
        say(f"the page says {await page.evaluate('__fieldgate.state')!r} {await page.evaluate('__fieldgate.reason')}")
        if shots:
            await page.screenshot(shots / "demo-lost.png")
        frames = await page.evaluate("__probe.frames")
        began = await stage.ball()
        await page.wait_for(f"__probe.frames > {frames} + 25", 40, "the picture comes back by itself")
        result["back_s"] = time.perf_counter() - began
        say(f"the picture is back {result['back_s']:.2f} s after the ball was started again, nobody touched anything")
        result["frames_decoded"] = await page.evaluate("__probe.frames")
        if shots:
            await page.screenshot(shots / "demo-back.png")
        if page.errors:
            say(f"console errors: {page.errors[:5]}")
    return result


async def main() -> int:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--config", type=Path, help="configuration; else the embedded defaults")
    given.add_argument("--screenshots", type=Path, help="folder for pictures of the page")
    options = given.parse_args()
    with tempfile.TemporaryDirectory(prefix="fg-demo-check-") as folder:
        stage = Stage(Path(folder), options.config)
        try:
            result = await check(stage, options.screenshots)
        except (Failed, PageError, GatewayError, TimeoutError) as error:
            print(f"demo-check failed: {error}", file=sys.stderr)
            return 1
        finally:
            await stage.stop()
    late = [
        f"{name} is {result[name]:.2f} s, at most {most:g} s" for name, most in LIMITS.items() if result[name] > most
    ]
    for words in late:
        print(f"demo-check: {words}", file=sys.stderr)
    print(json.dumps({name: round(value, 3) for name, value in result.items()}), flush=True)
    return 1 if late else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(asyncio.run(main()))
