"""A player as a process of its own: `python -m tests.interop.reader URL --seconds 4`; one line of JSON.

FFmpeg 8 (PyAV) reads and decodes: pictures are counted, times watched, and the tone looked for in the sound. SRT
is read by Debian's FFmpeg, which has libsrt, and piped here.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import time
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import av
from av.audio.resampler import AudioResampler

from tests.interop.fixtures import TONE_HZ


def tone_share(samples: Sequence[float], rate: int, hz: float = TONE_HZ) -> float:
    """The part of the power that stands at `hz` (Goertzel's filter), 0 … 1. Silence has none."""
    power = sum(s * s for s in samples)
    if power < 1e-4 * len(samples):
        return 0.0
    turn = 2 * math.cos(2 * math.pi * hz / rate)
    one = two = 0.0
    for sample in samples:
        one, two = sample + turn * one - two, one
    return (one * one + two * two - turn * one * two) / (power * len(samples) / 2)


def _open(url: str, wait_s: float) -> tuple[Any, subprocess.Popen[bytes] | None]:
    options = {"probesize": "500000", "analyzeduration": "1500000", "tls_verify": "0"}
    if url.startswith("rtsp"):
        options["rtsp_transport"] = "tcp"
    if url.startswith("srt:"):
        words = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-i", url, "-c", "copy", "-f", "mpegts", "pipe:1"]
        words[4:4] = ["-probesize", "500000", "-analyzeduration", "1500000"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        piped: BinaryIO | None = process.stdout
        return av.open(piped, format="mpegts", options=options), process  # type: ignore[call-overload]
    return av.open(url, options=options, timeout=wait_s), None


def _packets(container: Any, until: float) -> Iterator[Any]:
    for packet in container.demux():
        yield packet
        if time.monotonic() > until:
            return


def read(url: str, seconds: float, wait_s: float, hz: float = TONE_HZ) -> dict[str, Any]:
    began = time.monotonic()
    container, process = _open(url, wait_s)
    result: dict[str, Any] = {"frames": 0, "video": "", "audio": "", "tone": 0.0, "backwards": 0, "first_s": None}
    resampler = AudioResampler(format="flt", layout="mono", rate=16000)
    samples = array("f")
    last: dict[int, int] = {}
    try:
        until = time.monotonic() + seconds
        for packet in _packets(container, until):
            if packet.dts is not None:
                result["backwards"] += packet.dts < last.get(packet.stream.index, packet.dts)
                last[packet.stream.index] = packet.dts
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue
            for frame in frames:
                if packet.stream.type == "video":
                    if result["first_s"] is None:
                        result["first_s"] = round(time.monotonic() - began, 3)
                    result["frames"] += 1
                    result["size"] = [frame.width, frame.height]
                elif packet.stream.type == "audio":
                    for made in resampler.resample(frame):
                        samples.frombytes(bytes(made.planes[0])[: made.samples * 4])
        for stream in container.streams:
            result[stream.type] = stream.codec_context.name
    finally:
        if process is not None:
            process.kill()
            process.wait()
    # Of the last second and a half, as what came while players settle is no measure: the best tenth of a second, as a
    # ball beeps.
    late = samples[-24000:]
    shares = [tone_share(late[at : at + 1600], 16000, hz) for at in range(0, len(late) - 1600, 800)]
    result["tone"] = round(max(shares), 3) if len(samples) > 8000 else 0.0
    result["heard_s"] = round(len(samples) / 16000, 2)
    return result


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("url")
    asked.add_argument("--seconds", type=float, default=4.0)
    asked.add_argument("--wait", type=float, default=15.0)
    asked.add_argument("--hz", type=float, default=TONE_HZ)
    given = asked.parse_args()
    try:
        print(json.dumps(read(given.url, given.seconds, given.wait, given.hz)))
    except (av.error.FFmpegError, OSError) as exc:
        print(json.dumps({"error": f"{type(exc).__name__}: {exc}"}))


if __name__ == "__main__":
    main()
