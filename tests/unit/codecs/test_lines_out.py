"""Streams that leave as transport streams: over a pipe, in datagrams, by SRT. FFmpeg is who reads them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import codecs
from tests.unit.codecs.rig import PPS, SPS, Rig, udp
from tests.unit.codecs.test_ingest import track_record, unit_records
from tests.unit.codecs.test_srt import free_port, incoming
from tests.unit.codecs.test_ts_udp import PICTURE, SOUND, sending

PATIENCE_S = 30.0


@pytest.fixture
def stream(rig: Rig) -> Iterator[int]:
    """H.264 with sound, live, from FFmpeg."""
    made, port = rig.engine.open_stream("source"), udp()
    where = port.getsockname()[1]
    rig.engine.open_ts_in(made, port.detach())
    with sending(f"ffmpeg -v error {SOUND} {PICTURE} -c:a aac -f mpegts udp://127.0.0.1:{where}?pkt_size=1316"):
        for kind in ("video", "audio"):
            rig.wait(codecs.TrackEvent, lambda e, kind=kind: e.kind == kind, patience_s=PATIENCE_S)
        yield made


def looked_at(url: str, *more: str) -> dict[str, object]:
    """What FFmpeg finds in two seconds: streams, frames decoded, decoding times that went back."""
    line = ["ffprobe", "-v", "error", "-of", "json", "-show_entries", "packet=stream_index,dts_time:stream=codec_name"]
    done = subprocess.run(
        [*line, "-read_intervals", "%+2", *more, url], stdout=subprocess.PIPE, timeout=PATIENCE_S, check=True
    )
    return dict(json.loads(done.stdout))


def check(found: dict[str, object]) -> None:
    streams, packets = found["streams"], found["packets"]
    assert isinstance(streams, list) and isinstance(packets, list)
    assert sorted(one["codec_name"] for one in streams) == ["aac", "h264"]
    for index in (0, 1):
        times = [float(one["dts_time"]) for one in packets if one["stream_index"] == index]
        assert len(times) > 25 and all(a < b for a, b in itertools.pairwise(times)), times


def test_a_pipe(rig: Rig, stream: int) -> None:
    near, far = os.pipe()
    subscription = rig.engine.open_container_out(stream, far, "ts")
    with os.fdopen(near, "rb") as reader:
        done = subprocess.run(
            ["ffprobe", "-v", "error", "-of", "json", "-show_entries", "packet=stream_index,dts_time:stream=codec_name",
             "-read_intervals", "%+2", "pipe:0"], stdin=reader, stdout=subprocess.PIPE, timeout=PATIENCE_S, check=True,
        )  # fmt: skip
    check(json.loads(done.stdout))
    assert rig.wait(codecs.SubscriptionEvent, lambda e: e.state == "first-frame").subscription == subscription
    # Its reader is gone: that is noticed, and told.
    gone = rig.wait(codecs.SubscriptionEvent, lambda e: e.state == "refused", patience_s=PATIENCE_S)
    assert (gone.subscription, gone.code) == (subscription, "link-down")


def test_a_slow_reader_is_left_behind_up_to_a_key_frame(rig: Rig, stream: int) -> None:
    near, far = socket.socketpair()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    subscription = rig.engine.open_container_out(stream, near.detach(), "ts", queue_bytes=65_536)
    told = rig.wait(codecs.SubscriptionEvent, lambda e: e.state == "congested", patience_s=PATIENCE_S)
    assert (told.subscription, told.code) == (subscription, "viewer-slow")
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set() and far.recv(65536):
            pass

    reader = threading.Thread(target=read)
    reader.start()
    rig.wait(codecs.SubscriptionEvent, lambda e: e.state == "recovered", patience_s=PATIENCE_S)
    assert int(rig.engine.subscription_stats(subscription)["frames_dropped"]) > 0
    stop.set()
    rig.engine.unsubscribe(subscription)
    reader.join(PATIENCE_S)
    far.close()


def test_it_keeps_the_codec_that_it_was_begun_with(rig: Rig) -> None:
    made = rig.engine.open_stream("made")
    worker, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near, far = socket.socketpair()
    with worker, far:
        rig.engine.open_frames_in(made, ours.detach())
        subscription = rig.engine.open_container_out(made, near.detach(), "ts")
        worker.send(track_record())
        for record in unit_records([SPS, PPS, b"\x65\x88" * 50], 0, key=True):
            worker.send(record)
        rig.wait(codecs.SubscriptionEvent, lambda e: e.state == "first-frame")
        h265 = bytearray(track_record())
        h265[3] = 1
        worker.send(h265)
        told = rig.wait(codecs.SubscriptionEvent, lambda e: e.state == "refused")
        assert (told.subscription, told.code, told.detail) == (subscription, "codec-unsupported", "h265")


@pytest.mark.parametrize(("rtp", "bitrate"), [(False, 0), (True, 0), (False, 3_000_000), (True, 3_000_000)])
def test_datagrams(rig: Rig, stream: int, rtp: bool, bitrate: int) -> None:
    port = free_port()
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    rig.engine.subscribe_ts_udp(stream, out.detach(), "127.0.0.1", port, rtp=rtp, bitrate_bps=bitrate)
    more = () if rtp else ("-f", "mpegts")
    check(looked_at(f"{'rtp' if rtp else 'udp'}://127.0.0.1:{port}", *more))


def test_a_group_and_its_constant_rate(rig: Rig, stream: int) -> None:
    group = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    group.bind(("239.255.77.2", 0))
    group.setsockopt(
        socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.255.77.2") + socket.inet_aton("127.0.0.1")
    )
    group.settimeout(PATIENCE_S)
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
    rig.engine.subscribe_ts_udp(stream, out.detach(), *group.getsockname(), bitrate_bps=4_000_000)
    got = [group.recv(2048) for _ in range(200)]
    assert {len(one) for one in got} == {1316}
    packets = [one[at : at + 188] for one in got for at in range(0, 1316, 188)]
    assert all(one[0] == 0x47 for one in packets) and any(one[1:3] == b"\x1f\xff" for one in packets)
    group.close()


@contextlib.contextmanager
def srt_reader(url: str) -> Iterator[subprocess.Popen[bytes]]:
    line = "ffprobe -v error -of json -show_entries packet=stream_index,dts_time:stream=codec_name -read_intervals %+2"
    process = subprocess.Popen([*line.split(), url], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_srt(rig: Rig, stream: int) -> None:
    listener, port = rig.engine.srt_listen("127.0.0.1", 0, passphrases=[("", "correct horse")])
    with srt_reader(f"srt://127.0.0.1:{port}?streamid=read:source&passphrase=correct horse") as reader:
        wire = incoming(rig, listener)
        assert wire.detail == "read:source"
        subscription = rig.engine.bind_out(wire.wire, stream)
        out, _ = reader.communicate(timeout=PATIENCE_S)
    check(json.loads(out))
    gone = rig.wait(codecs.SubscriptionEvent, lambda e: e.state == "refused", patience_s=PATIENCE_S)
    assert (gone.subscription, gone.code) == (subscription, "link-down")
    closed = rig.wait(codecs.WireEvent, lambda e: e.state == "closed" and e.wire == subscription)
    assert closed.code == "source-ended"


def test_a_clock_that_jumps_either_way_and_lost_sync_never_go_back(rig: Rig, tmp_path: Path) -> None:
    """Three pieces, each with a clock of its own, garbage between them: what leaves is one time line."""
    pieces = []
    for n, start in enumerate((5000, 40_000, 10)):
        words = (
            f"ffmpeg -v error -f lavfi -i sine=frequency=440:sample_rate=48000:duration=2 -f lavfi -i "
            f"testsrc2=size=320x240:rate=25:duration=2 -c:v libx264 -preset "
            f"ultrafast -g 25 -pix_fmt yuv420p -c:a aac -output_ts_offset {start} -f mpegts {tmp_path / f'{n}.ts'}"
        )
        subprocess.run(words.split(), check=True, timeout=PATIENCE_S)
        pieces.append((tmp_path / f"{n}.ts").read_bytes())
    made = rig.engine.open_stream("jumps")
    near, far = socket.socketpair()
    rig.engine.open_bytes_in(made, near.detach(), "ts")
    out_read, out_write = os.pipe()
    rig.engine.open_container_out(made, out_write, "ts")
    with os.fdopen(out_read, "rb") as reader:
        line = ["ffprobe", "-v", "error", "-of", "json", "-show_entries", "packet=stream_index,dts_time", "pipe:0"]
        probe = subprocess.Popen(line, stdin=reader, stdout=subprocess.PIPE)
    with far:
        for piece in pieces:
            far.sendall(piece + bytes(range(256)) * 3)
    rig.wait(codecs.LegEvent, lambda e: e.state == "closed", patience_s=PATIENCE_S)
    rig.engine.close_stream(made)
    out, _ = probe.communicate(timeout=PATIENCE_S)
    packets = json.loads(out)["packets"]
    for index in (0, 1):
        times = [float(one["dts_time"]) for one in packets if one["stream_index"] == index]
        assert len(times) > 110 and all(a < b for a, b in itertools.pairwise(times))
        assert times[-1] - times[0] < 30
