"""`make bench-links`: every `part_*.py` beside this file, one after the other, and one line of JSON.

A part has `async def run(seconds: float, seed: int) -> dict[str, object]`: figures by names of its own, in `parts`.
Those that are the whole bench's are put together by name: `misattributed` is the sum, `modem_back_s` the worst,
`cpu_percent` the sum; null where no part measured it. A part that can't run here says so: `{"skipped": "why"}`.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

WHOLE: dict[str, Callable[[Iterable[float]], float]] = {"misattributed": sum, "modem_back_s": max, "cpu_percent": sum}


def parts() -> list[str]:
    return sorted(path.stem.removeprefix("part_") for path in Path(__file__).parent.glob("part_*.py"))


def together(found: Sequence[dict[str, object]]) -> dict[str, object]:
    """The last line."""
    whole: dict[str, object] = {}
    for name, put in WHOLE.items():
        values = [float(part[name]) for part in found if isinstance(part.get(name), int | float)]  # type: ignore[arg-type]
        whole[name] = round(put(values), 2) if values else None
    return whole | {"parts": list(found)}


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0, help="of each way of the parts that take time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parts", default="", help=f"of {', '.join(parts())}; all")
    given = parser.parse_args()
    found: list[dict[str, object]] = []
    for name in given.parts.split(",") if given.parts else parts():
        print(f"— {name}", file=sys.stderr, flush=True)
        module = importlib.import_module(f"tests.bench.links.part_{name}")
        found.append({"part": name} | await module.run(given.seconds, given.seed))
        print(f"  {json.dumps(found[-1])}", file=sys.stderr, flush=True)
    print(json.dumps(together(found)))


if __name__ == "__main__":
    asyncio.run(main())
