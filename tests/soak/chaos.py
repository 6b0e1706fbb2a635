"""soak-chaos: a mixed site whose senders, servers, viewers and workers are disturbed at random, and all comes back.

The real daemon with a source of every kind (tests/soak/chaos_site.py), programs and Chromium as viewers that stay. In
each round a few disturbances at once, drawn by `--seed`; where it is even a second publisher replaces the first, else
it is refused. Judged by data and state: a source that is away has a state that is not live and a reason with words;
afterwards each source is live with new frames, each viewer that was not itself disturbed has its connection and new
pictures; no traceback in the log; memory and descriptors flat. The last line is JSON; the exit code says whether it
held.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.base.errors import GatewayError
from gateway.model.reason import REASONS
from tests.bench.common import finish, machine, rss_kb, say
from tests.interop.senders import Gates
from tests.peers.browser import Page, PageError, launch
from tests.peers.stage import BALL, PROBE, Stage, ports
from tests.soak.chaos_site import Source, Viewer, config, sources, viewers

DARK_S = 60.0
"""An absent sender is noticed within this: the longest is a socket whose far end said nothing when it went."""
SILENT_S = 20.0
"""A source that is not live may be without a reason, and one that is live without frames, no longer than this."""
BACK_S = 90.0
SIGHT_S = 60.0
PAGES = ("conv", "rtmp", "cam")  # what Chromium watches: conversions, and one that changes its codec
MOST_KB, MOST_KB_A_MINUTE = 8000, 500


@dataclass
class Tally:
    disturbances: int = 0
    longest_s: float = 0.0
    kept: int = 0
    lost: int = 0
    reasons: set[str] = field(default_factory=set)


class Chaos:
    def __init__(self, stage: Stage, made: list[Source], watching: list[Viewer], pages: dict[str, Page], seed: int):
        self.stage = stage
        self.made = made
        self.watching = watching
        self.pages = pages
        self.rng = random.Random(seed)
        self.pid = stage.children["gateway"].pid
        self.tally: dict[str, Tally] = defaultdict(Tally)
        self.faults: list[str] = []
        self.streams: dict[str, dict[str, Any]] = {}
        self.grown: dict[str, tuple[int, float]] = {}
        self.nameless: dict[str, float] = {}
        self.attempts: dict[str, int] = {}
        self.dark: dict[str, float] = {}  # when it was last not live

    def fault(self, words: str) -> None:
        say(f"FAULT {words}")
        self.faults.append(words)

    # — what is seen —

    async def look(self) -> None:
        """Ask for all streams once; note states, reasons, and for how long one was silent without a word."""
        try:
            listed = await asyncio.to_thread(self.stage.client.get, "/api/v1/streams")
        except GatewayError as exc:
            self.fault(f"the API does not answer: {exc}")
            return
        now = time.monotonic()
        self.streams = {one["id"]: one for one in listed}
        for source in self.made:
            one = self.streams.get(source.stream, {})
            code, frames = one.get("code") or "", (one.get("figures") or {}).get("frames", 0)
            if frames != self.grown.get(source.name, (-1, 0.0))[0]:
                self.grown[source.name] = (frames, now)
            if one.get("state") == "live":
                silent = now - max(self.grown[source.name][1], self.dark.get(source.name, 0.0))
            else:
                if code:
                    self.tally[source.kind].reasons.add(code)
                if code and code not in REASONS:
                    self.fault(f"{source.name}: no words for {code}")
                silent = 0.0 if code else now - self.nameless.setdefault(source.name, now)
                self.dark[source.name] = now
            if silent == 0.0 or one.get("state") == "live":
                self.nameless.pop(source.name, None)
            if silent > SILENT_S:
                self.fault(f"{source.name}: {one.get('state')} {code!r} and silent for {silent:.0f} s")
                self.grown[source.name] = (frames, now)
                self.nameless.pop(source.name, None)

    async def watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(0.5)

    def live(self, source: Source, after: float) -> bool:
        one = self.streams.get(source.stream, {})
        return one.get("state") == "live" and self.grown.get(source.name, (0, 0.0))[1] > after

    async def gone(self, source: Source) -> None:
        """A sender that is away: not live, with a reason."""
        began = time.monotonic()
        while time.monotonic() < began + DARK_S:
            one = self.streams.get(source.stream, {})
            if one.get("state") not in ("live", None) and one.get("code"):
                return
            await asyncio.sleep(0.2)
        one = self.streams.get(source.stream, {})
        self.fault(f"{source.name}: its sender is away for {DARK_S:.0f} s; {one.get('state')} {one.get('code')!r}")

    async def back(self, source: Source, what: str) -> None:
        began = time.monotonic()
        while not self.live(source, began + 0.5):
            if time.monotonic() > began + BACK_S:
                one = self.streams.get(source.stream, {})
                self.fault(f"{source.name}: never back after {what}; {one.get('state')} {one.get('code')!r}")
                return
            await asyncio.sleep(0.2)
        tally = self.tally[source.kind]
        tally.longest_s = max(tally.longest_s, time.monotonic() - began)

    # — disturbances —

    async def disturb(self, source: Source) -> None:
        source.busy = True
        acts = ["kill", "freeze", "starve", "flood"]
        acts += ["change", "change"] if len(source.lines) > 1 else []
        acts += ["two"] if source.pushed and source.kind != "WHIP" else []
        act = self.rng.choice([one for one in acts if one != "flood" or source.port])
        self.tally[source.kind].disturbances += 1
        say(f"{act} {source.name}")
        match act:
            case "kill":
                await source.kill()
                await self.gone(source)
                await asyncio.sleep(self.rng.uniform(0, 8))
                await source.start()
            case "change":
                await source.kill()
                source.variant = (source.variant + 1) % len(source.lines)
                await asyncio.sleep(self.rng.choice([0.0, 0.5, 4.0]))
                await source.start()
            case "freeze":
                source.signal(signal.SIGSTOP)
                await asyncio.sleep(self.rng.uniform(3, 15))
                source.signal(signal.SIGCONT)
            case "starve":
                source.signal(signal.SIGSTOP, last=True)
                await self.gone(source)
                source.signal(signal.SIGCONT)
            case "two":
                twin = replace(source, running=[], wanted=False)
                await twin.start()
                await asyncio.sleep(self.rng.uniform(2, 6))
                await twin.kill()
            case "flood":
                await asyncio.to_thread(flood, source.port, source.udp, self.rng.randbytes(1316))
        await self.back(source, act)
        source.busy = False

    async def worker(self) -> None:
        """Kill or stop a conversion worker; one that is stopped is found out by the daemon."""
        pids = workers(self.pid)
        if not pids:
            say("no worker to disturb")
            return
        pid, how = self.rng.choice(pids), self.rng.choice([signal.SIGKILL, signal.SIGSTOP])
        self.tally["conversion worker"].disturbances += 1
        say(f"{how.name} worker {pid}")
        with suppress(ProcessLookupError):
            os.kill(pid, how)
        if how == signal.SIGSTOP:
            await asyncio.sleep(25)

    async def idlers(self) -> None:
        """Connections that say nothing."""
        self.tally["half-open TCP"].disturbances += 1
        say("half-open connections")
        held = []
        for port in (self.stage.ports.rtsp, self.stage.ports.rtmp, self.stage.ports.api, self.stage.ports.sip):
            for _ in range(20):
                with suppress(OSError):
                    held.append(socket.create_connection(("127.0.0.1", port), 2))
        await asyncio.sleep(10)
        for one in held:
            one.close()

    async def sleeper(self) -> None:
        """A viewer that does not read for 20 s. It may be sent away, with the others kept; then it comes anew."""
        viewer = self.rng.choice(self.watching)
        self.tally["sleeping viewer"].disturbances += 1
        say(f"sleeping viewer {viewer.name}")
        viewer.excused = True
        viewer.signal(signal.SIGSTOP)
        await asyncio.sleep(20)
        viewer.signal(signal.SIGCONT)

    async def round(self) -> None:
        chosen = self.rng.sample(self.made, 3)
        extra = self.rng.choice([self.worker, self.worker, self.idlers, self.sleeper, None])
        await asyncio.gather(*(self.disturb(one) for one in chosen), *([extra()] if extra else []))
        await asyncio.gather(*(self.back(one, "the round") for one in self.made))
        now = time.monotonic()
        await asyncio.gather(*(self.sees(viewer, now) for viewer in self.watching))
        await asyncio.gather(*(self.page_sees(name, page) for name, page in self.pages.items()))

    # — viewers —

    async def sees(self, viewer: Viewer, after: float) -> None:
        tally = self.tally[next(one.kind for one in self.made if one.name == viewer.source)]
        shown = await viewer.shows(after, SIGHT_S)
        if shown:
            tally.kept += 1
        elif not viewer.excused:
            tally.lost += 1
            self.fault(f"viewer {viewer.name} was lost: {viewer.end or 'no new picture'}")
        if not shown:
            await viewer.stop()
            await viewer.start()
            await viewer.shows(after, SIGHT_S)
        if viewer.excused:
            slept = self.tally["sleeping viewer"]
            slept.kept, slept.lost = slept.kept + shown, slept.lost + (not shown)
        viewer.excused = False

    async def page_sees(self, name: str, page: Page) -> None:
        tally = self.tally[next(one.kind for one in self.made if one.name == name)]
        try:
            count = await page.evaluate("__probe.frames")  # by its statistics: a page in the back draws nothing
            await page.wait_for(f"__probe.frames > {count} + 10", SIGHT_S, "new pictures")
            if (attempts := await page.evaluate("__fieldgate.attempts")) > self.attempts.get(name, 1):
                self.attempts[name] = attempts
                tally.lost += 1
                self.fault(f"page of {name}: it had to connect {attempts} times")
            else:
                tally.kept += 1
        except PageError as exc:
            tally.lost += 1
            facts = await page.evaluate("JSON.stringify(window.__fieldgate || {})")
            self.fault(f"page of {name}: {exc}; {facts[:600]}")

    async def figures(self) -> dict[str, int]:
        return {"rss_kb": rss_kb(self.pid), "fds": sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())}


def workers(parent: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        with suppress(OSError):
            for pid in (task / "children").read_text().split():
                if b"gateway.convert" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(int(pid))
    return found


def flood(port: int, udp: bool, junk: bytes) -> None:
    """A thousand garbage datagrams, or fifty connections that send garbage."""
    for _ in range(1000 if udp else 50):
        with (
            suppress(OSError),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as one,
        ):
            one.settimeout(2)
            one.connect(("127.0.0.1", port))
            one.send(junk)


async def opened(stack: AsyncExitStack, stage: Stage, made: list[Source], gates: Gates) -> dict[str, Any]:
    """Senders started, all live, viewers and pages see pictures."""
    stack.push_async_callback(_stop_all, made)
    for one in made:
        await one.start()
        if one.name == BALL:
            one.stream = str(await stage.until("the ball in the directory", stage.online, 60))
    for one in made:
        if one.name != BALL:

            def live(name: str = one.stream) -> bool:
                return any(s["id"] == name and s["state"] == "live" for s in stage.client.get("/api/v1/streams"))

            await stage.until(f"{one.name} live", live, 60)
    link = stage.client.post("/hls/rtmp/link", {})
    watching = viewers(made, gates, gates.http + urlsplit(str(link["url"])).path)
    for viewer in watching:
        stack.push_async_callback(viewer.stop)
        await viewer.start()
    for viewer in watching:
        if not await viewer.shows(0, 60):
            raise AssertionError(f"{viewer.name}: no picture at the start: {viewer.end}")
    browser = await stack.enter_async_context(launch())
    pages = {}
    for name in PAGES:
        page = pages[name] = await browser.open()
        await page.send("Page.addScriptToEvaluateOnNewDocument", source=PROBE)
        await page.goto(stage.link(f"kit1/{name}/main"))
        await page.wait_for("window.__probe && __probe.frames > 10", 60, f"pictures of {name}")
    return {"watching": watching, "pages": pages}


async def _stop_all(made: list[Source]) -> None:
    for one in made:
        await one.kill()


async def run(minutes: float, seed: int, folder: Path) -> tuple[dict[str, Any], Chaos]:
    async with AsyncExitStack() as stack:
        free = stack.enter_context(ports())
        free = replace(free, rtp=(free.rtp[0], free.rtp[1] - 8))
        gates = Gates(
            http=f"https://127.0.0.1:{free.api}", rtsp=free.rtsp, rtmp=free.rtmp, srt=free.srt, ts={},
            pulled=free.other, relay=free.radio, onvif=free.usrp,
        )  # fmt: skip
        stage = Stage(folder, free)
        made = sources(stage, gates, folder)
        assert stage.config is not None
        stage.config.write_text(free.config() + config(made, "refuse" if seed % 2 else "replace"))
        stack.push_async_callback(stage.stop)
        await stage.daemon()
        await stage.until("the daemon", stage.ready, 60)
        await stage.admit()
        site = await opened(stack, stage, made, gates)
        chaos = Chaos(stage, made, site["watching"], site["pages"], seed)
        kept = [asyncio.create_task(one.keep()) for one in made] + [asyncio.create_task(chaos.watch())]
        for task in kept:
            stack.callback(task.cancel)
        await asyncio.gather(*(chaos.back(one, "the start") for one in made))
        for one in chaos.tally.values():
            one.longest_s = 0.0
        first, began, rounds = await chaos.figures(), time.monotonic(), 0
        while time.monotonic() < began + minutes * 60 and stage.children["gateway"].returncode is None:
            await chaos.round()
            rounds += 1
            say(f"round {rounds} at {time.monotonic() - began:.0f} s, {len(chaos.faults)} faults, "
                f"{await chaos.figures()}")  # fmt: skip
            if rounds == 3:
                first = await chaos.figures()  # what has a bound is being filled until then
        if stage.children["gateway"].returncode is not None:
            chaos.fault("the daemon has ended")
        await asyncio.sleep(10)
        last = await chaos.figures()
        log = (folder / "gateway.log").read_text(errors="replace")
        if "Traceback" in log:
            chaos.fault("a traceback: " + log[log.index("Traceback") :][:3000])
        if last["fds"] - first["fds"] > 12:
            chaos.fault(f"descriptors: {first['fds']}, then {last['fds']}")
        if last["rss_kb"] - first["rss_kb"] > MOST_KB + MOST_KB_A_MINUTE * minutes:
            chaos.fault(f"memory: {first['rss_kb']} kB, then {last['rss_kb']} kB")
        result = {"minutes": minutes, "seed": seed, "rounds": rounds, "first": first, "last": last}
        return result, chaos


def table(tally: dict[str, Tally]) -> None:
    print(f"{'kind':20} disturbed  back s  viewers kept/lost  reasons")
    for kind, one in sorted(tally.items()):
        print(f"{kind:20} {one.disturbances:9} {one.longest_s:7.1f} {one.kept:12}/{one.lost:<4} {sorted(one.reasons)}")


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--minutes", type=float, default=10)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--folder", type=Path, help="keep logs here")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="fg-chaos-") as made:
        folder = given.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        result, chaos = asyncio.run(run(given.minutes, given.seed, folder))
    table(chaos.tally)
    finish({**result, "faults": chaos.faults, **machine()})
    return 1 if chaos.faults else 0


if __name__ == "__main__":
    sys.exit(main())
