"""soak-voice: thousands of calls come and go, hundreds lose their far side; nothing may be left, memory stays flat.

The real daemon, SIPp as the callers on a static trunk, a talk group as what they call. First CALLS calls one after the
other; then KILLS calls whose SIPp is killed in the middle, ten at a time, ended by the trunk's `no_media`. Before and
after: resident memory, descriptors, and what the daemon's own figures say stands. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.common import finish, machine, rss_kb, say
from tests.peers.stage import Stage, ports
from tests.soak.metrics import gauge, metrics

HERE = Path(__file__).parent
AT_ONCE = 10
MOST_KB_PER_1000 = 2000
"""Growth over the second half of the calls: lists of what ended fill up to their bounds, and no further."""
FIGURES = ("calls", "media_sessions", "dialogs", "transactions", "connections")
CONFIG = """
[talk.group.ops]
number = "600"
mode = "full"
members = []
max_members = 64
[adapter.sip.trunks.soak]
mode = "static"
servers = ["udp:127.0.0.1:{peer}"]
sources = ["127.0.0.0/8"]
numbers = ["600"]
calls = ["groups"]
max_calls = 60
media = {{no_media = "2s", srtp = "off", reliable = false}}
"""


class Soak:
    def __init__(self, stage: Stage, peer: int) -> None:
        self.stage = stage
        self.peer = peer
        self.pid = 0

    async def sipp(self, calls: int, pause_ms: int, *, at_once: int = 1, port: int = 0) -> asyncio.subprocess.Process:
        at = port or self.peer
        media = self.peer + 400 + 5 * (at - self.peer)  # SIPp takes the next few as well
        return await asyncio.create_subprocess_exec(
            "sipp", f"127.0.0.1:{self.stage.ports.phones}", "-sf", str(HERE / "caller.xml"), "-s", "600",
            "-i", "127.0.0.1", "-p", str(at), "-mi", "127.0.0.1", "-mp", str(media), "-rtp_echo",
            "-m", str(calls), "-l", str(at_once), "-r", "100", "-d", str(pause_ms), "-nostdin", "-timeout_error",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip

    async def figures(self) -> dict[str, Any]:
        """What stands in the daemon: memory, descriptors, calls, voices, rooms, members."""
        text = await asyncio.to_thread(metrics, self.stage.place)
        group = await asyncio.to_thread(self.stage.client.get, "/api/v1/talk/ops")
        return {
            "rss_kb": rss_kb(self.pid),
            "fds": sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir()),
            "members": len(group["members"]),
            **{name: _figure(text, name) for name in FIGURES},
            "voices": gauge(text, "voices"),
            "sessions": gauge(text, "sessions"),
        }

    async def settled(self, limit_s: float = 60.0) -> dict[str, Any]:
        """Once no call and no transaction stands (timers of RFC 3261 run 32 s), or at the limit."""
        until = time.monotonic() + limit_s
        while True:
            now = await self.figures()
            if not any(now[name] for name in ("calls", "voices", "sessions", "members", "dialogs", "transactions")):
                return now
            if time.monotonic() > until:
                return now
            await asyncio.sleep(1)


def _figure(text: str, name: str) -> float:
    found = re.search(rf'^gateway_adapter_figure\{{[^}}]*adapter="sip"[^}}]*figure="{name}"[^}}]*\}} (\S+)', text, re.M)
    return float(found[1]) if found else 0.0


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=200)
    options = parser.parse_args()
    with ports() as free, tempfile.TemporaryDirectory() as folder:
        peer = free.api + 50
        media = f"{free.rtp[0]}-{free.rtp[0] + 39}"  # few, so that a leaked one is noticed at once
        stage = Stage(Path(folder), free, more=CONFIG.format(peer=peer))
        assert stage.config is not None
        text = stage.config.read_text().replace(f"{free.rtp[0]}-{free.rtp[1]}", media)
        stage.config.write_text(text)
        try:
            await stage.daemon()
            await stage.until("the daemon", stage.ready)
            soak = Soak(stage, peer)
            soak.pid = stage.children["gateway"].pid
            result = await run(soak, options.calls, options.kills)
        finally:
            await stage.stop()
    finish({**result, **machine()})
    if result["leaked"] or result["failed_runs"] or result["rss_kb_per_1000_calls"] > MOST_KB_PER_1000:
        sys.exit("something was left, a call failed, or memory grows: see the figures above")


async def run(soak: Soak, calls: int, kills: int) -> dict[str, Any]:
    warm = await soak.sipp(100, 50)
    await warm.wait()
    first = await soak.settled()
    say(f"after 100 calls: {first}")
    took, grown = time.monotonic(), []
    failed = 0
    for part in range(10):
        process = await soak.sipp(calls // 10, 30)
        failed += await process.wait() != 0
        grown.append(rss_kb(soak.pid))
        say(f"  {(part + 1) * calls // 10} calls, {grown[-1]} KB")
    took = time.monotonic() - took
    after_calls = await soak.settled()
    say(f"after {calls} more: {after_calls}")
    killed = up_least = 0
    up_least = AT_ONCE
    while killed < kills:
        running = [await soak.sipp(1, 60_000, port=soak.peer + 2 * index) for index in range(AT_ONCE)]
        up = await _up(soak, AT_ONCE)
        up_least = min(up_least, up)
        for process in running:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()
        killed += AT_ONCE
        await _up(soak, 0)
        say(f"  {killed} killed, {rss_kb(soak.pid)} KB")
    last = await soak.settled()
    say(f"after {killed} kills: {last}")
    left = {name: last[name] - first[name] for name in first if name != "rss_kb"}
    return {
        "calls": calls,
        "failed_runs": failed,
        "calls_per_s": round(calls / took, 1),
        "kills": killed,
        "up_before_kill_least": up_least,
        "rss_kb_first": first["rss_kb"],
        "rss_kb_after_calls": after_calls["rss_kb"],
        "rss_kb_last": last["rss_kb"],
        "rss_kb_per_1000_calls": round((grown[-1] - grown[len(grown) // 2]) * 1000 / max(1, calls // 2)),
        "left": left,
        "leaked": any(value > (2 if name == "fds" else 0) for name, value in left.items()),
    }


async def _up(soak: Soak, wanted: int) -> int:
    """Wait until so many calls are members; how many there were at the end."""
    for _ in range(300):
        group = await asyncio.to_thread(soak.stage.client.get, "/api/v1/talk/ops")
        up = sum(member["state"] == "up" for member in group["members"])
        if (up >= wanted) if wanted else not group["members"]:
            return up
        await asyncio.sleep(0.1)
    return up


if __name__ == "__main__":
    asyncio.run(main())
