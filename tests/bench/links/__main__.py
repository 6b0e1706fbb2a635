"""`make bench-links`: every `part_*.py` beside this file, one after the other, and one line of JSON.

A part has `async def run(seconds: float, seed: int) -> dict[str, object]`: figures by names of its own, in `parts`.
Those that are the whole bench's are put together by name: `misattributed` is the sum, `modem_back_s` and `cpu_percent`
(4 modems, 64 mesh nodes and a station in one measurement) the worst, `switch` what ordinary traffic lost by our routes
and by the kernel's metrics; null where no part measured it. A part that can't run here says so: `{"skipped": "why"}`.
A part that fails says `{"failed": "why"}`, the others run, and the command ends with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

WHOLE: dict[str, Callable[[Iterable[float]], float]] = {"misattributed": sum, "modem_back_s": max, "cpu_percent": max}


def parts() -> list[str]:
    return sorted(path.stem.removeprefix("part_") for path in Path(__file__).parent.glob("part_*.py"))


def together(found: Sequence[dict[str, object]]) -> dict[str, object]:
    """The last line."""
    whole: dict[str, object] = {}
    for name, put in WHOLE.items():
        values = [float(part[name]) for part in found if isinstance(part.get(name), int | float)]  # type: ignore[arg-type]
        whole[name] = round(put(values), 2) if values else None
    whole["switch"] = next((one.pop("summary") for one in found if "summary" in one), None)
    whole["failed"] = [one["part"] for one in found if "failed" in one]
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
        began = time.monotonic()
        try:
            figures = await module.run(given.seconds, given.seed)
        except Exception as exc:
            traceback.print_exc()
            figures = {"failed": f"{type(exc).__name__}: {exc}"[:300]}
        found.append({"part": name} | figures | {"took_s": round(time.monotonic() - began)})
        print(f"  {json.dumps(found[-1])}", file=sys.stderr, flush=True)
    whole = together(found)
    print(json.dumps(whole))
    if whole["failed"]:
        sys.exit(1)


if __name__ == "__main__":
    asyncio.run(main())
