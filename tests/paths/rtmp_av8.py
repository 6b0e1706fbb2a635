"""FFmpeg 8 by PyAV as a process of its own (it keeps the interpreter's lock while it connects):

python -m tests.paths.rtmp_av8 send URL FILE TIMES      in real time, over and over, without encoding it anew
python -m tests.paths.rtmp_av8 read URL SECONDS         prints {"codec": decoded frames}
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import av

OPTIONS = {"rtmp_enhanced_codecs": "hvc1,av01,Opus"}


def send(url: str, file: str, times: int) -> None:
    with av.open(url, "w", format="flv", options=OPTIONS) as out:
        tracks: dict[int, Any] = {}
        base, begun = 0.0, time.monotonic()
        for _ in range(times):
            with av.open(file) as source:
                if not tracks:
                    tracks = {s.index: out.add_stream_from_template(s, opaque=True) for s in source.streams}
                last = base
                for packet in source.demux():
                    if packet.dts is None or packet.time_base is None:
                        continue
                    at = base + float(packet.dts * packet.time_base)
                    time.sleep(max(0.0, begun + at - time.monotonic()))
                    shift = round(base / float(packet.time_base))
                    packet.pts, packet.dts = (packet.pts or packet.dts) + shift, packet.dts + shift
                    last = max(last, at + 0.08)
                    packet.stream = tracks[packet.stream.index]
                    out.mux(packet)
                base = last


def read(url: str, seconds: float) -> dict[str, int]:
    found: dict[str, int] = {}
    with av.open(url, options=OPTIONS, timeout=15.0) as source:
        begun: dict[int, float] = {}
        for packet in source.demux():
            if packet.dts is None or packet.time_base is None:
                continue
            at = float(packet.dts * packet.time_base)
            if at - begun.setdefault(packet.stream.index, at) > seconds:
                break
            name = packet.stream.codec_context.codec.canonical_name
            found[name] = found.get(name, 0) + len(packet.decode())
    return found


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        print(json.dumps(read(sys.argv[2], float(sys.argv[3]))))
