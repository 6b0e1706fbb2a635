"""What happens to the links over a run, by seed: the same for every system that is compared."""

from __future__ import annotations

import random
from typing import Any

from tests.emu.link import LTE, SATELLITE, Shape

PATHS = ("lteA", "lteB", "satB")
Plan = list[tuple[float, dict[str, Any]]]

# Two networks of a city, and a satellite beside which nothing is lost in bursts.
SHAPES = {"lteA": LTE, "lteB": LTE, "satB": SATELLITE}
LOWEST, HIGHEST = 0.02, 0.10


def bursts(share: float) -> dict[str, Any]:
    return {"both": Shape(burst_loss=share, burst_ms=40, burst_cap_ms=120).order()}


def cuts(seed: int, seconds: float) -> dict[str, Plan]:
    """Each 10 s another share of loss on each LTE path, 2 to 10 %, and one path of the three cut for 2 to 6 s."""
    dice = random.Random(seed)
    plans: dict[str, Plan] = {path: [] for path in PATHS}
    plans["satB"].append((0.0, {"both": Shape(loss=0.003).order()}))
    for begin in range(0, int(seconds), 10):
        for path in ("lteA", "lteB"):
            plans[path].append((float(begin), bursts(dice.uniform(LOWEST, HIGHEST))))
        path, at, length = dice.choice(PATHS), begin + dice.uniform(2, 4), dice.uniform(2, 6)
        if at + length < seconds:
            plans[path] += [(at, {"cut": True}), (at + length, {"cut": False})]
    return plans


def ten_percent() -> dict[str, Plan]:
    """10 % in bursts on both LTE paths, all the time."""
    return {"lteA": [(0.0, bursts(0.10))], "lteB": [(0.0, bursts(0.10))], "satB": []}


def blackout(at: float, length: float) -> dict[str, Plan]:
    """All paths cut; the first comes back after `length`, the others 10 s later."""
    cut = [(at, {"cut": True})]
    first, rest = [*cut, (at + length, {"cut": False})], [*cut, (at + length + 10, {"cut": False})]
    return {"lteA": first, "lteB": rest, "satB": rest}


def thin(at: float, bps: float = 64_000) -> dict[str, Plan]:
    """From `at` on one path is left, with so little."""
    left = {"both": Shape(rate_bps=bps).order()}
    return {"lteA": [(at, left)], "lteB": [(at, {"cut": True})], "satB": [(at, {"cut": True})]}
