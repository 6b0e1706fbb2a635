"""bench-latency: packet in to packet out through the media plane, while the control plane is stalled on purpose.

One-packet pictures go in over UDP and come out as RTP; a native probe stamps and measures them. Side by side in one
run: a bare relay (recv and send, nothing between), the plane with an idle control plane, the plane with a control
plane that holds Python's interpreter lock for 200 ms every second; at 1 and at 50 streams.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from gateway import codecs
from tests.bench.common import EXAMPLES, finish, h264_file, machine, rtp_file, say

FPS = 50
STALL_S, STALL_EVERY_S = 0.2, 1.0


class _Probe:
    def __init__(self, seconds: int, key_file: Path) -> None:
        command = [str(EXAMPLES / "latency_probe"), str(FPS), str(seconds), str(key_file)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())

    def run(self, streams: list[str]) -> dict[str, float]:
        out, _ = self._process.communicate(" ".join(streams) + "\n")
        result: dict[str, float] = json.loads(out.splitlines()[-1])
        return result


def _stalls(stop: threading.Event) -> None:
    """Hold the interpreter lock: one C call that never gives it up, sized to take STALL_S."""
    count = 1_000_000
    began = time.perf_counter()
    sum(range(count))
    count = int(count * STALL_S / (time.perf_counter() - began))
    while not stop.wait(STALL_EVERY_S - STALL_S):
        sum(range(count))


def _drain(engine: codecs.Engine, stop: threading.Event) -> None:
    while not stop.wait(0.05):
        engine.drain()


def _plane(count: int, seconds: int, key_file: Path, *, stalled: bool) -> dict[str, float]:
    engine = codecs.Engine(threads=1)
    probe = _Probe(seconds, key_file)
    ports: list[str] = []
    try:
        for index in range(count):
            stream = engine.open_stream(f"bench/{index}")
            inlet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            inlet.bind(("127.0.0.1", 0))
            port = inlet.getsockname()[1]
            engine.open_rtp(stream, udp_fd=inlet.detach(), hint="h264")
            outlet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            outlet.bind(("127.0.0.1", 0))
            engine.subscribe_rtp(
                stream,
                outlet.detach(),
                "127.0.0.1",
                probe.port,
                video=[codecs.RtpMap(96, "h264", 90000)],
                audio=[],
                video_ssrc=1000 + index,
                audio_ssrc=0,
                cname="bench",
            )
            ports.append(str(port))
        stop = threading.Event()
        worker = threading.Thread(target=_stalls, args=(stop,), daemon=True)
        if stalled:
            worker.start()
        # The control plane's own work goes on beside the stalls: events are drained as the daemon does.
        drain = threading.Thread(target=_drain, args=(engine, stop), daemon=True)
        drain.start()
        result = probe.run(ports)
        stop.set()
        drain.join()
        return result
    finally:
        engine.close()


def _bare(count: int, seconds: int, key_file: Path) -> dict[str, float]:
    probe = _Probe(seconds, key_file)
    relay = subprocess.Popen(
        [str(EXAMPLES / "bare_relay"), str(probe.port), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert relay.stdout and relay.stdin
    try:
        ports = relay.stdout.readline().split()
        return probe.run(ports)
    finally:
        relay.stdin.close()
        relay.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="per point")
    seconds: int = parser.parse_args().seconds
    key_file, _ = rtp_file(h264_file(bitrate="200k", size="320x240", seconds=2))
    points: dict[str, Any] = {}
    for count in (1, 50):
        say(f"{count} stream(s), {FPS} pictures a second each: bare relay, control plane idle, control plane stalled")
        points[f"bare_{count}"] = _bare(count, seconds, key_file)
        points[f"idle_{count}"] = _plane(count, seconds, key_file, stalled=False)
        points[f"stalled_{count}"] = _plane(count, seconds, key_file, stalled=True)
        for name in ("bare", "idle", "stalled"):
            point = points[f"{name}_{count}"]
            figures = "  ".join(f"{k} {point[f'{k}_us']:8.1f} µs" for k in ("p50", "p99", "max"))
            say(f"  {name:8} {figures}  {point['received']} of {point['sent']}")
    worst = points["stalled_50"]
    finish(
        {
            "p50_ms": worst["p50_us"] / 1000,
            "p99_ms": worst["p99_us"] / 1000,
            "max_ms": worst["max_us"] / 1000,
            "p99_ms_unstalled": points["idle_50"]["p99_us"] / 1000,
            "p99_ms_1_stream": points["stalled_1"]["p99_us"] / 1000,
            "p99_ms_bare": points["bare_50"]["p99_us"] / 1000,
            "lost": sum(int(p["sent"] - p["received"]) for p in points.values()),
            "points": points,
            "machine": machine(),
        }
    )


if __name__ == "__main__":
    main()
