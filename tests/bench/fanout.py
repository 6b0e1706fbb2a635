"""bench-fanout: CPU per packet delivered to WebRTC viewers, side by side with Janus and with the bare limit.

One H.264 source of 4 Mb/s (30 pictures a second, its packets together as an encoder hands them over) is sent to 1, 10
and 130 viewers. Handshakes are real (ICE, DTLS); after them a native sink authenticates every packet, sends receiver
reports, loses one packet in a hundred on purpose and asks for it again. Rounds are interleaved: every round measures
each server once, each freshly started. CPU is the scheduler's account of the whole server process; the divisor is what
arrived at the sinks.

fieldgate   the daemon; the source is a GB/T 28181 device that sends H.264 over RTP, viewers come by WHEP
janus       the distribution's package, streaming plugin, as shipped
janus tuned the same with event_loops=1 and libsrtp2 built on OpenSSL
limit       one thread doing only recv, AES-128-GCM and GSO sends, same arrivals and pacing
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bench.common import (
    EXAMPLES,
    ROOT,
    finish,
    first_picture_packets,
    h264_file,
    machine,
    rtp_file,
    say,
    thread_cpu_ns,
)
from tests.bench.daemon import SERVER_ID, Daemon, free_port
from tests.bench.device import BenchDevices
from tests.bench.janus import Janus, own_address

DROP_EVERY = 100
DEVICE = "34020000001320000001"
ENGINE_THREADS = "fg-media"


@dataclass
class Point:
    """One server at one number of viewers in one round. Times are µs of CPU per packet that arrived."""

    server: str
    viewers: int
    us_per_packet: float
    engine_us_per_packet: float
    packets_per_s: float
    lost: int  # never arrived, for no doing of the sink's
    lost_share: float
    unrecovered: int  # lost on purpose, asked for five times, and not sent again
    recovered: int
    profile: str


class _Sink:
    """The viewers' process, from the handshakes on."""

    def __init__(self, arguments: list[str], count: int, environment: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "tests.bench.viewers", *arguments]
        command += ["--count", str(count), "--drop-every", str(DROP_EVERY)]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | (environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self._read()
        if line.split() != ["ready", str(count)]:
            raise SystemExit(f"the viewers did not connect: {line!r}")

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()

    def totals(self) -> dict[str, int]:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        totals: dict[str, int] = json.loads(self._read())
        return totals

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(20)


def _measure(
    server: str, count: int, pid: int, engine: str, sink: _Sink, media: int, plan: argparse.Namespace
) -> Point:
    """Start the native source towards `media`, let it settle, and take one window."""
    seconds = plan.settle + plan.seconds + 2
    command = [str(EXAMPLES / "rtp_source"), str(plan.packets), f"127.0.0.1:{media}", str(seconds)]
    source = subprocess.Popen(command, stdout=subprocess.PIPE)
    wait = threading.Event()
    wait.wait(plan.settle)
    cpu, own, before = thread_cpu_ns(pid), thread_cpu_ns(pid, engine), sink.totals()
    wait.wait(plan.seconds)
    cpu, own, after = thread_cpu_ns(pid) - cpu, thread_cpu_ns(pid, engine) - own, sink.totals()
    source.communicate()
    delta = {key: after[key] - before[key] for key in after}
    arrived = max(1, delta["arrived"])
    if after["unauthentic"] or after["silent"]:
        say(f"  warning: {after['unauthentic']} unauthentic packets, {after['silent']} viewers without media")
    return Point(
        server,
        count,
        cpu / 1000 / arrived,
        own / 1000 / arrived,
        arrived / plan.seconds,
        delta["wire_gaps"],
        delta["wire_gaps"] / arrived,
        delta["abandoned"],
        delta["recovered"],
        plan.profile,
    )


def _fieldgate(count: int, plan: argparse.Namespace) -> Point:
    with Daemon() as daemon:
        target: list[int] = []
        invited, stop = threading.Event(), threading.Event()

        async def device() -> None:
            """Register, answer the INVITE, and keep the leg alive until the native source takes over."""
            server = ("127.0.0.1", daemon.sip)
            async with BenchDevices(server, SERVER_ID, daemon.kit_password()) as devices:

                def on_invite(_channel: str, _host: str, port: int) -> None:
                    target[:] = [port]
                    invited.set()

                devices.on_invite = on_invite
                if await devices.register(DEVICE) != 200:
                    raise SystemExit(f"the bench's device was refused:\n{daemon.log()[-2000:]}")
                await devices.keepalive(DEVICE)
                first = first_picture_packets(plan.packets)
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as feeder:
                    rounds = 0
                    while not stop.is_set():
                        await asyncio.sleep(0.5)
                        rounds += 1
                        if rounds % 20 == 0:
                            await devices.keepalive(DEVICE)
                        if target and not plan.playing.is_set():
                            for packet in first:
                                feeder.sendto(packet, ("127.0.0.1", target[0]))

        plan.playing = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(device()), daemon=True)
        thread.start()
        try:
            stream = _wait_for_stream(daemon)
            sink = _Sink(
                ["--kind", "whep", "--url", f"{daemon.url}/whep/{stream}", "--profile", plan.profile],
                count,
                {"FIELDGATE_TOKEN": daemon.token},
            )
            if not invited.wait(20):
                raise SystemExit(f"the daemon invited nobody:\n{daemon.log()[-2000:]}")
            plan.playing.set()
            point = _measure("fieldgate", count, daemon.pid, ENGINE_THREADS, sink, target[0], plan)
            sink.close()
            return point
        finally:
            stop.set()
            thread.join(10)


def _wait_for_stream(daemon: Daemon) -> str:
    wait = threading.Event()
    for _ in range(200):
        streams: Any = daemon.get("/api/v1/streams")
        rows = streams["items"] if isinstance(streams, dict) else streams
        if rows:
            return str(rows[0]["id"])
        wait.wait(0.1)
    raise SystemExit(f"the bench's device brought no stream:\n{daemon.log()[-2000:]}")


def _janus(count: int, plan: argparse.Namespace, *, tuned: bool) -> Point:
    media = free_port(socket.SOCK_DGRAM)
    with Janus(tuned=tuned, http_port=free_port(), media_port=media, address=own_address()) as janus:
        profile = plan.profile if tuned else "any"
        sink = _Sink(["--kind", "janus", "--url", janus.url, "--profile", profile], count)
        point = _measure("janus tuned" if tuned else "janus", count, janus.pid, "", sink, media, plan)
        sink.close()
        point.profile = profile
        return point


@contextmanager
def _limit_process(count: int) -> Iterator[tuple[int, int, _Sink]]:
    """The limit and its sink: the same sink, given keys instead of handshakes."""
    media = free_port(socket.SOCK_DGRAM)
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    address = own_address()
    limits, sinks = [], []
    for index, sock in enumerate(sockets):
        sock.bind((address, 0))
        key, salt, ssrc = secrets.token_hex(16), secrets.token_hex(12), 5000 + index
        session_key, session_salt = _derive(key, salt)
        limits.append(f"{address}:{sock.getsockname()[1]} {session_key} {session_salt} {ssrc}")
        fd = os.dup(sock.fileno())
        os.set_inheritable(fd, True)
        fields = [fd, "127.0.0.1:9", "AEAD_AES_128_GCM", key, salt, key, salt, "u", "p" * 22, 1, ssrc, 0]
        sinks.append(" ".join(map(str, fields)))
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys"
        keys.write_text("\n".join(limits) + "\n")
        command = [str(EXAMPLES / "fanout_limit"), str(media), str(keys)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout and process.stdout.readline() == "ready\n"
        sink = _bare_sink(sinks)
        try:
            yield process.pid, media, sink
        finally:
            sink.close()
            process.kill()
            process.wait()
            for sock in sockets:
                sock.close()


def _derive(key: str, salt: str) -> tuple[str, str]:
    """Session key and salt of SRTP from the master's (RFC 3711 §4.3, RFC 7714 §11), key derivation rate 0."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    def prf(label: int, length: int) -> bytes:
        block = bytearray(bytes.fromhex(salt).ljust(14, b"\0") + b"\0\0")
        block[7] ^= label
        encryptor = Cipher(algorithms.AES(bytes.fromhex(key)), modes.CTR(bytes(block))).encryptor()
        return encryptor.update(bytes(length))

    return prf(0, 16).hex(), prf(2, 12).hex()


def _bare_sink(lines: list[str]) -> _Sink:
    read_end, write_end = os.pipe()
    descriptors = [int(line.split()[0]) for line in lines]
    sink = _Sink.__new__(_Sink)
    command = [str(EXAMPLES / "fanout_sink"), str(read_end), str(DROP_EVERY)]
    sink._process = subprocess.Popen(
        command, pass_fds=[read_end, *descriptors], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    os.close(read_end)
    with os.fdopen(write_end, "w") as out:
        out.write("\n".join(lines) + "\n")
    for fd in descriptors:
        os.close(fd)
    sink._read()
    return sink


def _limit(count: int, plan: argparse.Namespace) -> Point:
    with _limit_process(count) as (pid, media, sink):
        point = _measure("limit", count, pid, "limit", sink, media, plan)
        point.unrecovered = 0  # it answers no NACK, by design
        return point


def _ratio(points: list[Point], ours: str, theirs: str, count: int, field: str = "us_per_packet") -> float | None:
    """Median over rounds of ours ÷ theirs, round by round."""
    mine = [getattr(p, field) for p in points if p.server == ours and p.viewers == count]
    other = [p.us_per_packet for p in points if p.server == theirs and p.viewers == count]
    pairs = [a / b for a, b in zip(mine, other, strict=False) if b > 0]
    return statistics.median(pairs) if pairs else None


def _common_count(points: list[Point], peer: str, counts: list[int]) -> int:
    """The highest number of viewers at which the peer loses at most 0.1 %."""
    for count in sorted(counts, reverse=True):
        shares = [p.lost_share for p in points if p.server == peer and p.viewers == count]
        if shares and statistics.median(shares) <= 0.001:
            return count
    return min(counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8, help="window of one point")
    parser.add_argument("--settle", type=float, default=4)
    parser.add_argument("--viewers", default="1,10,130")
    parser.add_argument("--servers", default="fieldgate,janus,janus tuned,limit")
    parser.add_argument("--profile", default="AEAD_AES_128_GCM")
    plan = parser.parse_args()
    plan.packets, pps = rtp_file(h264_file())
    counts = [int(text) for text in plan.viewers.split(",")]
    servers: dict[str, Callable[[int, argparse.Namespace], Point]] = {
        "fieldgate": _fieldgate,
        "janus": lambda count, plan: _janus(count, plan, tuned=False),
        "janus tuned": lambda count, plan: _janus(count, plan, tuned=True),
        "limit": _limit,
    }
    why = Janus.why_not_tuned()
    chosen = [s for s in plan.servers.split(",") if not (s == "janus tuned" and why)]
    points: list[Point] = []

    def take(turn: int, name: str, count: int) -> Point:
        point = servers[name](count, plan)
        points.append(point)
        say(
            f"round {turn + 1}  {name:11} {count:4} viewers  {point.us_per_packet:6.2f} µs/packet"
            f"  {point.packets_per_s:8.0f} packets/s  lost {point.lost}"
            f"  recovered {point.recovered}  unrecovered {point.unrecovered}"
        )
        return point

    for turn in range(plan.rounds):
        for count in counts:
            for name in chosen:
                take(turn, name, count)
    top = max(counts)
    against = {peer: _common_count(points, peer, counts) for peer in ("janus", "janus tuned") if peer in chosen}
    for peer, count in list(against.items()):
        if count == top or "fieldgate" not in chosen:
            continue
        # The peer lost more than 0.1 % at the top: the highest rate that both carry lies between.
        for between in (c for c in (100, 70, 40) if count < c < top):
            if take(0, peer, between).lost_share <= 0.001:
                take(0, "fieldgate", between)
                for turn in range(1, plan.rounds):
                    take(turn, peer, between)
                    take(turn, "fieldgate", between)
                against[peer] = between
                break
    at_top = [p for p in points if p.server == "fieldgate" and p.viewers == top]
    finish(
        {
            "ratio_to_janus": _ratio(points, "fieldgate", "janus", against.get("janus", top)),
            "ratio_to_janus_tuned": _ratio(points, "fieldgate", "janus tuned", against.get("janus tuned", top)),
            "ratio_to_limit": _ratio(points, "fieldgate", "limit", top, "engine_us_per_packet"),
            "lost": sum(p.lost + p.unrecovered for p in points if p.server == "fieldgate"),
            "us_per_packet": statistics.median([p.us_per_packet for p in at_top]) if at_top else None,
            "packets_per_s": statistics.median([p.packets_per_s for p in at_top]) if at_top else None,
            "compared_at_viewers": against,
            "janus_tuned_missing": why or None,
            "source_packets_per_s": pps,
            "points": [asdict(p) for p in points],
            "machine": machine(),
        }
    )


if __name__ == "__main__":
    main()
