"""The child of bench-voice that is measured: the media plane with N legs, mixed in groups of five or just relayed.

`python -m tests.bench.voice_plane mix|relay CODEC LEGS PEER_PORT [stall]`. It prints a line with its ports, runs until
its stdin is closed, and prints one line of JSON with the 20 ms clock's figures.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time

from gateway import codecs

GROUP = 5
STALL_S, STALL_EVERY_S = 0.2, 1.0
MAPS = {"pcma": (8, 8000), "opus": (111, 48000)}


def udp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    return made


def mix(engine: codecs.Engine, codec: str, legs: int, peer: int) -> list[int]:
    """Phones in groups of five, all of them talking and listening."""
    ports, room = [], 0
    pt, clock = MAPS[codec]
    for index in range(legs):
        if index % GROUP == 0:
            room = engine.open_room(f"bench-{index // GROUP}")
        inlet = udp()
        ports.append(inlet.getsockname()[1])
        session = engine.open_rtp_session(inlet.detach())
        engine.arm_rtp_session(session, "127.0.0.1", peer + 2 * index, latch="strict")
        payload = codecs.RtpMap(pt, codec, clock)
        voice = engine.open_voice_session(session, send=[payload], receive=[payload], ssrc=1000 + index, cname="bench")
        engine.route(room, voice, talk=True, listen=True)
    return ports


def relay(engine: codecs.Engine, codec: str, legs: int, peer: int) -> list[int]:
    """Each leg's packets to the other one of its pair, unmixed: what a media proxy does."""
    ports = []
    pt, clock = MAPS[codec]
    payload = codecs.RtpMap(pt, codec, clock)
    for index in range(legs):
        stream = engine.open_stream(f"bench/{index}")
        inlet, outlet = udp(), udp()
        ports.append(inlet.getsockname()[1])
        engine.open_rtp(stream, udp_fd=inlet.detach(), payloads=[payload], hint=codec)
        engine.subscribe_rtp(
            stream, outlet.detach(), "127.0.0.1", peer + 2 * (index ^ 1),
            video=[], audio=[payload], video_ssrc=0, audio_ssrc=2000 + index, cname="bench",
        )  # fmt: skip
    return ports


def _stall(stop: threading.Event) -> None:
    """Hold the interpreter lock: one C call that never gives it up, sized to take STALL_S."""
    count = 1_000_000
    began = time.perf_counter()
    sum(range(count))
    count = int(count * STALL_S / (time.perf_counter() - began))
    while not stop.wait(STALL_EVERY_S - STALL_S):
        sum(range(count))


def main() -> None:
    what, codec, legs, peer = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    engine = codecs.Engine(threads=1)
    ports = (mix if what == "mix" else relay)(engine, codec, legs, peer)
    engine.voice_clock()
    print(json.dumps(ports), flush=True)
    stop = threading.Event()
    drain = threading.Thread(target=lambda: _drain(engine, stop), daemon=True)
    drain.start()
    if "stall" in sys.argv[5:]:
        threading.Thread(target=_stall, args=(stop,), daemon=True).start()
    sys.stdin.read()
    stop.set()
    print(json.dumps(engine.voice_clock()), flush=True)
    engine.close()


def _drain(engine: codecs.Engine, stop: threading.Event) -> None:
    """The control plane's own work goes on, as in the daemon."""
    while not stop.wait(0.05):
        engine.drain()


if __name__ == "__main__":
    main()
