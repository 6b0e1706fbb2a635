"""`python -m tests.bench.uplink`: what it measures stands in docs/performance.md. `--only` and `--systems` for a part,
`--seconds`, `--ten-seconds` and `--seeds` for a short run, `--at-once` for runs beside each other (each in namespaces
of its own). Needs root (network namespaces)."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Any

from tests.bench.common import finish, machine
from tests.bench.uplink import scenarios
from tests.bench.uplink.cost import cpu_ratio
from tests.bench.uplink.scenarios import BESIDE, OURS, Row
from tests.emu.program import missing

PARTS = ("cuts", "ten", "blackout", "thin", "cpu")


def table(rows: list[Row]) -> str:
    """For docs/performance.md."""
    lines = ["| situation | system | play-out | pictures lost or late | in time | freeze | voice gap | overhead |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for one in rows:
        bad = one.picture.lost + one.picture.late
        gaps = [one.voice.gap_ms, *([one.voice_back.gap_ms] if one.voice_back else [])]
        lines.append(
            f"| {one.situation}, seed {one.seed} | {one.system} | {one.playout_ms} ms | {bad} of {one.picture.sent} | "
            f"{one.picture.in_time:.2%} | {one.picture.freeze_ms} ms | {' / '.join(map(str, gaps))} ms | "
            f"{one.overhead:.0%} |"
        )
    return "\n".join(lines)


def gap(one: Row) -> int:
    return max(one.voice.gap_ms, one.voice_back.gap_ms if one.voice_back else 0)


def bench(
    parts: set[str],
    systems: set[str],
    seeds: list[int],
    seconds: float,
    ten_seconds: float,
    at_once: int,
    cpu_rounds: int,
) -> dict[str, Any]:
    chosen = [one for one in (*OURS, *BESIDE) if one.name in systems]
    result: dict[str, Any] = dict.fromkeys(
        ("voice_gap_ms", "frames_lost_duplicate", "freeze_spread_ms", "in_time_at_10_percent", "resume_s")
    )
    result["cpu_ratio_to_srtp"] = None
    rows: list[Row] = []
    if "cuts" in parts:
        rows += scenarios.cuts(chosen, seeds[0], seconds, at_once)
        ours = {one.system: one for one in rows}
        if gaps := [gap(ours[name]) for name in ("duplicate", "spread") if name in ours]:
            result["voice_gap_ms"] = max(gaps)
        if one := ours.get("duplicate"):
            result["frames_lost_duplicate"] = one.picture.lost + one.picture.late
        if one := ours.get("spread"):
            result["freeze_spread_ms"] = one.picture.freeze_ms
    if "ten" in parts:
        found = scenarios.ten_percent(chosen, seeds, ten_seconds, at_once)
        rows += found
        shares = {name: scenarios.pooled(found, name) for name in sorted({one.system for one in found})}
        result["in_time_by_system"] = shares
        if ours_share := [shares[one.name][0] for one in OURS if one.name in shares]:
            result["in_time_at_10_percent"] = min(ours_share)
    if "blackout" in parts:
        told = scenarios.blackout(seeds[0])
        result["resume_s"], result["resume_by_mode"] = told["resume_s"], told["by_mode"]
    if "thin" in parts:
        result["thin"] = asdict(scenarios.thin(seeds[0]))
    if "cpu" in parts:
        result |= cpu_ratio(cpu_rounds)
    if rows:
        print(table(rows), file=sys.stderr)
    return result | {"at_once": at_once, "rows": [asdict(one) for one in rows], "machine": machine()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="of the run with cuts")
    parser.add_argument("--ten-seconds", type=float, default=60, help="of each run with 10 percent loss")
    parser.add_argument(
        "--at-once", type=int, default=1, help="runs with cuts and with 10 percent loss beside each other"
    )
    parser.add_argument("--cpu-rounds", type=int, default=5, help="of the processor time beside an SRTP relay")
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--systems", default=",".join(one.name for one in (*OURS, *BESIDE)))
    given = parser.parse_args()
    if lacking := missing():
        sys.exit(lacking)
    seeds = [int(one) for one in given.seeds.split(",")]
    parts, systems = set(given.only.split(",")), set(given.systems.split(","))
    if unknown := parts - set(PARTS):
        parser.error(f"no such part: {', '.join(unknown)}")
    finish(bench(parts, systems, seeds, given.seconds, given.ten_seconds, given.at_once, given.cpu_rounds))


if __name__ == "__main__":
    main()
