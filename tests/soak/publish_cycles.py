"""soak-publish: a thousand times FFmpeg publishes and goes, by RTSP, RTMP and SRT; nothing may be left.

The real daemon, FFmpeg as publisher of a short piece under one of eight names, some at a time, as it comes: half of
them end as they should, the others are killed in the middle. Before and after: resident memory, descriptors, streams
and legs of the media plane. The last line is JSON; the exit code says whether it held.

`--every 500` rests and looks each 500 publications as well: whether memory comes to rest, or goes on growing.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.bench.common import finish, machine, rss_kb, say
from tests.interop.fixtures import fixture
from tests.interop.rule import RTMP, RTSP_TCP, SRT, Ingest
from tests.interop.senders import PASSWORD, USER, Gates, push_url
from tests.peers.stage import Stage, ports

NAMES = 8
FULL = 3000
"""Publications before the first look: by then what has a bound is full (the bus's ring of 2,048 events after 500, four
for each; SQLite's page cache; the allocator's pieces), as docs/performance.md shows it."""
MOST_KB_PER_1000 = 2000
WAYS = {"rtsp": RTSP_TCP, "rtmp": RTMP, "srt": SRT}
_MUXER = {"rtsp": ["-f", "rtsp", "-rtsp_transport", "tcp"], "rtmp": ["-f", "flv"], "srt": ["-f", "mpegts"]}


class Soak:
    def __init__(self, stage: Stage, gates: Gates) -> None:
        self.stage = stage
        self.gates = gates
        self.pid = stage.children["gateway"].pid
        self.failed = 0
        self.said = ""

    async def cycle(self, protocol: str, turn: int, slot: int) -> None:
        """One publication of a second at most; every other one is killed."""
        url = push_url(Ingest("cycle", WAYS[protocol], "h264", str(slot)), self.gates)
        process = await asyncio.create_subprocess_exec(
            "ffmpeg", "-v", "error", "-nostdin", "-t", "0.6", "-i", str(fixture("h264", "aac")), "-c", "copy",
            *_MUXER[protocol], url,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        fine = {0}
        if turn % 2:
            try:
                await asyncio.wait_for(process.wait(), 0.35)
            except TimeoutError:
                # 255: it ended in that moment, and killing has taken its code from who waits for it.
                fine |= {-9, 255}
                with suppress(ProcessLookupError):
                    process.kill()
        _out, err = await process.communicate()
        if process.returncode not in fine:
            self.failed += 1
            self.said = err.decode(errors="replace")[-300:]

    async def cycles(self, protocol: str, count: int) -> None:
        async def worker(slot: int) -> None:
            for turn in range(count // NAMES):
                await self.cycle(protocol, turn, slot)

        await asyncio.gather(*(worker(slot) for slot in range(NAMES)))

    async def figures(self) -> dict[str, int]:
        listed: list[dict[str, Any]] = await asyncio.to_thread(self.stage.client.get, "/api/v1/streams")
        return {
            "rss_kb": rss_kb(self.pid),
            "fds": sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir()),
            "streams": len(listed),
            "live": sum(one["state"] == "live" for one in listed),
        }

    async def settled(self) -> dict[str, int]:
        """Once nobody publishes; sockets of those killed are noticed in their own time."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            await asyncio.sleep(1)
            if not (await self.figures())["live"]:
                break
        await asyncio.sleep(12)  # idle streams are let go, SRT's peers are given up
        return await self.figures()


def _config() -> str:
    return f"[program.{USER}]\npassword = '{PASSWORD}'\npublish = ['*']\npush_policy = 'replace'\n"


def parts(count: int, every: int) -> list[int]:
    """`count` in pieces of `every`, the last with what is left; one piece where `every` is 0."""
    return [min(every, count - at) for at in range(0, count, every)] if every else [count]


async def run(protocols: list[str], count: int, every: int, folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = {"cycles": count, "every": every}
    with ports() as free:
        gates = Gates(
            http=f"https://127.0.0.1:{free.api}", rtsp=free.rtsp, rtmp=free.rtmp, srt=free.srt, ts={},
            pulled=free.other, relay=free.radio,
            onvif=free.usrp,
        )  # fmt: skip
        stage = Stage(folder, free, more=_config())
        try:
            await stage.daemon()
            await stage.until("the daemon", stage.ready)
            soak = Soak(stage, gates)
            for protocol in protocols:
                soak.failed = 0
                await soak.cycles(protocol, FULL if protocol == protocols[0] else 10 * NAMES)
                samples = [first := await soak.settled()]
                for part in parts(count, every):
                    await soak.cycles(protocol, part)
                    samples.append(last := await soak.settled())
                    say(f"{protocol}: {part} more: {last}")
                result[protocol] = {
                    "failed": soak.failed,
                    "rss_kb_per_1000": round((last["rss_kb"] - first["rss_kb"]) * 1000 / count),
                    "fds_left": last["fds"] - first["fds"],
                    "streams_left": last["streams"] - first["streams"],
                    "live_left": last["live"],
                    "rss_kb": [one["rss_kb"] for one in samples],
                }
                say(f"{protocol}: {count} publications: {result[protocol]}{f' ({soak.said})' if soak.failed else ''}")
        finally:
            await stage.stop()
    return result


def held(one: dict[str, int]) -> bool:
    return (
        one["failed"] == 0
        and one["rss_kb_per_1000"] < MOST_KB_PER_1000
        and one["fds_left"] <= 2
        and one["streams_left"] == 0
        and one["live_left"] == 0
    )


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--cycles", type=int, default=1000)
    asked.add_argument("--protocols", default="rtsp,rtmp,srt")
    asked.add_argument("--every", type=int, default=0, help="look after so many as well")
    given = asked.parse_args()
    protocols = given.protocols.split(",")
    with tempfile.TemporaryDirectory(prefix="fg-publish-") as folder:
        result = asyncio.run(run(protocols, given.cycles, given.every, Path(folder)))
    finish({**result, **machine()})
    return 0 if all(held(result[protocol]) for protocol in protocols) else 1


if __name__ == "__main__":
    sys.exit(main())
