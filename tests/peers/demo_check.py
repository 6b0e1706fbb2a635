"""The demo without a person: `python -m tests.peers.demo_check` (make demo-check).

Starts what `fieldgate demo` starts, the daemon and one simulated ball, each a process of its own; opens the printed
link in headless Chromium; plays cold and warm, moves the ball, kills it (SIGKILL) and starts it again. The last line
is one JSON object. Exit code 1, with words, when anything does not come.

All settings are the embedded defaults but for the ports, which are free ones: a gateway may run beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from gateway.base.errors import GatewayError
from tests.peers.browser import PageError, launch
from tests.peers.stage import Failed, Ports, Stage, move, play, ports

LIMITS = {"cold_first_frame_s": 1.5, "warm_first_frame_s": 0.5, "ready_s": 1.5, "register_s": 0.5}
STARTED = time.perf_counter()


def say(words: str) -> None:
    print(f"{time.perf_counter() - STARTED:6.2f} s  {words}", file=sys.stderr, flush=True)


def cpu_s(pid: int) -> float:
    """Processor time of all its threads, those that ended too (proc(5): fields 14 and 15 of stat). Unlike the time that
    passes, other programs on the machine move it little."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def register(stage: Stage) -> tuple[str, float]:
    """Start the ball; its stream, and the seconds from its first REGISTER to its being online in the directory."""
    await stage.admit()
    await stage.ball()
    stream = await stage.until("the ball in the directory", stage.online)
    listed = time.time()
    sent = await stage.until("the ball's own word", stage.registering_at, 5)
    await stage.until("the stream's offer", lambda: stage.offered(stream), 5)
    return str(stream), max(0.0, listed - sent)


async def check(stage: Stage, shots: Path | None) -> dict[str, float]:
    result: dict[str, float] = {}
    began = await stage.daemon()
    await stage.until("the gateway's start", stage.ready)
    result["ready_s"] = time.perf_counter() - began
    result["ready_cpu_s"] = cpu_s(stage.children["gateway"].pid)
    say(f"the gateway is ready after {result['ready_s']:.2f} s, {result['ready_cpu_s']:.2f} s of it at work")
    stream, result["register_s"] = await register(stage)
    say(f"{stream} is in the directory {result['register_s']:.2f} s after the ball's first REGISTER")

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
        second, result["warm_first_frame_s"] = await play(browser, stage.page(stream))
        say(f"warm: first decoded frame {result['warm_first_frame_s']:.2f} s after POST /whep")
        await second.close()

        await page.send("Page.bringToFront")
        still, moving, rest = await move(page)
        say(f"moved and stopped: {still:.1f} at rest, {moving:.1f} moving, {rest:.1f} after")

        await stage.kill("ball")
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
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--default-ports", action="store_true", help="5060, 8443, 8189, as `fieldgate demo` takes them")
    given.add_argument("--screenshots", type=Path, help="folder for pictures of the page")
    options = given.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fg-demo-check-")))
        taken: Ports | None = None if options.default_ports else stack.enter_context(ports())
        stage = Stage(folder, taken)
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
