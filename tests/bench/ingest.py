"""bench-ingest: what it costs to pass sources on, RTSP over TCP and SRT, beside FFmpeg and GStreamer in the same run.

Each source is 4 Mb/s of H.264. A system pulls it and sends it on to another server, untouched (`-c copy`): one daemon
for all sources here, one process a source there, as a person would do it. The far ends are one small program of the
bench that serves the same packets to everybody and counts what comes back. The figure is processor time of the system's
own processes over megabits that arrived at the far end; systems take turns in every round, and the ratio is that of a
round. Memory: the daemon's resident set without sources, with idle ones (known, nobody watches), and with live ones.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.common import EXAMPLES, WORK, finish, h264_file, machine, rss_kb, rtp_file, say, thread_cpu_ns
from tests.bench.daemon import Daemon, free_port

MBPS = 4.0
SETTLE_S = 40.0
SYSTEMS = ("fieldgate", "ffmpeg", "gstreamer")


@dataclass
class Point:
    """One system with so many sources: seconds of processor time a megabit, and what arrived of what was sent."""

    protocol: str
    system: str
    sources: int
    cpu_ms_per_mb: float
    cores: float
    delivered_mbps: float
    missing: int
    rss_kb: int


class Ends:
    """The far ends of one protocol, and how far they have counted."""

    def __init__(self, protocol: str) -> None:
        self.port = free_port()
        if protocol == "rtsp":
            command = [EXAMPLES / "rtsp_ends", str(self.port), rtp_file(h264_file())[0]]
        else:
            command = [EXAMPLES / "srt_ends", str(self.port), ts_file()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)

    def count(self) -> dict[str, int]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        told: dict[str, int] = json.loads(self._process.stdout.readline())
        return told

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def ts_file() -> Path:
    """The same picture as a transport stream, for SRT."""
    path = WORK / "noise-4M.ts"
    if not path.exists():
        part = path.with_suffix(".part.ts")
        command = ["ffmpeg", "-v", "error", "-y", "-r", "30", "-i", str(h264_file()), "-c", "copy", "-f", "mpegts"]
        subprocess.run([*command, "-muxrate", str(int(MBPS * 1.12e6)), str(part)], check=True)
        part.replace(path)
    return path


def urls(protocol: str, port: int, index: int) -> tuple[str, str]:
    """(where it is pulled, where it is sent)."""
    if protocol == "rtsp":
        return f"rtsp://127.0.0.1:{port}/s{index}", f"rtsp://127.0.0.1:{port}/sink{index}"
    at = f"srt://127.0.0.1:{port}?mode=caller&latency=200"
    return f"{at}&streamid=read:s{index}", f"{at}&streamid=publish:s{index}"


def _ffmpeg(protocol: str, port: int, index: int) -> list[str]:
    pulled, sent = urls(protocol, port, index)
    head = ["ffmpeg", "-v", "error", "-nostdin"]
    if protocol == "rtsp":
        tcp = ["-rtsp_transport", "tcp"]
        return [*head, *tcp, "-i", pulled, "-c", "copy", "-f", "rtsp", *tcp, sent]
    in_us = "latency=200000"
    pulled, sent = (url.replace("latency=200", in_us) for url in (pulled, sent))
    return [*head, "-i", pulled, "-c", "copy", "-f", "mpegts", sent]


def _gstreamer(protocol: str, port: int, index: int) -> list[str]:
    pulled, sent = urls(protocol, port, index)
    if protocol == "rtsp":
        line = f"rtspsrc location={pulled} protocols=tcp latency=0 ! rtph264depay ! h264parse config-interval=-1 ! "
        return ["gst-launch-1.0", "-q", *f"{line}rtspclientsink protocols=tcp location={sent}".split()]
    where, _, what = pulled.partition("&streamid=")
    target, _, name = sent.partition("&streamid=")
    line = f"srtsrc uri={where} streamid={what} ! queue ! tsparse ! srtsink uri={target} streamid={name}"
    return ["gst-launch-1.0", "-q", *line.split()]


_COMMANDS: dict[str, Callable[[str, int, int], list[str]]] = {"ffmpeg": _ffmpeg, "gstreamer": _gstreamer}


@contextmanager
def peers(system: str, protocol: str, port: int, sources: int) -> Iterator[list[int]]:
    """So many processes of it; their numbers."""
    with (WORK / f"{system}.log").open("wb") as log:
        running = []
        try:
            for index in range(sources):
                command = _COMMANDS[system](protocol, port, index)
                running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
                time.sleep(0.05)
            yield [process.pid for process in running]
        finally:
            for process in running:
                process.kill()
            for process in running:
                process.wait()


def config(protocol: str, port: int, sources: int, *, pushed: bool = True) -> str:
    text = "[security]\npull_allow = ['127.0.0.0/8']\n"
    for index in range(sources):
        pulled, sent = urls(protocol, port, index)
        text += f"[source.s{index}]\nurl = '{pulled}'\n"
        if pushed:
            text += f"[push.p{index}]\nstream = 's{index}/main'\nurl = '{sent}'\n"
    return text


@contextmanager
def ours(protocol: str, port: int, sources: int) -> Iterator[list[int]]:
    with Daemon(extra=config(protocol, port, sources)) as daemon:
        yield [daemon.pid]


def measure(system: str, protocol: str, sources: int, seconds: float) -> Point:
    ends = Ends(protocol)
    try:
        running = ours if system == "fieldgate" else lambda *given: peers(system, *given)
        with running(protocol, ends.port, sources) as pids:
            _flows(ends, sources)
            before, cpu = ends.count(), sum(thread_cpu_ns(pid) for pid in pids)
            began = time.monotonic()
            time.sleep(seconds)
            after, spent = ends.count(), sum(thread_cpu_ns(pid) for pid in pids) - cpu
            took = time.monotonic() - began
            megabits = (after["taken_bytes"] - before["taken_bytes"]) * 8 / 1e6
            point = Point(
                protocol, system, sources,
                cpu_ms_per_mb=round(spent / 1e6 / max(megabits, 1e-3), 4),
                cores=round(spent / 1e9 / took, 3),
                delivered_mbps=round(megabits / took, 1),
                missing=after["missing"] - before["missing"],
                rss_kb=sum(rss_kb(pid) for pid in pids),
            )  # fmt: skip
    finally:
        ends.close()
    say(
        f"{protocol} {system:10} {sources:4} sources  {point.cpu_ms_per_mb:7.3f} ms a megabit  {point.cores:5.2f} cores"
        f"  {point.delivered_mbps:6.1f} Mb/s  missing {point.missing}"
    )
    return point


def _flows(ends: Ends, sources: int) -> None:
    """Wait until what arrives has come to nine tenths of what all sources send, or the time is up."""
    until = time.monotonic() + SETTLE_S
    last = ends.count()
    while time.monotonic() < until:
        time.sleep(1.5)
        now = ends.count()
        sent, taken = now["sent_bytes"] - last["sent_bytes"], now["taken_bytes"] - last["taken_bytes"]
        last = now
        if taken > 0.9 * sent and taken * 8 / 1.5e6 > 0.9 * MBPS * sources:
            return
    say(f"not everything flows after {SETTLE_S:g} s; measured all the same")


def idle(seconds: float) -> float:
    """Milliseconds of processor time a second that the daemon takes with listeners open and nothing to do."""
    with Daemon(extra=config("rtsp", free_port(), 1, pushed=False)) as daemon:
        time.sleep(6)
        before, began = thread_cpu_ns(daemon.pid), time.monotonic()
        time.sleep(seconds)
        spent = (thread_cpu_ns(daemon.pid) - before) / 1e6 / (time.monotonic() - began)
    say(f"idle: {spent:.2f} ms of a core a second")
    return round(spent, 2)


def memory(sources: int) -> dict[str, float]:
    """KiB a source: known and idle, and live (pulled and sent on)."""
    ends = Ends("rtsp")
    try:
        sizes = {}
        for name, count, pushed in (("none", 0, False), ("idle", sources, False), ("live", sources, True)):
            with Daemon(extra=config("rtsp", ends.port, count, pushed=pushed)) as daemon:
                if pushed:
                    _flows(ends, count)
                time.sleep(4)
                sizes[name] = rss_kb(daemon.pid)
    finally:
        ends.close()
    say(f"resident: {sizes['none']} KB without sources, {sizes['idle']} with {sources} idle, {sizes['live']} live")
    return {name: round((sizes[name] - sizes["none"]) / sources, 1) for name in ("idle", "live")}


def ratio(points: list[Point], protocol: str, other: str, resting: float = 0.0) -> dict[int, float]:
    """By number of sources: the median over the rounds of ours over theirs. `resting`: milliseconds a second that are
    the daemon's own whatever passes through it, taken off ours."""
    found: dict[int, float] = {}
    for count in sorted({p.sources for p in points if p.protocol == protocol}):

        def of(system: str, count: int = count) -> list[float]:
            return [
                p.cpu_ms_per_mb - (resting / p.delivered_mbps if system == "fieldgate" else 0.0)
                for p in points
                if (p.protocol, p.system, p.sources) == (protocol, system, count)
                and p.delivered_mbps > 0.9 * MBPS * count
            ]

        pairs = list(zip(of("fieldgate"), of(other), strict=False))
        if pairs:
            found[count] = round(statistics.median(a / b for a, b in pairs), 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="window of one point")
    parser.add_argument("--sources", default="1,20,100")
    parser.add_argument("--protocols", default="rtsp,srt")
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    plan = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    points: list[Point] = []
    for turn in range(plan.rounds):
        say(f"round {turn + 1} of {plan.rounds}")
        for protocol in plan.protocols.split(","):
            for count in (int(text) for text in plan.sources.split(",")):
                for system in plan.systems.split(","):
                    points.append(measure(system, protocol, count, plan.seconds))
    most = max(int(text) for text in plan.sources.split(","))
    kb = memory(most) if "rtsp" in plan.protocols else {"idle": None, "live": None}
    rtsp = {other: ratio(points, "rtsp", other) for other in ("ffmpeg", "gstreamer")}
    srt = {other: ratio(points, "srt", other) for other in ("ffmpeg", "gstreamer")}
    resting = idle(plan.seconds)
    finish(
        {
            # The worst of the numbers of sources that both carried.
            "ratio_to_ffmpeg": max(rtsp["ffmpeg"].values(), default=None),
            "ratio_to_gstreamer": max(rtsp["gstreamer"].values(), default=None),
            "kb_per_source": kb["live"],
            "kb_per_idle_source": kb["idle"],
            "srt_ratio_to_ffmpeg": max(srt["ffmpeg"].values(), default=None),
            "srt_ratio_to_gstreamer": max(srt["gstreamer"].values(), default=None),
            "ratios_by_sources": {"rtsp": rtsp, "srt": srt},
            "idle_ms_per_s": resting,
            "rtsp_ratio_to_ffmpeg_without_idle": ratio(points, "rtsp", "ffmpeg", resting),
            "srt_ratio_to_ffmpeg_without_idle": ratio(points, "srt", "ffmpeg", resting),
            "points": [asdict(point) for point in points],
            "machine": machine(),
        }
    )


if __name__ == "__main__":
    sys.exit(main())
