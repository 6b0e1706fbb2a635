"""A viewer that stays: `python -m tests.peers.onlooker URL` tells each picture in a line of JSON until it is ended.

{"at": seconds, "wide": 640, "high": 360, "codec": "h264"} for a picture, {"back": track} where a dts went back,
{"end": why} at the end of the stream. `at` is the machine's monotonic clock, which all its processes share. RTSP and
RTMP are read by FFmpeg 8 (PyAV) itself; SRT by srt-live-transmit, whose transport stream is piped here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import av

PROBING = {"probesize": "65536", "analyzeduration": "200000"}
"""Not `nobuffer`: with it FFmpeg throws away what it reads while it probes, the cached key frame among it, and would
have to wait for the next one."""


def tell(**words: object) -> None:
    print(json.dumps(words), flush=True)


def opened(url: str) -> tuple[Any, subprocess.Popen[bytes] | None]:
    if url.startswith("srt:"):
        # Unbuffered: Python's own buffer would wait until 32 KiB have come, most of half a second of such a stream.
        command = ["srt-live-transmit", "-q", url, "file://con"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)
        return av.open(process.stdout, format="mpegts", options=PROBING), process
    more = {"rtsp": {"rtsp_transport": "tcp"}, "https": {"tls_verify": "0"}}.get(url.partition(":")[0], {})
    return av.open(url, options=PROBING | more, timeout=(15.0, 180.0)), None


def watch(container: Any) -> None:
    last: dict[int, int] = {}
    for packet in container.demux():
        track = packet.stream.index
        # The first one of RTSP has no time yet, and is the key frame that all begins with.
        if packet.dts is not None:
            if packet.dts < last.get(track, packet.dts):
                tell(back=track, by=last[track] - packet.dts, when=time.monotonic())
            last[track] = packet.dts
        if packet.stream.type != "video":
            continue
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        for frame in frames:
            tell(at=time.monotonic(), wide=frame.width, high=frame.height, codec=packet.stream.codec_context.name)


def main() -> None:
    began = time.monotonic()
    process = None
    try:
        container, process = opened(sys.argv[1])
        tell(began=began, probed=time.monotonic())
        watch(container)
        tell(end="the stream ended")
    except (av.error.FFmpegError, OSError) as exc:
        tell(end=f"{type(exc).__name__}: {exc}")
    finally:
        if process is not None:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
