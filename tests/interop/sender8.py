"""FFmpeg 8 (PyAV) as sender, in real time, copying packets: `python -m tests.interop.sender8 FILE URL flv|whip`.

It speaks what Debian's FFmpeg does not: enhanced RTMP and WHIP.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import av


def certificate(folder: Path) -> dict[str, str]:
    """A self-signed one for DTLS, made once."""
    made = {"cert_file": folder / "dtls.crt", "key_file": folder / "dtls.key"}
    if not made["cert_file"].exists():
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-keyout", str(made["key_file"]), "-out", str(made["cert_file"]), "-days", "3650", "-subj", "/CN=x"]
        subprocess.run(command, check=True, capture_output=True)
    return {name: str(file) for name, file in made.items()}


def main() -> None:
    path, url, muxer = sys.argv[1:4]
    options = {}
    if muxer == "whip":
        # WHIP takes its token as an option, and a certificate on P-256: its own is on a curve that OpenSSL refuses.
        options = {"authorization": os.environ["WHIP_TOKEN"], **certificate(Path(path).parent)}
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
