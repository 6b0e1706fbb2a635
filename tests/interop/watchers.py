"""Those who watch: four programs of FFmpeg's and Chromium, all at once, each telling what it saw and heard."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any

from tests.interop.senders import READER, READER_PASSWORD, Gates
from tests.peers.browser import Browser, Page, PageError
from tests.peers.stage import PROBE

# The share of the energy at a frequency, by WebAudio on the sound of what the page plays.
LISTEN = """
window.__tone = async (hz) => {
  const video = document.querySelector('video');
  if (!video || !video.srcObject || !video.srcObject.getAudioTracks().length) return 0;
  const ears = window.__ears ??= new Map();
  if (!ears.has(video.srcObject)) {
    const context = new AudioContext(), analyser = context.createAnalyser();
    await context.resume();
    analyser.fftSize = 16384; analyser.smoothingTimeConstant = 0;
    context.createMediaStreamSource(video.srcObject).connect(analyser);
    ears.set(video.srcObject, {context, analyser});
  }
  const {context, analyser} = ears.get(video.srcObject);
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  const power = bins.map(db => Number.isFinite(db) ? 10 ** (db / 10) : 0);
  const at = Math.round(hz / context.sampleRate * analyser.fftSize);
  const near = power.slice(at - 6, at + 7).reduce((a, b) => a + b, 0), all = power.reduce((a, b) => a + b, 0);
  return all > 1e-9 ? near / all : 0;
};
"""

LEAST_FRAMES = 25
LEAST_TONE = 0.5
PATIENCE_S = 25.0


@dataclass(frozen=True, slots=True)
class Cell:
    """What came out of one output. `played` with picture and, where there is sound, with the tone."""

    played: bool
    words: str  # of what was seen, or of what was missing
    reason: str = ""  # a reason code, when the gateway gave one
    first_s: float | None = None
    backwards: int = 0


def read_url(output: str, slug: str, gates: Gates, hls: str) -> str:
    who = f"{READER}:{READER_PASSWORD}"
    match output:
        case "rtsp":
            return f"rtsp://{who}@127.0.0.1:{gates.rtsp}/{slug}"
        case "rtmp":
            return f"rtmp://127.0.0.1:{gates.rtmp}/live/{slug}?user={READER}&pass={READER_PASSWORD}"
        case "srt":
            words = f"%23!::r={slug},m=request,u={READER},s={READER_PASSWORD}"
            return f"srt://127.0.0.1:{gates.srt}?streamid={words}&latency=120000"
        case "hls":
            return hls
    raise ValueError(output)


async def watch_by_program(url: str, hz: float, sound: bool) -> Cell:
    """FFmpeg 8 or, for SRT, Debian's, as a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.interop.reader", url, "--seconds", "4", "--wait", "20", "--hz", str(hz),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        process.kill()
        await process.wait()
        return Cell(False, "the player hung for a minute")
    lines = [line for line in out.decode(errors="replace").splitlines() if line.startswith("{")]
    told: dict[str, Any] = json.loads(lines[-1]) if lines else {"error": err.decode(errors="replace")[-200:]}
    if "error" in told:
        return Cell(False, str(told["error"])[:200])
    words = f"{told['video'] or 'no picture'}, {told['audio'] or 'no sound'}, {told['frames']} frames"
    heard = not sound or told["tone"] >= LEAST_TONE
    if not heard:
        words += f", tone {told['tone']}"
    if told["backwards"]:
        words += f", times went back {told['backwards']} times"
    played = told["frames"] >= LEAST_FRAMES and heard and not told["backwards"]
    return Cell(played, words, first_s=told["first_s"], backwards=told["backwards"])


class Screen:
    """Chromium with the console's own player page."""

    def __init__(self, browser: Browser, address: str) -> None:
        self._browser = browser
        self._address = address

    async def open(self, link: str) -> Page:
        page = await self._browser.open()
        await page.send("Page.addScriptToEvaluateOnNewDocument", source=PROBE + LISTEN)
        await page.goto(link)
        return page

    async def watch(self, slug: str, hz: float, sound: bool) -> Cell:
        page = await self.open(f"{self._address}/play/{slug}")
        try:
            return await self._seen(page, hz, sound)
        finally:
            await page.close()

    async def _seen(self, page: Page, hz: float, sound: bool) -> Cell:
        try:
            await page.wait_for(f"__probe.frames >= {LEAST_FRAMES}", PATIENCE_S, "pictures")
            if sound:
                await page.wait_for(f"__tone({hz}).then(share => share >= {LEAST_TONE})", 10, "the tone")
        except PageError:
            facts = json.loads(await page.evaluate("JSON.stringify(window.__fieldgate || {})"))
            frames, tone = await page.evaluate(f"__tone({hz}).then(share => [__probe.frames, share])")
            words = f"{frames} frames, tone {tone:.2f}, page: {facts.get('state')}"
            return Cell(False, words, reason=str(facts.get("reason") or ""))
        frames = await page.evaluate("__probe.frames")
        first = await page.evaluate("(__probe.first - __probe.posted) / 1000")
        return Cell(True, f"{frames} frames", first_s=round(float(first), 3))
