"""soak-publish: a thousand times somebody publishes and goes, by each protocol; nothing may be left.

The real daemon, and as publisher FFmpeg (RTSP, RTMP, SRT, MPEG-TS over UDP), FFmpeg 8 (WHIP) or a device of ours
(GB/T 28181, JT/T 1078), some at a time, as it comes: half of them end as they should, the others are killed in the
middle. Before and after: resident memory, descriptors, streams and legs of the media plane. The last line is JSON; the
exit code says whether it held.

`--every 250` rests and looks each 250 publications as well: whether memory comes to rest, or goes on growing.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gateway.core.publication import SESSION_PATIENCE_S
from tests.bench.common import finish, machine, rss_kb, say
from tests.interop.senders import PASSWORD, USER, Gates
from tests.peers.browser import outer_interface
from tests.peers.stage import Ports, Stage, ports
from tests.soak.metrics import gauge, metrics
from tests.soak.publishers import Devices, Publisher, Pushed, Ts, Whip
from tests.soak.watch import Watch

FULL = 3000
"""Publications before the first look: by then what has a bound is full (the bus's ring of 2,048 events after 500, four
for each; SQLite's page cache; the allocator's pieces), as docs/performance.md shows it."""
NEXT = 80
"""Before the first look at each further protocol."""
MOST_KB_PER_1000 = 2000
PROTOCOLS = ("rtsp", "rtmp", "srt", "whip", "ts", "gb28181", "jt1078")
MEDIA, TS = 40, 64
"""Ports of media, so few that a leaked one is noticed; and the place in the block where the TS sources' begin."""


class Soak:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.pid = stage.children["gateway"].pid
        self.failed = 0
        self.said = ""

    async def cycles(self, publisher: Publisher, count: int) -> None:
        """`count` publications, whoever is free the next one; every other one is killed."""
        turns = iter(range(count))

        async def worker(slot: int) -> None:
            for turn in turns:
                if said := await publisher.turn(slot, killed=bool(turn % 2)):
                    self.failed += 1
                    self.said = said

        await asyncio.gather(*(worker(slot) for slot in range(publisher.slots)))

    async def figures(self) -> dict[str, int]:
        listed: list[dict[str, Any]] = await asyncio.to_thread(self.stage.client.get, "/api/v1/streams")
        return {
            "rss_kb": rss_kb(self.pid),
            "fds": sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir()),
            "streams": len(listed),
            "live": sum(one["state"] == "live" for one in listed),
            "legs": round(gauge(await asyncio.to_thread(metrics, self.stage.place), "media_legs")),
        }

    async def settled(self, protocol: str) -> dict[str, int]:
        """Once nobody publishes; those killed are noticed in their own time."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            await asyncio.sleep(1)
            if not (await self.figures())["live"]:
                break
        # Idle streams are let go, SRT's peers are given up. One by WHIP that was killed says nothing, and is waited for
        # as long as consent lasts.
        await asyncio.sleep(SESSION_PATIENCE_S + 8 if protocol == "whip" else 12)
        return await self.figures()


def _config() -> str:
    """A sender that went is given up soon, so that its place is free for the next."""
    return (
        "[streams]\nstall = 0.5\npatience = 1.0\nretry_first = 0.1\nretry_most = 0.5\n"
        f"[program.{USER}]\npassword = '{PASSWORD}'\npublish = ['*']\npush_policy = 'replace'\n"
    )


def parts(count: int, every: int) -> list[int]:
    """`count` in pieces of `every`, the last with what is left; one piece where `every` is 0."""
    return [min(every, count - at) for at in range(0, count, every)] if every else [count]


def _publisher(protocol: str, gates: Gates, watch: Watch, free: Ports) -> Publisher:
    match protocol:
        case "whip":
            return Whip(gates, watch)
        case "ts":
            return Ts(watch, free.api + TS)
        case "gb28181":
            return Devices(watch, "ball", "gb28181", "3402000000132000", free.other)
        case "jt1078":
            return Devices(watch, "vehicle", "jt808", "1380013", free.other)
    return Pushed(protocol, gates)


async def run(protocols: list[str], count: int, every: int, warm: int, folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = {"cycles": count, "every": every}
    with ExitStack() as stack:
        if "whip" in protocols:
            stack.enter_context(outer_interface())
        free = stack.enter_context(ports())
        # Takes what the devices' outputs send, so that none of them is told that nobody listens.
        stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind(("127.0.0.1", free.other))
        gates = Gates(
            http=f"https://127.0.0.1:{free.api}", rtsp=free.rtsp, rtmp=free.rtmp, srt=free.srt, ts={},
            pulled=free.other, relay=free.radio,
            onvif=free.usrp,
        )  # fmt: skip
        stage = Stage(folder, free)
        watch = Watch(stage.client)
        publishers = {one: _publisher(one, gates, watch, free) for one in protocols}
        media = f"{free.rtp[0]}-{free.rtp[0] + MEDIA - 1}"
        text = free.config().replace(f"{free.rtp[0]}-{free.rtp[1]}", media)
        assert stage.config is not None
        stage.config.write_text(text + _config() + "".join(one.config() for one in publishers.values()))
        watching = asyncio.create_task(watch.run())
        myself = asyncio.current_task()
        assert myself is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, myself.cancel)  # so that the daemon goes as well
        try:
            await stage.daemon()
            await stage.until("the daemon", stage.ready)
            soak = Soak(stage)
            for protocol, publisher in publishers.items():
                soak.failed = 0
                await publisher.prepare(stage)
                await soak.cycles(publisher, warm if protocol == protocols[0] else NEXT)
                samples = [first := await soak.settled(protocol)]
                say(f"{protocol}: at first: {first}")
                for part in parts(count, every):
                    began = time.monotonic()
                    await soak.cycles(publisher, part)
                    took = time.monotonic() - began
                    samples.append(last := await soak.settled(protocol))
                    say(f"{protocol}: {part} more in {took:.0f} s: {last}")
                result[protocol] = {
                    "failed": soak.failed,
                    "rss_kb_per_1000": round((last["rss_kb"] - first["rss_kb"]) * 1000 / count),
                    "fds_left": last["fds"] - first["fds"],
                    "streams_left": last["streams"] - first["streams"],
                    "legs_left": last["legs"] - first["legs"],
                    "live_left": last["live"],
                    "rss_kb": [one["rss_kb"] for one in samples],
                }
                say(f"{protocol}: {count} publications: {result[protocol]}{f' ({soak.said})' if soak.failed else ''}")
        finally:
            watching.cancel()
            await asyncio.gather(*(one.stop() for one in publishers.values()))
            await stage.stop()
    return result


def held(one: dict[str, int]) -> bool:
    return (
        one["failed"] == 0
        and one["rss_kb_per_1000"] < MOST_KB_PER_1000
        and one["fds_left"] <= 2
        and one["streams_left"] == 0
        and one["legs_left"] <= 0
        and one["live_left"] == 0
    )


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--cycles", type=int, default=1000)
    asked.add_argument("--protocols", default=",".join(PROTOCOLS))
    asked.add_argument("--every", type=int, default=0, help="look after so many as well")
    asked.add_argument("--warm", type=int, default=FULL, help="publications before the first look")
    given = asked.parse_args()
    protocols = given.protocols.split(",")
    with tempfile.TemporaryDirectory(prefix="fg-publish-") as folder:
        try:
            result = asyncio.run(run(protocols, given.cycles, given.every, given.warm, Path(folder)))
        except asyncio.CancelledError:
            return 128 + signal.SIGTERM
    finish({**result, **machine()})
    return 0 if all(held(result[protocol]) for protocol in protocols) else 1


if __name__ == "__main__":
    sys.exit(main())
