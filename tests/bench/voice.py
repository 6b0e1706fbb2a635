"""bench-voice: CPU of mixed voice legs beside pjsua2 and rtpengine in one run, and how late the 20 ms clock is.

- 1, 30 and 100 G.711 legs and 30 Opus legs, everybody talking, mixed in groups of five by the media plane.
- pjsua2 with Python ports, 28 calls in seven processes of four (its compiled limit), against SIPp's echo; and its own
  bridge without Python, for comparison.
- rtpengine in user space relaying 30 G.711 legs in pairs, and the media plane relaying the same without mixing.
- The clock's lateness with the interpreter stalled 200 ms each second, with and without 30 legs; beside it a bare
  thread of this machine that sleeps to the same ticks.
- From a key to what the others hear, and from an emergency, through the core; no jitter buffer in between.

Rounds are interleaved; a ratio is the median of the rounds' ratios. CPU is the scheduler's own account of all threads.
The last line is JSON: ratio_to_pjsua2, ratio_to_rtpengine, clock_p99_ms, cpu_percent_per_leg, and the figures behind.
"""

from __future__ import annotations

import argparse
import json
import math
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.common import EXAMPLES, WORK, finish, machine, say, thread_cpu_ns
from tests.bench.voice_rtpengine import RtpEngine

PEER_PORT = 31000  # below the ports that the kernel hands out by itself (32768 and up)
SIP_PORT, ECHO_PORT, PJ_RTP = 31600, 31700, 31800
PJ_CALLS, PJ_EACH = 28, 4
WARM_S = 1.5
PLANS = {"pcma": (8, 160), "opus": (111, 960)}


def payload_file(codec: str) -> Path:
    """Ten seconds of something like speech, in payloads of 20 ms."""
    file = WORK / f"voice-{codec}.payloads"
    if file.exists():
        return file
    WORK.mkdir(parents=True, exist_ok=True)
    source = "sine=f=180:b=4:d=10,tremolo=f=4:d=0.9,volume=3"
    common = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-ac", "1"]
    out = bytearray()
    if codec == "pcma":
        raw = subprocess.run([*common, "-ar", "8000", "-f", "alaw", "-"], check=True, capture_output=True).stdout
        frames = [raw[at : at + 160] for at in range(0, len(raw) - 159, 160)]
    else:
        ogg = WORK / "voice.opus"
        opus = ["-ar", "48000", "-c:a", "libopus", "-b:a", "24k", "-frame_duration", "20", str(ogg)]
        subprocess.run([*common, *opus], check=True)
        frames = list(_ogg_packets(ogg.read_bytes()))[2:]  # after OpusHead and OpusTags
    for frame in frames:
        out += struct.pack("<H", len(frame)) + frame
    file.write_bytes(out)
    return file


def _ogg_packets(data: bytes) -> Iterator[bytes]:
    """RFC 3533 §6: pages of segments; a segment shorter than 255 ends a packet."""
    at, packet = 0, b""
    while at < len(data):
        count = data[at + 26]
        table, at = data[at + 27 : at + 27 + count], at + 27 + count
        for length in table:
            packet += data[at : at + length]
            at += length
            if length < 255:
                yield packet
                packet = b""


class Peers:
    """The load generator."""

    def __init__(self, codec: str, ports: list[int], seconds: float) -> None:
        pt, step = PLANS[codec]
        arguments = [str(payload_file(codec)), str(pt), str(step), str(len(ports)), str(seconds), str(PEER_PORT)]
        self._process = subprocess.Popen(
            [EXAMPLES / "voice_peers", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        self._process.stdin.write("\n".join(f"127.0.0.1:{port}" for port in ports))
        self._process.stdin.close()
        self._process.stdin = None

    def done(self) -> dict[str, Any]:
        out, _ = self._process.communicate(timeout=120)
        found: dict[str, Any] = json.loads(out)
        return found


@contextmanager
def plane(what: str, codec: str, legs: int, *extra: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.voice_plane", what, codec, str(legs), str(PEER_PORT), *extra],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def cpu_of(pids: list[int], seconds: float) -> float:
    """Percent of one core, over `seconds` from now."""
    before, began = sum(thread_cpu_ns(pid) for pid in pids), time.perf_counter()
    time.sleep(seconds)
    spent = sum(thread_cpu_ns(pid) for pid in pids) - before
    return spent / (time.perf_counter() - began) / 1e7


def ours(what: str, codec: str, legs: int, seconds: float) -> dict[str, float]:
    """CPU per leg in percent, and what came back, as a share of what should have."""
    with plane(what, codec, legs) as (process, ports):
        peers = Peers(codec, ports, seconds + 2 * WARM_S)
        time.sleep(WARM_S)
        percent = cpu_of([process.pid], seconds)
        result = peers.done()
        out, _ = process.communicate("", timeout=20)
        clock = json.loads(out)
    served = result["received_least"] * legs / max(1, result["sent"])
    return {"percent_per_leg": percent / legs, "served": served, "clock_p99_ms": clock.get("late_p99_ms", 0.0)}


@contextmanager
def echo() -> Iterator[None]:
    """SIPp answers every call and sends the sound back."""
    process = subprocess.Popen(
        ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(SIP_PORT), "-mi", "127.0.0.1", "-mp", str(ECHO_PORT),
         "-rtp_echo", "-nostdin"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        time.sleep(0.5)
        yield
    finally:
        process.kill()
        process.wait()


def pjsua2(how: str, calls: int, seconds: float) -> float:
    """CPU per call in percent."""
    with echo():
        running = []
        try:
            for index in range(0, calls, PJ_EACH):
                arguments = [
                    how,
                    str(min(PJ_EACH, calls - index)),
                    str(SIP_PORT),
                    str(PJ_RTP + 100 * (index // PJ_EACH)),
                ]
                running.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "tests.bench.voice_pjsua2", *arguments],
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                    )
                )  # fmt: skip
            for process in running:
                assert process.stdout is not None
                for line in process.stdout:
                    if line == "up\n":
                        break
                else:
                    raise RuntimeError("pjsua2 did not place its calls")
            time.sleep(WARM_S)
            return cpu_of([process.pid for process in running], seconds) / calls
        finally:
            for process in running:
                process.kill()
                process.wait()


def rtpengine(legs: int, seconds: float) -> dict[str, float]:
    with RtpEngine() as engine:
        peers = Peers("pcma", engine.pairs(legs, PEER_PORT), seconds + 2 * WARM_S)
        time.sleep(WARM_S)
        percent = cpu_of([engine.process.pid], seconds)
        result = peers.done()
    return {"percent_per_leg": percent / legs, "served": result["received_least"] * legs / max(1, result["sent"])}


def clock(legs: int, seconds: float) -> dict[str, float]:
    """The 20 ms clock while the interpreter is held 200 ms each second."""
    with plane("mix", "pcma", legs, "stall") as (process, ports):
        peers = Peers("pcma", ports, seconds)
        peers.done()
        out, _ = process.communicate("", timeout=20)
    found: dict[str, float] = json.loads(out)
    return found


def floor(rounds: int) -> dict[str, float]:
    """Milliseconds of tests.bench.voice_floor."""
    command = [sys.executable, "-m", "tests.bench.voice_floor", str(rounds)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=180).stdout)
    return found


def bare_clock(seconds: float) -> float:
    """p99 lateness in ms of a plain thread that sleeps to the same ticks on this machine, as ordinary as can be."""
    late, began = [], time.monotonic()
    for tick in range(round(seconds / 0.02)):
        due = began + 0.02 * tick
        time.sleep(max(0.0, due - time.monotonic()))
        late.append((time.monotonic() - due) * 1000)
    late.sort()
    return late[math.floor(len(late) * 0.99) - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="length of one measurement")
    options = parser.parse_args()
    rounds, seconds = options.rounds, options.seconds
    kept: dict[str, list[float]] = {}

    def keep(name: str, value: float) -> float:
        kept.setdefault(name, []).append(value)
        return value

    served = 1.0
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}: media plane, 30 G.711 legs in groups of five")
        mixed = ours("mix", "pcma", 30, seconds)
        say(f"  pjsua2, {PJ_CALLS} calls by Python ports; then its own bridge")
        ports = keep("pjsua2_ports", pjsua2("ports", PJ_CALLS, seconds))
        bridge = keep("pjsua2_bridge", pjsua2("bridge", PJ_CALLS, seconds))
        say("  relays without mixing: media plane, rtpengine, 30 G.711 legs")
        relayed, peer = ours("relay", "pcma", 30, seconds), rtpengine(30, seconds)
        say("  media plane: 1 and 100 G.711 legs, 30 Opus legs")
        for legs in (1, 100):
            one = ours("mix", "pcma", legs, seconds)
            keep(f"g711_{legs}", one["percent_per_leg"])
            served = min(served, one["served"])
        opus = ours("mix", "opus", 30, seconds)
        keep("g711_30", mixed["percent_per_leg"])
        keep("opus_30", opus["percent_per_leg"])
        keep("relay", relayed["percent_per_leg"])
        keep("rtpengine", peer["percent_per_leg"])
        keep("ratio_to_pjsua2", mixed["percent_per_leg"] / ports)
        keep("ratio_to_bridge", mixed["percent_per_leg"] / bridge)
        keep("ratio_to_rtpengine", relayed["percent_per_leg"] / peer["percent_per_leg"])
        served = min(served, mixed["served"], relayed["served"], opus["served"])
        keep("rtpengine_served", peer["served"])
    say("the 20 ms clock while the interpreter is held 200 ms each second: no load, 30 legs, and a bare thread")
    idle, loaded = clock(5, 20.0), clock(30, 20.0)
    bare = bare_clock(20.0)
    say("from a key to what the others hear, and an emergency, through core and media plane in one process")
    pressed = floor(60)
    middle = {name: statistics.median(values) for name, values in kept.items()}
    for name, values in kept.items():
        say(f"  {name:20} " + "  ".join(f"{value:.4f}" for value in values))
    finish(
        {
            "ratio_to_pjsua2": round(middle["ratio_to_pjsua2"], 4),
            "ratio_to_rtpengine": round(middle["ratio_to_rtpengine"], 4),
            "clock_p99_ms": round(loaded["late_p99_ms"], 3),
            "cpu_percent_per_leg": round(middle["g711_30"], 4),
            "cpu_percent_per_leg_1": round(middle["g711_1"], 4),
            "cpu_percent_per_leg_100": round(middle["g711_100"], 4),
            "cpu_percent_per_leg_opus": round(middle["opus_30"], 4),
            "pjsua2_ports_percent_per_call": round(middle["pjsua2_ports"], 4),
            "pjsua2_bridge_percent_per_call": round(middle["pjsua2_bridge"], 4),
            "ratio_to_pjsua2_bridge": round(middle["ratio_to_bridge"], 4),
            "relay_percent_per_leg": round(middle["relay"], 4),
            "rtpengine_percent_per_leg": round(middle["rtpengine"], 4),
            "served_least": round(served, 4),
            "clock_p99_ms_5_legs": round(idle["late_p99_ms"], 3),
            "clock_max_ms": round(loaded["late_max_ms"], 3),
            "clock_skipped": loaded["skipped"],
            "key_up_p95_ms": pressed["key_p95_ms"],
            "key_up_max_ms": pressed["key_max_ms"],
            "preempt_p95_ms": pressed["preempt_p95_ms"],
            "preempt_max_ms": pressed["preempt_max_ms"],
            "mouth_to_ear_p95_ms": pressed["bare_p95_ms"],
            "bare_thread_p99_ms": round(bare, 3),
            "rounds": rounds,
            **machine(),
        }
    )


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


if __name__ == "__main__":
    taken = [port for port in (PEER_PORT, SIP_PORT, ECHO_PORT, PJ_RTP) if not _free(port)]
    if taken:
        sys.exit(f"UDP ports {taken} are in use: end what holds them (ss -lunp) and run again")
    main()
