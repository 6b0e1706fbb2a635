"""(e) What a megabit costs over one path, both ends together, against a plain SRTP relay in the same run.

Both bring the same pictures from the kit's stream to the center's: a camera's RTP comes into a stream at the kit, and
leaves it by a subscription; at the center a leg brings it into a stream. In between are SRTP packets (AES-128-GCM),
or a link bundle with one path. Processor time is that of the media plane's threads. A round is one of each beside the
other, each first in every other round; the ratio is the median of the rounds' own, so that a load that comes and goes
meets both.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any

from tests.bench.common import EXAMPLES, ROOT, h264_file, rtp_file, say
from tests.bench.uplink.run import PORT
from tests.emu.link import Shape
from tests.emu.world import CENTER_ADDRESS, Node, World

STREAMS = 4
FPS, PLAYED_S = 30, 10


class CostEnd:
    """An end's process (cost_end.py): a line in, a line out."""

    def __init__(self, node: Node, *words: object) -> None:
        command = [sys.executable, "-m", "tests.bench.uplink.cost_end", *map(str, words)]
        pipe = subprocess.PIPE
        self._process = node.start(*command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)

    def line(self) -> Any:
        assert self._process.stdout
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("an end of the relay ended early: its words stand above")
        return json.loads(line)

    def ask(self) -> Any:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.line()


def measure(system: str, seconds: float) -> dict[str, float]:
    file = h264_file(fps=FPS, seconds=PLAYED_S)
    packets, _ = rtp_file(file, FPS)
    frame_mb = file.stat().st_size * 8 / 1e6 / FPS / PLAYED_S
    with World() as world:
        world.link("lteA", up=Shape(delay_ms=35), down=Shape(delay_ms=35))
        center = CostEnd(world.center, "center", system, CENTER_ADDRESS, PORT, STREAMS)
        center.line()
        kit = CostEnd(world.kit, "kit", system, CENTER_ADDRESS, PORT, STREAMS)
        ports = kit.line()["ports"]
        plays = [EXAMPLES / "rtp_source", packets]
        source = [
            world.kit.start(*plays, f"127.0.0.1:{port}", str(seconds + 15), stdout=subprocess.DEVNULL) for port in ports
        ]
        time.sleep(5)
        before = [end.ask() for end in (kit, center)]
        began = time.monotonic()
        time.sleep(seconds)
        after = [end.ask() for end in (kit, center)]
        took = time.monotonic() - began
        for one in source:
            one.kill()
    given, got = (late["frames"] - early["frames"] for early, late in zip(before, after, strict=True))
    if not got:
        raise RuntimeError(
            f"cost {system}: of {given} pictures of the cameras none came in {took:.0f} s: nothing to reckon"
        )
    megabits = got * frame_mb
    cpu = [(late["cpu_ns"] - early["cpu_ns"]) / 1e6 for early, late in zip(before, after, strict=True)]
    found = {
        "cpu_ms_per_mb": sum(cpu) / megabits,
        "kit_ms_per_mb": cpu[0] / megabits,
        "delivered_mbps": megabits / took,
    }
    say(f"cost {system}: " + ", ".join(f"{key} {value:.3f}" for key, value in found.items()))
    return found


def cpu_ratio(rounds: int = 5, seconds: float = 10.0) -> dict[str, Any]:
    ratios, points = [], []
    for turn in range(rounds):
        order = ("srtp", "bundle") if turn % 2 == 0 else ("bundle", "srtp")
        point = {system: measure(system, seconds) for system in order}
        ratios.append(point["bundle"]["cpu_ms_per_mb"] / point["srtp"]["cpu_ms_per_mb"])
        points.append(point)
    return {
        "cpu_ratio_to_srtp": round(statistics.median(ratios), 2),
        "cpu_ratios": [round(ratio, 2) for ratio in ratios],
        "cost": points,
    }
