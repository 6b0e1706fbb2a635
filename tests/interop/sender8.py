"""FFmpeg 8 (PyAV) as sender, in real time, copying packets: `python -m tests.interop.sender8 FILE URL flv|whip`.

It speaks what Debian's FFmpeg does not: enhanced RTMP and WHIP.
"""

from __future__ import annotations

import os
import sys
import time

import av


def main() -> None:
    path, url, muxer = sys.argv[1:4]
    options = {}
    if muxer == "whip":
        # WHIP takes its token as an option; of TLS the test's own authority is not known to FFmpeg.
        options = {"authorization": os.environ.get("WHIP_TOKEN", ""), "tls_verify": "0"}
    with av.open(path) as source, av.open(url, "w", format=muxer, options=options) as sink:
        streams = {one.index: sink.add_stream_from_template(one) for one in source.streams}
        began = time.monotonic()
        for packet in source.demux():
            if packet.dts is None:
                continue
            ahead = float(packet.dts * packet.time_base) - (time.monotonic() - began)
            if ahead > 0:
                time.sleep(ahead)
            packet.stream = streams[packet.stream.index]
            sink.mux(packet)


if __name__ == "__main__":
    main()
