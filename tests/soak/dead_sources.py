"""soak-sources: 24 sources, dead each in its own way, tried for an hour: memory stays flat, the processor idle.

All are to be open at any time (`on_demand = false`), so the daemon tries them for ever. Some refuse, some accept and
never speak, some say no, some hang up in the middle, some are not even a name. Every minute: processor time, resident
memory, descriptors, attempts. The last line is JSON; the exit code says whether it held.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.bench.common import finish, machine, rss_kb, say, thread_cpu_ns
from tests.peers.stage import Stage, ports

MOST_CPU_PERCENT = 1.0
MOST_KB_PER_HOUR = 4000


async def _never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await reader.read()
    except OSError:
        pass
    finally:
        writer.close()


async def _hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1024)
    writer.close()


async def _says_no(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """404 in the protocol that was spoken."""
    while head := await reader.read(4096):
        first = head.decode("latin-1")
        cseq = next((line[5:].strip() for line in first.splitlines() if line.lower().startswith("cseq:")), "1")
        protocol = "RTSP/1.0" if "RTSP/1.0" in first else "HTTP/1.1"
        writer.write(f"{protocol} 404 Not Found\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n".encode())
    writer.close()


async def _babbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes that are no protocol at all."""
    await reader.read(1024)
    writer.write(os.urandom(4096))
    await asyncio.sleep(1)
    writer.close()


@asynccontextmanager
async def dead(first_port: int) -> AsyncIterator[dict[str, str]]:
    """Their URLs by name."""
    kinds = {"silent": _never_answers, "hangup": _hangs_up, "no": _says_no, "babble": _babbles}
    servers, at = [], {}
    for offset, (kind, talk) in enumerate(kinds.items()):
        at[kind] = first_port + offset
        servers.append(await asyncio.start_server(talk, "127.0.0.1", first_port + offset))
    nobody = first_port + len(kinds)
    urls = {}
    for kind in kinds:
        for scheme in ("rtsp", "rtmp", "http"):
            path = "/live/a.flv" if scheme == "http" else "/live/a"
            urls[f"{scheme}-{kind}"] = f"{scheme}://127.0.0.1:{at[kind]}{path}"
    for scheme, path in (("rtsp", "/a"), ("rtmp", "/live/a"), ("srt", "?streamid=a"), ("http", "/a.m3u8")):
        urls[f"{scheme}-refused"] = f"{scheme}://127.0.0.1:{nobody}{path}"
    urls["rtsp-udp-refused"] = f"rtsp://127.0.0.1:{nobody}/b#transport=udp"
    urls["srt-silent"] = f"srt://127.0.0.1:{at['silent']}?streamid=b"
    urls["hls-no"] = f"http://127.0.0.1:{at['no']}/live/index.m3u8"
    urls["hls-babble"] = f"http://127.0.0.1:{at['babble']}/live/index.m3u8"
    urls["udp-nothing"] = f"udp://127.0.0.1:{nobody + 1}"
    urls["udp-multicast-nothing"] = f"udp://@239.255.77.9:{nobody + 2}?iface=lo"
    urls["rtp-nothing"] = f"rtp://127.0.0.1:{nobody + 4}"
    urls["rtsp-no-name"] = "rtsp://no-such-camera.invalid/a"
    try:
        yield urls
    finally:
        for server in servers:
            server.close()


def _config(urls: dict[str, str]) -> str:
    text = "[security]\npull_allow = ['127.0.0.0/8']\n"
    for name, url in urls.items():
        text += f"[source.{name}]\nurl = '{url}'\non_demand = false\n"
    return text


async def _state(stage: Stage) -> dict[str, tuple[str, str]]:
    """Source → (state, reason) as the API says it."""
    listed: list[dict[str, Any]] = await asyncio.to_thread(stage.client.get, "/api/v1/streams")
    return {one["id"].split("/")[1]: (one["state"], one.get("code") or "") for one in listed}


def _descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


async def run(minutes: float, folder: Path) -> dict[str, Any]:
    with ports() as free:
        async with dead(free.rtp[1] - 20) as urls:
            if len(urls) != 24:
                raise SystemExit(f"24 dead sources were meant, these are {len(urls)}")
            stage = Stage(folder, free, more=_config(urls))
            try:
                await stage.daemon()
                await stage.until("the daemon", stage.ready)
                pid = stage.children["gateway"].pid
                await asyncio.sleep(min(60.0, minutes * 20))  # first attempts, imports, caches
                cpu, began = thread_cpu_ns(pid), time.monotonic()
                sizes, descriptors = [rss_kb(pid)], [_descriptors(pid)]
                while (left := began + minutes * 60 - time.monotonic()) > 0:
                    await asyncio.sleep(min(60.0, left))
                    sizes.append(rss_kb(pid))
                    descriptors.append(_descriptors(pid))
                    percent = (thread_cpu_ns(pid) - cpu) / 1e7 / (time.monotonic() - began)
                    minute = (time.monotonic() - began) / 60
                    say(f"{minute:5.1f} min  {sizes[-1]} KB  {descriptors[-1]} descriptors  {percent:.2f} % of a core")
                took = time.monotonic() - began
                percent = (thread_cpu_ns(pid) - cpu) / 1e7 / took
                states = await _state(stage)
            finally:
                await stage.stop()
    for name, (state, code) in sorted(states.items()):
        say(f"  {name:24} {state:10} {code}")
    half = len(sizes) // 2
    grown = (sizes[-1] - sizes[half]) * 60 / max(1e-3, minutes / 2) if len(sizes) > 2 else 0.0
    return {
        "sources": len(states),
        "minutes": round(took / 60, 1),
        "cpu_percent": round(percent, 3),
        "rss_kb_first": sizes[0],
        "rss_kb_last": sizes[-1],
        "rss_kb_per_hour": round(grown),
        "descriptors_first": descriptors[0],
        "descriptors_most": max(descriptors),
        "without_reason": sorted(name for name, (state, code) in states.items() if state == "live" or not code),
    }


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--minutes", type=float, default=60.0)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="fg-dead-") as folder:
        result = asyncio.run(run(given.minutes, Path(folder)))
    finish({**result, **machine()})
    held = (
        result["cpu_percent"] < MOST_CPU_PERCENT
        and result["rss_kb_per_hour"] < MOST_KB_PER_HOUR
        and not result["without_reason"]
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
