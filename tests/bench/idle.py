"""bench-idle: what the daemon takes of a processor while nothing is asked of it, by thread.

All listeners are open (the defaults, on free ports). Two points: nothing else; and one H.264 source of 4 Mb/s that
FFmpeg publishes by RTSP over TCP and nobody watches. Per thread: processor time a second by the scheduler's account,
and how often a second it was woken (voluntary switches). Names are the kernel's: `python` is the event loop, `fg-…`
are ours, `SRT:…` libsrt's.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.common import WORK, finish, machine, rss_kb, say
from tests.bench.ingest import ts_file
from tests.peers.stage import Stage, ports

MOST_IDLE_MS = 3.0
SETTLE_S = 8.0


@dataclass(frozen=True, slots=True)
class Share:
    """Of one thread, a second."""

    ms: float
    wakes: float


def threads(pid: int) -> dict[str, tuple[int, int]]:
    """Nanoseconds on a processor and voluntary switches until now, by name (those of one name together)."""
    found: dict[str, tuple[int, int]] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name = (task / "comm").read_text().strip()
            spent = int((task / "schedstat").read_text().split()[0])
            status = (task / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        woken = int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
        before = found.get(name, (0, 0))
        found[name] = (before[0] + spent, before[1] + woken)
    return found


def measure(pid: int, seconds: float) -> dict[str, Share]:
    """The largest first, with all of them together as `all`."""
    before, began = threads(pid), time.monotonic()
    time.sleep(seconds)
    after, took = threads(pid), time.monotonic() - began
    shares: dict[str, Share] = {}
    for name, (spent, woken) in after.items():
        had = before.get(name, (0, 0))
        shares[name] = Share(round((spent - had[0]) / 1e6 / took, 3), round((woken - had[1]) / took, 1))
    ordered = dict(sorted(shares.items(), key=lambda item: -item[1].ms))
    total = Share(round(sum(s.ms for s in shares.values()), 2), round(sum(s.wakes for s in shares.values()), 1))
    return {"all": total} | ordered


def tell(what: str, shares: dict[str, Share]) -> None:
    for name, share in shares.items():
        if share.ms >= 0.01 or share.wakes >= 0.1:
            say(f"{what:12} {name:16} {share.ms:7.3f} ms of a core a second, woken {share.wakes:6.1f} times")


@contextmanager
def publisher(port: int) -> Iterator[None]:
    """FFmpeg sends the bench's picture by RTSP over TCP, in real time, for ever."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", str(ts_file())]
    command += ["-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp", f"rtsp://127.0.0.1:{port}/bench"]
    with (WORK / "idle-ffmpeg.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.kill()
            process.wait()


async def run(seconds: float, folder: Path) -> dict[str, object]:
    with ports() as free:
        more = "[program.bench]\npublish = ['bench']\nwithout_password_from = ['127.0.0.0/8']\n"
        stage = Stage(folder, free, more=more)
        try:
            await stage.daemon()
            await stage.until("the daemon", stage.ready)
            pid = stage.children["gateway"].pid
            await asyncio.sleep(SETTLE_S)
            idle = await asyncio.to_thread(measure, pid, seconds)
            tell("idle", idle)
            with publisher(free.rtsp):
                await stage.until("the source", lambda: _live(stage))
                await asyncio.sleep(SETTLE_S)
                live = await asyncio.to_thread(measure, pid, seconds)
            tell("one source", live)
            size = rss_kb(pid)
        finally:
            await stage.stop()
    return {
        "idle_ms_per_s": idle["all"].ms,
        "idle_wakes_per_s": idle["all"].wakes,
        "one_source_ms_per_s": live["all"].ms,
        "rss_kb": size,
        "idle": {name: asdict(share) for name, share in idle.items()},
        "one_source": {name: asdict(share) for name, share in live.items()},
        "machine": machine(),
    }


def _live(stage: Stage) -> bool:
    return any(stream["state"] == "live" for stream in stage.client.get("/api/v1/streams"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="window of one point")
    plan = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fg-bench-idle-") as folder:
        result = asyncio.run(run(plan.seconds, Path(folder)))
    finish(result)
    late = result["idle"]["all"]["ms"] > MOST_IDLE_MS  # type: ignore[index]
    if late:
        say(f"at rest it takes {result['idle_ms_per_s']} ms of a core a second, at most {MOST_IDLE_MS:g} are wanted")
    return int(late)


if __name__ == "__main__":
    sys.exit(main())
