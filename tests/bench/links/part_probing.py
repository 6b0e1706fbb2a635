"""What four probed links cost: the beat, probes five times a second each, answers, counters, figures, in here."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from gateway.base.clock import Clock
from gateway.config.links import Links as LinksConfig
from gateway.core.link_trails import LinkTrails
from gateway.core.link_watch import LinkWatch
from gateway.core.links import Links
from gateway.core.messages import Bus
from gateway.net.links import echo
from gateway.net.links.prober import Prober, Target
from gateway.net.rtnetlink import Interface
from gateway.store.store import Store

LINKS = 4


def _prober(interface: str, source: str, target: Target, on_answer: Callable[[int], None]) -> Prober:
    """There are no such interfaces here: by its address alone."""
    return Prober("", source, target, on_answer)


async def run(seconds: float, seed: int) -> dict[str, object]:
    """The answering end is in here as well: half of the cost is the center's."""
    with patch("gateway.core.link_probes.Prober", _prober):
        return await _asked(seconds)


async def _asked(seconds: float) -> dict[str, object]:
    stop = echo.serve("127.0.0.1", 18_445)
    config = LinksConfig(probe=["udp://127.0.0.1:18445"])
    with tempfile.TemporaryDirectory() as folder:
        store, clock = Store(Path(folder), b"audit"), Clock()
        links = Links("kit1", Bus(), clock, lambda: config)
        watch = LinkWatch("kit1", links, LinkTrails(store.link_trails, clock), store.link_use, clock)
        made = [Interface(1, f"lte{n}", True, 1500, [f"127.0.0.{n + 2}"], [], True) for n in range(LINKS)]

        async def follow() -> None:
            links.found(made)
            await asyncio.Event().wait()

        watch._follow = follow  # type: ignore[method-assign]
        running = asyncio.create_task(watch.run())
        await asyncio.sleep(3.0)
        before, began = time.process_time(), time.monotonic()
        await asyncio.sleep(min(seconds, 20.0))
        used = (time.process_time() - before) / (time.monotonic() - began)
        good = sum(entry.judge.carries for entry in links.entries.values())
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        store.close()
    stop()
    return {"probing_cpu_percent": round(100 * used, 2), "links": LINKS, "good": good}
