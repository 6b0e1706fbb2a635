"""RTMP on wires: two of ours back to back, and bytes of our making; FLV and CMAF on the way, judged by FFmpeg."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import codecs
from tests.unit.codecs.rig import Rig

VECTORS = Path(__file__).parents[2] / "vectors" / "media"
PATIENCE_S = 60.0


@pytest.fixture(scope="session")
def flv(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three seconds of H.264 with B-frames and AAC."""
    path = tmp_path_factory.mktemp("flv") / "a.flv"
    line = (
        "ffmpeg -v error -f lavfi -i testsrc2=size=320x240:rate=25:duration=3 -f lavfi -i "
        "sine=frequency=440:sample_rate=48000:duration=3 -c:v libx264 -preset ultrafast -bf 2 -g 25 "
        f"-pix_fmt yuv420p -c:a aac -shortest {path}"
    )
    subprocess.run(line.split(), check=True, timeout=60)
    return path.read_bytes()


def until(rig: Rig, true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end
        rig.engine.drain()
        time.sleep(0.01)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def pair(rig: Rig) -> tuple[int, int]:
    """Two wires of one connection."""
    a, b = socket.socketpair()
    return rig.engine.open_rtmp(a.detach()), rig.engine.open_rtmp(b.detach())


def feed(rig: Rig, stream: int, data: bytes, *, container: str = "flv", seconds: float = 0.0) -> threading.Thread:
    """Into a stream, spread over `seconds`, from a thread; it ends with its source."""
    near, far = socket.socketpair()
    rig.engine.open_bytes_in(stream, near.detach(), container)  # type: ignore[arg-type]

    def write() -> None:
        with far:
            pieces = 60
            size = len(data) // pieces + 1
            for at in range(0, len(data), size):
                far.sendall(data[at : at + size])
                time.sleep(seconds / pieces)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def collect(rig: Rig, stream: int, container: str) -> tuple[int, bytearray, threading.Thread]:
    near, far = socket.socketpair()
    sub = rig.engine.open_container_out(stream, near.detach(), container)  # type: ignore[arg-type]
    data = bytearray()

    def read() -> None:
        with far:
            while piece := far.recv(65536):
                data.extend(piece)

    thread = threading.Thread(target=read)
    thread.start()
    return sub, data, thread


def counted(data: bytes, container: str) -> dict[str, int]:
    """Codec → decoded frames."""
    line = (
        f"ffprobe -v error -f {container} -count_frames -show_entries stream=codec_name,nb_read_frames -of json pipe:0"
    )
    found = subprocess.run(line.split(), input=data, capture_output=True, timeout=60, check=True)
    assert found.stderr == b"", found.stderr.decode()
    return {s["codec_name"]: int(s.get("nb_read_frames", 0)) for s in json.loads(found.stdout)["streams"]}


def test_media_goes_from_wire_to_wire_and_ffmpeg_decodes_what_comes_out(rig: Rig, flv: bytes) -> None:
    first, second = rig.engine.open_stream("first"), rig.engine.open_stream("second")
    there, here = pair(rig)
    # 4096-byte chunks, as servers have it; what changes the writer changes the reader.
    rig.engine.rtmp_send(there, type_id=1, stream_id=0, data=struct.pack(">I", 4096), chunk_stream=2)
    rig.engine.rtmp_send(there, type_id=20, stream_id=0, data=b"\x02\x00\x05hello" + bytes(5000))
    told = rig.wait(codecs.WireEvent, lambda e: e.state == "message")
    assert (told.wire, told.number, told.stream_id, told.data[:8]) == (here, 20, 0, b"\x02\x00\x05hello")
    assert len(told.data) == 5008
    leg = rig.engine.bind_in(here, second)
    rig.engine.bind_out(there, first, message_stream=1)
    sub, data, reader = collect(rig, second, "flv")
    writer = feed(rig, first, flv, seconds=2.0)
    assert rig.wait(codecs.TrackEvent, lambda e: e.stream == second and e.kind == "video").codec == "h264"
    assert rig.wait(codecs.TrackEvent, lambda e: e.stream == second and e.kind == "audio").codec == "aac"
    assert rig.wait(codecs.LegEvent, lambda e: e.state == "media" and e.leg == leg).stream == second
    writer.join()
    until(rig, lambda: rig.engine.stream_stats(second)["frames"] >= 74)
    rig.engine.unsubscribe(sub)
    reader.join(PATIENCE_S)
    found = counted(bytes(data), "flv")
    assert found["h264"] >= 73
    assert found["aac"] >= 130


def test_enhanced_codecs_pass_and_cmaf_of_them_is_decoded(rig: Rig) -> None:
    data = (VECTORS / "flv_h265_opus.flv").read_bytes()
    first, second = rig.engine.open_stream("first"), rig.engine.open_stream("second")
    there, here = pair(rig)
    rig.engine.bind_in(here, second)
    rig.engine.bind_out(there, first, enhanced=True)
    _, flv, _ = collect(rig, second, "flv")
    sub, cmaf, reader = collect(rig, second, "cmaf")
    feed(rig, first, data, seconds=1.0).join()
    until(rig, lambda: rig.engine.stream_stats(second)["frames"] >= 25)
    rig.engine.unsubscribe(sub)
    reader.join(PATIENCE_S)
    parts, at = b"", 0
    while at + 20 <= len(cmaf):
        size = int.from_bytes(cmaf[at : at + 4])
        if cmaf[at + 4] < 2:
            parts += cmaf[at + 20 : at + 4 + size]
        at += 4 + size
    found = counted(parts, "mp4")
    assert found["hevc"] >= 20
    assert found["opus"] >= 80
    assert b"hvc1" in flv
    assert b"Opus" in flv


def test_a_plain_player_is_refused_what_it_can_not_take(rig: Rig) -> None:
    first = rig.engine.open_stream("first")
    there, _ = pair(rig)
    sub = rig.engine.bind_out(there, first, enhanced=False)
    feed(rig, first, (VECTORS / "flv_h265_opus.flv").read_bytes()).join()
    refused = [rig.wait(codecs.SubscriptionEvent, lambda e: e.state == "refused") for _ in range(2)]
    assert {(e.subscription, e.detail) for e in refused} == {(sub, "h265"), (sub, "opus")}


def test_a_reader_that_stands_still_goes_on_at_the_next_key_frame(rig: Rig, flv: bytes) -> None:
    first = rig.engine.open_stream("first")
    a, b = socket.socketpair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    wire = rig.engine.open_rtmp(a.detach())
    sub = rig.engine.bind_out(wire, first, queue_bytes=65_536)
    for _ in range(5):
        feed(rig, first, flv, seconds=0.2).join()
    assert rig.wait(codecs.SubscriptionEvent, lambda e: e.state == "congested").subscription == sub
    drained = threading.Thread(target=lambda: [None for _ in iter(lambda: b.recv(65536), b"")])
    drained.start()
    feed(rig, first, flv, seconds=0.5).join()
    assert rig.wait(codecs.SubscriptionEvent, lambda e: e.state == "recovered").subscription == sub
    rig.engine.unsubscribe(sub)
    drained.join(PATIENCE_S)
    b.close()


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        (b"\x02" + bytes((0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0)) + bytes(4), "chunk size out of range"),
        (b"\x02" + bytes((0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0)) + b"\xff\xff\xff\xff", "chunk size out of range"),
        (b"\x03" + bytes((0, 0, 0, 2, 0, 0, 20, 0, 0, 0, 0)) + bytes(128), "command message over 64 KiB"),
        (b"\x03" + bytes((0, 0, 0, 0xFF, 0xFF, 0xFF, 9, 0, 0, 0, 0)), "a message larger than is taken yet"),
        (b"\xc5", "chunk stream begins without a header"),
    ],
)
def test_absurd_chunks_close_the_wire_with_a_reason(rig: Rig, sent: bytes, detail: str) -> None:
    a, b = socket.socketpair()
    wire = rig.engine.open_rtmp(a.detach())
    with b:
        b.sendall(sent)
        told = rig.wait(codecs.WireEvent, lambda e: e.state == "closed")
        assert (told.wire, told.code, told.detail) == (wire, "protocol", detail)
        assert b.recv(100) == b""


def test_acknowledgements_are_sent_by_the_window_the_peer_asked_for(rig: Rig) -> None:
    a, b = socket.socketpair()
    rig.engine.open_rtmp(
        a.detach(), initial=b"\x02" + bytes((0, 0, 0, 0, 0, 4, 5, 0, 0, 0, 0)) + struct.pack(">I", 300)
    )
    with b:
        b.settimeout(PATIENCE_S)
        b.sendall(b"\x04" + bytes((0, 0, 0, 0, 0, 100, 8, 1, 0, 0, 0)) + bytes(100))
        b.sendall((b"\x44" + bytes((0, 0, 20, 0, 0, 100, 8)) + bytes(100)) * 3)
        answer = b.recv(100)
        # Chunk stream 2, type 3, four bytes.
        assert answer[:8] == b"\x02\x00\x00\x00\x00\x00\x04\x03"
        assert int.from_bytes(answer[12:16]) >= 300


def test_a_thousand_connections_leave_nothing_behind(rig: Rig) -> None:
    stream = rig.engine.open_stream("s")
    header = (VECTORS / "flv_h264_b_aac.flv").read_bytes()
    before = descriptors()
    for _ in range(1000):
        a, b = socket.socketpair()
        wire = rig.engine.open_rtmp(a.detach())
        leg = rig.engine.bind_in(wire, stream)
        b.send(b"\x06" + bytes((0, 0, 0)) + header[14:17] + b"\x09\x01\x00\x00\x00" + header[24:152])
        rig.engine.close_leg(leg)
        b.close()
    until(rig, lambda: rig.engine.engine_stats()["legs"] == 0)
    assert descriptors() <= before + 2
