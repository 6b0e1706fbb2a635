"""What viewers have of a publisher that dies and comes back: `python -m tests.bench.outage [--outages 1,10,60]`.

The real daemon; FFmpeg publishes by RTSP, is killed and comes back after each outage: as it was, with another size, or
with another codec. Chromium and programs of others stay the whole time (tests/peers/outage.py). Times are counted from
the moment at which the gateway says live again, which is the arrival of the first key frame, to the viewer's own
picture. First pictures are counted from the reader's connection to its first decoded frame, its own probing included.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.bench.common import finish, machine, say
from tests.peers.browser import Page, launch
from tests.peers.outage import MORE, OUTPUTS, WATCH, Kind, Scene, Viewer, page_sees
from tests.peers.stage import BALL, PROBE, Failed, Stage, play, ports

SAME = Kind("h264", 640, 360)
CHANGES = {"resolution": Kind("h264", 320, 240), "codec": Kind("h265", 320, 240)}


async def opened(browser: Any, stage: Stage, stream: str) -> tuple[Page, float]:
    page = await browser.open()
    await page.send("Page.addScriptToEvaluateOnNewDocument", source=PROBE + WATCH)
    await page.goto(stage.link(stream))
    await page_sees(page, 0)
    await page.wait_for("__probe.first !== null", 15, "the first decoded frame")
    return page, round(float(await page.evaluate("(__probe.first - __probe.posted) / 1000")), 3)


async def back(scene: Scene, kind: Kind, page: Page, viewers: list[Viewer]) -> dict[str, float | None]:
    """Seconds from the first key frame to each viewer's picture; None: it never came."""
    # A picture of before may still be on its way.
    await asyncio.sleep(0.5)
    gone, gone_unix_ms = time.monotonic(), time.time() * 1000
    live = await scene.publish(kind)
    live_unix_ms = time.time() * 1000 - (time.monotonic() - live) * 1000
    found: dict[str, float | None] = {}
    try:
        found["whep"] = round((await page_sees(page, gone_unix_ms, kind.wide) - live_unix_ms) / 1000, 3)
    except AssertionError:
        found["whep"] = None
    for viewer in viewers:
        try:
            found[viewer.output] = round(await viewer.sees(gone, kind.wide) - live, 3)
        except Failed as exc:
            say(str(exc))
            found[viewer.output] = None
    return found


async def h265_ball(scene: Scene, browser: Any) -> float:
    """An H.265 ball in a browser that has none of it: from the offer to the picture, INVITE included."""
    stage = scene.stage
    await stage.admit()
    await stage.start(
        "ball", "sim", "ball", "--server", f"127.0.0.1:{stage.ports.sip}", "--id", BALL, "--json",
        "--password-file", str(stage.place / "kit-password"), "--codec", "h265", "--size", "1280x720",
    )  # fmt: skip
    stream = str(await stage.until("the ball in the directory", stage.online))
    await stage.until("the stream's offer", lambda: stage.offered(stream))
    page, first_s = await play(browser, stage.link(stream))
    await page.close()
    return round(first_s, 3)


async def bench(outages: list[float]) -> dict[str, object]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fieldgate-outage-")))
        stage = Stage(folder, stack.enter_context(ports()), more=MORE)
        stack.push_async_callback(stage.stop)
        await stage.daemon()
        await stage.until("the gateway's start", stage.ready)
        scene = Scene(stage)
        stack.push_async_callback(scene.close)
        browser = await stack.enter_async_context(launch())
        await scene.publish(SAME)
        stream = next(s["id"] for s in stage.client.get("/api/v1/streams"))
        page, first_s = await opened(browser, stage, stream)
        first, probing = {"whep": first_s}, {}
        viewers = []
        for output in OUTPUTS:
            viewer = await scene.view(output)
            viewers.append(viewer)
            first[output] = round(await viewer.sees(0) - viewer.began, 3)
            probing[output] = round(viewer.probed - viewer.began, 3)
        first["ts"] = first["srt"]
        say(f"first pictures {first}, of which the reader's own opening and probing {probing}")
        times: list[dict[str, float | None]] = []
        for outage in outages:
            await scene.lose()
            await asyncio.sleep(max(0.0, outage - 0.5))
            times.append(await back(scene, SAME, page, viewers))
            say(f"{outage:g} s: {times[-1]}")
            await asyncio.sleep(2)
        changes = {}
        for what, kind in CHANGES.items():
            await scene.lose()
            seen = await back(scene, kind, page, viewers)
            say(f"another {what}: {seen}")
            changes[what] = {output: one is not None for output, one in seen.items()}
            await asyncio.sleep(2)
        shown = await page.evaluate("__shown")
        lost = sum(viewer.end != "" or viewer.process.returncode is not None for viewer in viewers)
        h265_s = await h265_ball(scene, browser)
        return {
            "first_picture_s": first,
            "probing_s": probing,
            "first_picture_h265_browser_s": h265_s,
            "resume_s": max((one for row in times for one in row.values() if one is not None), default=None),
            "resume_by_outage_s": {f"{outage:g}": row for outage, row in zip(outages, times, strict=True)},
            "times_back": len(shown["backs"]) + sum(len(viewer.backs) for viewer in viewers),
            "viewers_lost": lost + int(shown["connections"] != 1),
            "changes": changes,
            "machine": machine(),
        }


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--outages", default="1,10,60", help="seconds, with commas between")
    given = asked.parse_args()
    finish(asyncio.run(bench([float(one) for one in given.outages.split(",")])))


if __name__ == "__main__":
    main()
