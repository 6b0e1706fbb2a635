"""HTTP, MQTT and SIP over TLS under cuts: by our policy routes, and by the kernel's metrics alone, over the same links.

A cut is silent: the interface stays up, as a modem's does whose network is gone, so the kernel's metrics never move.
`detect_s` is from the cut until it was called down; `bound_s` three intervals and two round trips. `ours_metered`:
links that cost, which are asked by need; the bound is not theirs.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.links.sessions import KINDS, lacks
from tests.emu.link import LTE, SATELLITE, Shape
from tests.emu.program import Unable
from tests.emu.world import CENTER_ADDRESS, World

ROOT = Path(__file__).parents[3]
CUT_S, FIRST_S = 8.0, 5.0
INTERVAL_S = 0.2
WAYS = {"ours": "ours", "ours_metered": "metered", "kernel_metrics": "plain"}


async def run(seconds: float, seed: int) -> dict[str, object]:
    if program := lacks():
        return {"skipped": f"{program} is not here: make peers"}
    try:
        return await asyncio.to_thread(_both, seconds, seed)
    except Unable as exc:
        return {"skipped": str(exc)}


def _both(seconds: float, seed: int) -> dict[str, object]:
    ways = {name: _one(how, seconds, seed) for name, how in WAYS.items()}
    return ways | {"summary": {name: {kind: one[kind] for kind in KINDS} for name, one in ways.items()}}


def _one(how: str, seconds: float, seed: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="fg-links-") as folder, World() as world:
        try:
            return _run(world, folder, how, seconds, seed)
        finally:
            for process in world.center.running:
                process.terminate()
                process.wait(30)


def _run(world: World, folder: str, how: str, seconds: float, seed: int) -> dict[str, object]:
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    piped = {"stdout": subprocess.PIPE, "text": True, "env": env, "cwd": ROOT}
    world.link("lteA", seed=seed, **LTE)
    world.link("lteB", seed=seed + 1, up=Shape(rate_bps=6e6, delay_ms=45), down=Shape(rate_bps=12e6, delay_ms=45))
    world.link("satC", seed=seed + 2, **SATELLITE)
    words = (sys.executable, "-m", "tests.bench.links.ends")
    center = world.center.start(*words, "center", CENTER_ADDRESS, folder, **piped)
    assert center.stdout and center.stdout.readline() == "ready\n"
    kit = world.kit.start(*words, "kit", CENTER_ADDRESS, folder, how, **piped)
    assert kit.stdout and kit.stdout.readline() == "ready\n"
    began = time.monotonic()
    cuts: list[tuple[str, float]] = []
    # lteA is cut, mended, and cut again before it was long good; then both of the ground at once.
    plan = [(FIRST_S, "lteA"), (FIRST_S + 2.5 * CUT_S, "lteA"), (FIRST_S + 5 * CUT_S, "lteB")]
    for at, name in plan:
        if at + CUT_S > seconds:
            break
        time.sleep(max(0.0, began + at - time.monotonic()))
        cuts.append((name, time.monotonic()))
        world.kit.links[name].cut()
        time.sleep(CUT_S)
        world.kit.links[name].mend()
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    kit.terminate()
    told = json.loads(kit.stdout.readline())
    late = max(link.figures()["emulator_late_max_ms"] for link in world.kit.links.values())
    found: dict[str, object] = {kind: told[kind] for kind in KINDS}
    found |= {"cuts": len(cuts), "emulator_late_ms": late}
    if how != "plain":
        detect = []
        srtt_s = {name.lower(): value for name, value in told["srtt_s"].items()}
        for name, at in cuts:
            after = [
                when - at for who, when in told["downs"] if who.lower() == name.lower() and at <= when < at + CUT_S
            ]
            detect.append(round(after[0], 3) if after else None)
        bound = 3 * INTERVAL_S + 2 * max(srtt_s.get(name.lower()) or 0 for name, _ in cuts)
        found |= {"detect_s": detect, "bound_s": round(bound, 3), "moves": told["moves"], "cpu_s": told["cpu_s"]}
        found["downs"] = len(told["downs"])
    return found
