"""Cuts in a mesh of three babelds: from `ip link set … down` to the snapshot without that edge, and back."""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from tests.peers.babel_net import babel_triangle, ip
from tests.unit.mesh.test_adapter import running

CUTS = 10
MOST_S = 1.0


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
    return {
        "cuts": len(cuts),
        "seen_median_s": round(statistics.median(cuts), 3),
        "seen_worst_s": round(max(cuts), 3),
        "good": max(cuts) <= MOST_S,
    }
