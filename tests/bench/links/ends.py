"""Both ends of ordinary traffic over emulated links: `python -m tests.bench.links.ends center|kit …`.

`center HOST FOLDER`: answers probes, HTTP, MQTT and SIP over TLS. `kit HOST FOLDER ours|metered|plain`: asks
(`sessions`) until SIGTERM, with our routes (links that cost or not) or the kernel's own, then a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from gateway.base.clock import Clock
from gateway.config.links import Links as LinksConfig
from gateway.config.links import LinkSection
from gateway.core.link_entry import Entry
from gateway.core.link_trails import LinkTrails
from gateway.core.link_watch import LinkWatch
from gateway.core.links import Links
from gateway.core.messages import Bus
from gateway.net.links import echo
from gateway.net.rtnetlink import Interface
from gateway.store.store import Store
from tests.bench.links import sessions
from tests.bench.links.sessions import KINDS, Counts

ECHO = 8445


async def center(host: str, place: Path) -> None:
    """Until SIGTERM: mosquitto and Kamailio end with it."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    echo.serve("0.0.0.0", ECHO)
    async with sessions.peers(host, place):
        print("ready", flush=True)
        await stop.wait()


async def kit(host: str, place: Path, how: str) -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    told: dict[str, object] = {}
    tasks = []
    with tempfile.TemporaryDirectory() as folder:
        store, clock = Store(Path(folder), b"audit"), Clock()
        config = LinksConfig(probe=[f"udp://{host}:{ECHO}"], routes=True)
        costly = {name: LinkSection(metered=True) for name in ("ltea", "lteb", "satc")} if how == "metered" else {}
        links = Links("kit1", Bus(), clock, lambda: config, lambda: costly)
        watch = LinkWatch("kit1", links, LinkTrails(store.link_trails, clock), store.link_use, clock)
        downs: list[tuple[str, float]] = []
        cut = watch.routes.down

        def down(entry: Entry, was: Interface) -> None:
            downs.append((entry.name, time.monotonic()))
            cut(entry, was)

        links.on_down = down
        if how != "plain":
            tasks.append(asyncio.create_task(watch.run()))
            while len(links.fit()) < 2 or watch.routes.problem:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            await asyncio.sleep(2)
        counts = {kind: Counts() for kind in KINDS}  # now: what was waited for until here is no gap
        before = time.process_time()
        print("ready", flush=True)
        certificate = place / "sip" / "center.crt"
        works = (
            sessions.http(host, counts["http"]),
            sessions.mqtt(host, counts["mqtt"]),
            sessions.sip_tls(host, counts["sip_tls"], certificate),
        )
        tasks += [asyncio.create_task(one) for one in works]
        await stop.wait()
        moves = sum(choice.moves for choice in links.choices.values() if choice.traffic == "control")
        srtt = {name: entry.judge.srtt_s for name, entry in links.entries.items()}
        told = {name: one.told() for name, one in counts.items()}
        told |= {"downs": downs, "moves": moves, "srtt_s": srtt, "cpu_s": round(time.process_time() - before, 2)}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        store.close()
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    role, host, place, *how = sys.argv[1:]
    asyncio.run(center(host, Path(place)) if role == "center" else kit(host, Path(place), how[0]))
