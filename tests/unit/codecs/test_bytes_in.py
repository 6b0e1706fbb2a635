"""Containers that come over stream sockets and pipes, made by FFmpeg."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from gateway import codecs
from tests.unit.codecs.rig import Rig

SECONDS = 4


@pytest.fixture(scope="session")
def transport(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Four seconds of H.264 with B-frames and AAC as a transport stream."""
    path = tmp_path_factory.mktemp("ts") / "a.ts"
    line = (
        f"ffmpeg -v error -f lavfi -i testsrc2=size=640x360:rate=25:duration={SECONDS} -f lavfi -i "
        f"sine=frequency=440:sample_rate=48000:duration={SECONDS} -c:v libx264 -preset ultrafast -bf 2 -g 25 "
        f"-pix_fmt yuv420p -c:a aac -shortest -f mpegts {path}"
    )
    subprocess.run(line.split(), check=True, timeout=60)
    return Path(path).read_bytes()


def test_a_segment_that_comes_at_once_goes_on_in_its_own_time(rig: Rig, transport: bytes) -> None:
    stream = rig.engine.open_stream("hls")
    near, far = socket.socketpair()
    leg = rig.engine.open_bytes_in(stream, near.detach(), "ts")
    with far:
        far.sendall(transport[:300_000])
        track = rig.wait(codecs.TrackEvent, lambda e: e.kind == "video")
        assert (track.codec, track.width, track.height) == ("h264", 640, 360)
        assert rig.wait(codecs.TrackEvent, lambda e: e.kind == "audio").codec == "aac"
        assert rig.wait(codecs.LegEvent, lambda e: e.state == "media").leg == leg
        begun = time.monotonic()
        far.sendall(transport[300_000:])
    ended = rig.wait(codecs.LegEvent, lambda e: e.state == "closed", patience_s=30)
    assert (ended.leg, ended.code) == (leg, "source-ended")
    assert time.monotonic() - begun > SECONDS - 1.5
    assert rig.engine.stream_stats(stream)["frames"] >= SECONDS * 25 - 2


def test_a_writer_of_segments_feels_back_pressure(rig: Rig, transport: bytes) -> None:
    stream = rig.engine.open_stream("hls")
    near, far = os.pipe()
    rig.engine.open_bytes_in(stream, near, "ts")
    os.set_blocking(far, False)
    written, full_since = 0, 0.0
    # The same four seconds over and over would be minutes of media: the leg stops reading long before.
    while not full_since or time.monotonic() - full_since < 0.5:
        try:
            written += os.write(far, transport[written % len(transport) :][:65536])
            full_since = 0.0
        except BlockingIOError:
            full_since = full_since or time.monotonic()
            time.sleep(0.01)
        assert written < 100 * len(transport)
    os.close(far)


@pytest.mark.parametrize("container", ["avi", ""])
def test_a_container_that_nobody_reads_is_refused(rig: Rig, container: str) -> None:
    stream = rig.engine.open_stream("x")
    near, far = socket.socketpair()
    with far, pytest.raises(codecs.MediaError, match="no reader"):
        rig.engine.open_bytes_in(stream, near.detach(), container)  # type: ignore[arg-type]
