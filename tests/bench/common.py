"""Shared parts of the benches: real H.264 as RTP packets on disk, CPU of processes and threads, the machine."""

from __future__ import annotations

import json
import os
import platform
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "codecs" / "target" / "release" / "examples"
WORK = ROOT / ".make" / "bench"

RTP_PAYLOAD_BYTES = 1188  # 1200-byte packets, as browsers and cameras keep below the MTU


def say(text: str) -> None:
    print(f"▸ {text}", file=sys.stderr, flush=True)


def finish(result: dict[str, object]) -> None:
    """The last line of every bench: one line of JSON."""
    print(json.dumps(result, ensure_ascii=False), flush=True)


def machine() -> dict[str, object]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), platform.machine())
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}


def h264_file(bitrate: str = "4M", size: str = "1280x720", fps: int = 30, seconds: int = 10) -> Path:
    """Constrained-baseline H.264 of a moving, noisy picture: the asked bitrate is really reached."""
    path = WORK / f"noise-{size}-{fps}-{bitrate}-{seconds}s.h264"
    if not path.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        source = f"testsrc2=size={size}:rate={fps}:duration={seconds},noise=alls=24:allf=t"
        command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-c:v", "libx264", "-preset", "veryfast"]
        command += ["-profile:v", "baseline", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", str(2 * fps)]
        command += ["-x264-params", "slices=1:sliced-threads=0:scenecut=0"]
        command += ["-b:v", bitrate, "-maxrate", bitrate, "-bufsize", bitrate, "-f", "h264", str(path) + ".part"]
        subprocess.run(command, check=True)
        Path(str(path) + ".part").rename(path)
    return path


def _nalus(data: bytes) -> Iterator[bytes]:
    at = data.find(b"\0\0\1")
    while at >= 0:
        after = data.find(b"\0\0\1", at + 3)
        nalu = data[at + 3 : after if after >= 0 else len(data)]
        yield nalu.rstrip(b"\0") if after >= 0 else nalu
        at = after


def _pictures(data: bytes) -> Iterator[list[bytes]]:
    """NAL units grouped by picture: the encoder was told to use one slice each."""
    group: list[bytes] = []
    for nalu in _nalus(data):
        group.append(nalu)
        if nalu[0] & 0x1F in (1, 5):
            yield group
            group = []


def _payloads(nalu: bytes) -> Iterator[bytes]:
    """RFC 6184: single NAL unit, or FU-A fragments of equal size."""
    if len(nalu) <= RTP_PAYLOAD_BYTES:
        yield nalu
        return
    body, room = nalu[1:], RTP_PAYLOAD_BYTES - 2
    count = -(-len(body) // room)
    size = -(-len(body) // count)
    for index in range(count):
        flags = (0x80 if index == 0 else 0) | (0x40 if index == count - 1 else 0)
        yield bytes([nalu[0] & 0xE0 | 28, flags | nalu[0] & 0x1F]) + body[index * size : (index + 1) * size]


def rtp_file(h264: Path, fps: int = 30, *, pt: int = 96, ssrc: int = 0x0BE4C001) -> tuple[Path, float]:
    """Records for codecs/examples/rtp_source.rs; returns the file and its packets per second."""
    path = h264.with_suffix(f".pt{pt}.rtp")
    seq, frames, out = 0, 0, bytearray()
    for picture in _pictures(h264.read_bytes()):
        payloads = [p for nalu in picture for p in _payloads(nalu)]
        for index, payload in enumerate(payloads):
            marker = 0x80 if index == len(payloads) - 1 else 0
            header = struct.pack("!BBHII", 0x80, marker | pt, seq & 0xFFFF, frames * 90000 // fps, ssrc)
            out += struct.pack("<IH", frames * 1_000_000 // fps, 12 + len(payload)) + header + payload
            seq += 1
        frames += 1
    out += struct.pack("<IH", frames * 1_000_000 // fps, 0)
    path.write_bytes(out)
    return path, seq * fps / frames


def first_picture_packets(path: Path) -> list[bytes]:
    """The first key frame of an rtp_file, for keeping a leg alive before the native source starts."""
    data, at, packets = path.read_bytes(), 0, []
    while True:
        when, length = struct.unpack_from("<IH", data, at)
        if length == 0 or when > 0:
            return packets
        packets.append(data[at + 6 : at + 6 + length])
        at += 6 + length


def thread_cpu_ns(pid: int, name_prefix: str = "") -> int:
    """On-CPU nanoseconds of all threads of `pid` whose name begins so (scheduler's own accounting)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            if (task / "comm").read_text().startswith(name_prefix):
                total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def rss_kb(pid: int) -> int:
    """Resident set in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0
