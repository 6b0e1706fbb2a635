"""Cuts in a mesh of three babelds, those that an interface tells and those that nobody does.

`seen_…`: from `ip link set … down` to the snapshot without that edge. `silent`: a goes to c by the cable between
them or by way of b, each probed by us; the cable in use swallows everything while its interfaces stay up. `moved_s`
is from the cut until what a asks of c is answered again, the other way; `babel_s` until babeld calls it lost.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gateway.base.clock import Clock
from gateway.config.links import Links as LinksConfig
from gateway.core.link_trails import LinkTrails
from gateway.core.link_watch import LinkWatch
from gateway.core.links import Links
from gateway.core.messages import Bus
from gateway.model.link import TrafficClass
from gateway.net.links import echo
from gateway.store.store import Store
from tests.bench.links.ends import ECHO
from tests.bench.links.sessions import HTTP, fetched, serve_http
from tests.peers.babel_net import babel_triangle, ip
from tests.unit.mesh.test_adapter import running

CUTS = 10
MOST_S = 1.0
GAP_S = 0.3
ROOT = Path(__file__).parents[3]


async def run(seconds: float, seed: int) -> dict[str, object]:
    if os.geteuid() != 0 or shutil.which("babeld") is None:
        return {"skipped": "babeld in network namespaces needs root and the package babeld"}
    cuts: list[float] = []
    with tempfile.TemporaryDirectory(prefix="fg-mesh-") as folder, babel_triangle(Path(folder)) as name:
        sources = {node: {"kind": "babel", "socket": str(Path(folder) / node)} for node in "abc"}
        async with running(**sources) as context:
            whole = await context.until(lambda one: len(one.edges) == 6)
            by = {node.source: node.id for node in whole.nodes}
            for cut in range(CUTS):
                one, other = ("ab", "bc", "ca")[cut % 3]
                edge = (by[one], by[other])
                began = time.monotonic()
                await asyncio.to_thread(ip, "-n", name + one, "link", "set", f"v{one}{other}", "down")
                await context.until(lambda told, edge=edge: all((e.a, e.b) != edge for e in told.edges))
                cuts.append(time.monotonic() - began)
                await asyncio.to_thread(ip, "-n", name + one, "link", "set", f"v{one}{other}", "up")
                async with asyncio.timeout(60):
                    while len(context.snapshots["mesh"].edges) != 6:
                        context.news.clear()
                        await context.news.wait()
        silent = await _silent(name, Path(folder), by)
    return {
        "cuts": len(cuts),
        "seen_median_s": round(statistics.median(cuts), 3),
        "seen_worst_s": round(max(cuts), 3),
        "silent": silent,
        "good": max(cuts) <= MOST_S and all(one <= MOST_S for one in silent["moved_s"]),
    }


ADDRESSES = {
    "a": ("10.88.1.1/24 dev vac", "10.88.2.1/24 dev vab"),
    "b": ("10.88.2.2/24 dev vba", "10.88.3.2/24 dev vbc"),
    "c": ("10.88.1.3/24 dev vca", "10.88.3.3/24 dev vcb"),
}
ROUTES = {
    "a": ("default via 10.88.1.3 dev vac metric 100", "default via 10.88.2.2 dev vab metric 200"),
    "c": ("10.88.2.0/24 via 10.88.3.2 dev vcb",),
}
SILENT, QUIET_S, FIRST_S = 3, 2.0, 1.0


def _prepare(name: str) -> None:
    for node, places in ADDRESSES.items():
        inside(name + node, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=2")
        for place in places:
            ip("-n", name + node, "addr", "add", *place.split())
        for route in ROUTES.get(node, ()):
            ip("-n", name + node, "route", "add", *route.split())


def inside(space: str, *command: str) -> None:
    subprocess.run(["ip", "netns", "exec", space, *command], check=True, capture_output=True)


def _swallow(name: str, link: str, on: bool) -> float:
    """Nothing passes that cable, either way, and no interface says so; the time from which that is so."""
    far = link[-1]
    how = ("pfifo", "limit", "0") if on else ()
    since = 0.0
    for space, interface in ((name + "a", link), (name + far, f"v{far}a")):
        inside(space, "tc", "qdisc", "add" if on else "del", "dev", interface, "root", *how)
        since = since or time.monotonic()
    return since


async def _silent(name: str, folder: Path, by: dict[str, str]) -> dict[str, list[float]]:
    await asyncio.to_thread(_prepare, name)
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    words = [sys.executable, "-m", "tests.bench.links.part_mesh"]
    ends: list[asyncio.subprocess.Process] = []
    moved: list[float] = []
    lost: list[float] = []
    try:
        for node, more in (("c", ["center"]), ("a", ["kit", "10.88.3.3", str(folder / "best")])):
            command = ["ip", "netns", "exec", name + node, *words, *more]
            end = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=env)
            ends.append(end)
            async with asyncio.timeout(60):
                assert end.stdout is not None
                assert await end.stdout.readline() == b"ready\n"
        gaps = ends[1].stdout
        assert gaps is not None
        async with running(a={"kind": "babel", "socket": str(folder / "a")}) as context:
            await context.until(lambda one: len(one.edges) == 2)
            for _ in range(SILENT):
                await asyncio.sleep(FIRST_S)
                link = (folder / "best").read_text()
                began = await asyncio.to_thread(_swallow, name, link, True)
                async with asyncio.timeout(60):
                    await context.until(lambda one: len(one.edges) == 1)
                    lost.append(round(time.monotonic() - began, 2))
                    moved.append(float(await gaps.readline()) - began)
                await asyncio.sleep(max(0.0, QUIET_S - (time.monotonic() - began)))
                await asyncio.to_thread(_swallow, name, link, False)
                await context.until(lambda one: len(one.edges) == 2)
                await asyncio.sleep(12)  # it is long good before it is taken again
    finally:
        for end in ends:
            end.terminate()
            await end.wait()
    return {"moved_s": [round(one, 3) for one in moved], "babel_s": lost}


async def kit(host: str, best: Path) -> None:
    """Asks with a connection each, again when it is answered or 150 ms are over; says when (monotonic, which is the
    machine's) the first after a gap was answered."""
    with tempfile.TemporaryDirectory() as folder:
        store, clock = Store(Path(folder), b"audit"), Clock()
        links = Links("kit1", Bus(), clock, lambda: LinksConfig(probe=[f"udp://{host}:{ECHO}"], routes=True))
        watch = LinkWatch("kit1", links, LinkTrails(store.link_trails, clock), store.link_use, clock)
        asyncio.get_running_loop().create_task(watch.run()).add_done_callback(lambda _: None)
        while len(links.fit()) < 2 or watch.routes.problem:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        await asyncio.sleep(2)
        print("ready", flush=True)
        good = time.monotonic()
        while True:
            best.write_text(links.choices[TrafficClass.CONTROL].order[0])
            if await fetched(host, 0.15):
                now = time.monotonic()
                if now - good > GAP_S:
                    print(now, flush=True)
                good = now
            await asyncio.sleep(0.05)


async def center() -> None:
    echo.serve("0.0.0.0", ECHO)
    async with await asyncio.start_server(serve_http, "0.0.0.0", HTTP) as server:
        print("ready", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(center() if sys.argv[1] == "center" else kit(sys.argv[2], Path(sys.argv[3])))
