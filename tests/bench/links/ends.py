"""Both ends of ordinary traffic over emulated links: `python -m tests.bench.links.ends center|kit …`, a line of JSON.
 The traffic asks and is answered: **http** makes a connection for each request, **line** keeps one (as MQTT and SIP
over TLS do) and makes another when it ends or nothing is answered for 10 s."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from gateway.base.clock import Clock
from gateway.config.links import Links as LinksConfig
from gateway.core.link_entry import Entry
from gateway.core.link_trails import LinkTrails
from gateway.core.link_watch import LinkWatch
from gateway.core.links import Links
from gateway.core.messages import Bus
from gateway.net.links import echo
from gateway.net.rtnetlink import Interface
from gateway.store.store import Store

ECHO, TRAFFIC = 8445, 8080
EVERY_S = 0.2
HTTP_PATIENCE_S, LINE_PATIENCE_S = 3.0, 10.0


async def center() -> None:
    echo.serve("0.0.0.0", ECHO)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while line := await reader.readline():
                writer.write(line)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "0.0.0.0", TRAFFIC)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


class Counts:
    def __init__(self) -> None:
        self.asked = self.answered = 0
        self.longest_s = 0.0
        self._last = time.monotonic()

    def good(self) -> None:
        now = time.monotonic()
        self.answered += 1
        self.longest_s = max(self.longest_s, now - self._last)
        self._last = now

    def told(self) -> dict[str, float]:
        self.longest_s = max(self.longest_s, time.monotonic() - self._last)
        lost = self.asked - self.answered
        return {"asked": self.asked, "lost": lost, "longest_gap_s": round(self.longest_s, 2)}


async def http(host: str, counts: Counts) -> None:
    """A request each 200 ms, whatever became of those before."""

    async def one() -> None:
        counts.asked += 1
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(HTTP_PATIENCE_S):
                reader, writer = await asyncio.open_connection(host, TRAFFIC)
                try:
                    writer.write(b"GET\n")
                    if await reader.readline():
                        counts.good()
                finally:
                    writer.close()

    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(one())
            await asyncio.sleep(EVERY_S)


async def line(host: str, counts: Counts) -> None:
    while True:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(LINE_PATIENCE_S):
                reader, writer = await asyncio.open_connection(host, TRAFFIC)
            try:
                while True:
                    counts.asked += 1
                    writer.write(b"ping\n")
                    async with asyncio.timeout(LINE_PATIENCE_S):
                        if not await reader.readline():
                            break
                    counts.good()
                    await asyncio.sleep(EVERY_S)
            finally:
                writer.close()
        await asyncio.sleep(EVERY_S)


async def kit(host: str, ours: bool) -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    counts = {"http": Counts(), "line": Counts()}
    told: dict[str, object] = {}
    tasks = []
    with tempfile.TemporaryDirectory() as folder:
        store, clock = Store(Path(folder), b"audit"), Clock()
        config = LinksConfig(probe=[f"udp://{host}:{ECHO}"], routes=True)
        links = Links("kit1", Bus(), clock, lambda: config)
        watch = LinkWatch("kit1", links, LinkTrails(store.link_trails, clock), store.link_use, clock)
        downs: list[tuple[str, float]] = []
        cut = watch.routes.down

        def down(entry: Entry, was: Interface) -> None:
            downs.append((entry.name, time.monotonic()))
            cut(entry, was)

        links.on_down = down
        if ours:
            tasks.append(asyncio.create_task(watch.run()))
            while len(links.fit()) < 2 or watch.routes.problem:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            await asyncio.sleep(2)
        before = time.process_time()
        print("ready", flush=True)
        tasks += [asyncio.create_task(http(host, counts["http"])), asyncio.create_task(line(host, counts["line"]))]
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
    asyncio.run(center() if sys.argv[1] == "center" else kit(sys.argv[2], sys.argv[3] == "ours"))
