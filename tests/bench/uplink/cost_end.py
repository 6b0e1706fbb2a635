"""An end of the relay whose processor time is measured: `cost_end kit|center srtp|bundle ADDRESS PORT STREAMS`.

It says on which ports it takes cameras' RTP (the kit) or that it is there; then, for each line it is sent, one line
with the processor time of the media plane's threads and how many frames its streams got.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import socket
import sys
import time

from gateway import codecs
from tests.bench.common import thread_cpu_ns
from tests.bench.uplink.way import udp
from tests.bench.uplink.way_bundle import GATEWAY, keys

H264 = codecs.RtpMap(96, "h264", 90_000, fmtp="packetization-mode=1;profile-level-id=42e01f")


def srtp_key(stream: int) -> tuple[bytes, bytes]:
    whole = hashlib.sha256(f"bench {stream}".encode()).digest()
    return whole[:16], whole[16:28]


class Relay:
    def __init__(self, kit: bool, system: str, address: str, port: int, streams: int) -> None:
        self.engine = codecs.Engine(threads=1)
        self.streams = [self.engine.open_stream(f"bench/{index}") for index in range(streams)]
        self.ports = [self._camera(stream) for stream in self.streams] if kit else []
        self._taken: dict[int, int] = {}
        if system == "srtp":
            for index in range(streams):
                self._srtp(kit, index, address, port + 2 * index)
        elif kit:
            self._bundle_kit(address, port)
        else:
            door = self.engine.bundle_listen(udp(address, port).detach(), private=keys("center")[0])
            self.engine.bundle_admit(door, [(keys("kit")[1], GATEWAY)])

    def _camera(self, stream: int) -> int:
        wire = udp("127.0.0.1", 0)
        port = int(wire.getsockname()[1])
        self.engine.open_rtp(stream, udp_fd=wire.detach(), hint="h264")
        return port

    def _srtp(self, kit: bool, index: int, address: str, port: int) -> None:
        wire = udp("0.0.0.0", 0, "lteA") if kit else udp(address, port)
        session = self.engine.open_rtp_session(wire.detach(), stream=self.streams[index])
        key, salt = srtp_key(index)
        to = (address, port) if kit else ("0.0.0.0", 0)
        self.engine.arm_rtp_session(session, *to, keys=("AEAD_AES_128_GCM", key, salt, key, salt))
        if kit:
            self.engine.subscribe_session(
                self.streams[index],
                session,
                video=[H264],
                audio=[],
                video_ssrc=1000 + index,
                video_rtx_ssrc=0,
                audio_ssrc=0,
                cname="bench",
            )
        else:
            self.engine.open_session_in(self.streams[index], session, video=[H264])

    def _bundle_kit(self, address: str, port: int) -> None:
        self._bundle = self.engine.bundle_dial(
            private=keys("kit")[0], peer=keys("center")[1], gateway=GATEWAY, boot=time.monotonic_ns() // 1_000_000
        )
        wire = udp("0.0.0.0", 0, "lteA")
        self.engine.bundle_path(self._bundle, wire.detach(), address, port, path=0, name="lteA", kind="udp")

    def work(self) -> None:
        for event in self.engine.drain():
            if not isinstance(event, codecs.BundleEvent):
                continue
            if event.kind == "up" and self.ports:
                for flow, stream in enumerate(self.streams):
                    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                    self.engine.bundle_flow(
                        event.bundle, flow, theirs.detach(), carries="frames", way="out", mode="spread", playout_ms=400
                    )
                    subscription = self.engine.open_frames_out(stream, ours.detach())
                    self.engine.bundle_join(event.bundle, flow, subscription, way="out")
            elif event.kind == "flow":
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                self.engine.bundle_flow(event.bundle, event.number, theirs.detach(), carries="frames", way="in")
                leg = self.engine.open_frames_in(self.streams[event.number], ours.detach())
                self.engine.bundle_join(event.bundle, event.number, leg, way="in")

    def counted(self) -> dict[str, float]:
        frames = sum(int(self.engine.stream_stats(stream)["frames"]) for stream in self.streams)
        parts = {name: thread_cpu_ns(os.getpid(), name) for name in ("fg-media", "fg-bundle")}
        return {"cpu_ns": thread_cpu_ns(os.getpid(), "fg-"), "frames": frames, **parts}


def main() -> None:
    end, system, address, port, streams = sys.argv[1:]
    relay = Relay(end == "kit", system, address, int(port), int(streams))
    print(json.dumps({"ports": relay.ports}), flush=True)
    while True:
        ready, _, _ = select.select([relay.engine.event_fd, sys.stdin], [], [])
        relay.work()
        if sys.stdin in ready:
            if not sys.stdin.readline():
                return
            print(json.dumps(relay.counted()), flush=True)


if __name__ == "__main__":
    main()
