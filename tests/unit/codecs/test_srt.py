"""SRT through the engine: FFmpeg and srt-live-transmit call, are called, and are refused."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import codecs
from tests.unit.codecs.rig import Rig

MEDIA = (
    "-f lavfi -re -i sine=frequency=440:sample_rate=48000 -f lavfi -re -i testsrc2=size=640x360:rate=25 "
    "-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac -f mpegts"
)
PATIENCE_S = 60.0


@contextlib.contextmanager
def running(*line: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=20)


def ffmpeg(url: str) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    return running("ffmpeg", "-v", "error", *MEDIA.split(), url)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def incoming(rig: Rig, listener: int) -> codecs.WireEvent:
    return rig.wait(codecs.WireEvent, lambda e: e.state == "incoming" and e.parent == listener, patience_s=PATIENCE_S)


def seen(rig: Rig, stream: int) -> None:
    video = rig.wait(codecs.TrackEvent, lambda e: e.stream == stream and e.kind == "video", patience_s=PATIENCE_S)
    audio = rig.wait(codecs.TrackEvent, lambda e: e.stream == stream and e.kind == "audio", patience_s=PATIENCE_S)
    assert (video.codec, video.width, audio.codec) == ("h264", 640, "aac")


def test_a_caller_brings_a_picture_and_its_end_is_told(rig: Rig) -> None:
    assert rig.engine.srt_version().startswith("1.5")
    listener, port = rig.engine.srt_listen("127.0.0.1", 0, latency_ms=200)
    with ffmpeg(f"srt://127.0.0.1:{port}?streamid=publish:drone&latency=100000"):
        wire = incoming(rig, listener)
        assert (wire.detail, wire.address.split(":")[0]) == ("publish:drone", "127.0.0.1")
        stream = rig.engine.open_stream("drone")
        leg = rig.engine.bind_in(wire.wire, stream)
        seen(rig, stream)
        figures = rig.engine.srt_stats(leg)
        assert figures["latency_ms"] == 200 and 0 < float(figures["rtt_ms"]) < 200, figures
        assert int(figures["packets"]) > 5 and figures["encrypted"] == 0 and str(figures["peer_version"])[0] == "1"
    assert rig.wait(codecs.LegEvent, lambda e: e.state == "closed", patience_s=PATIENCE_S).leg == leg
    closed = rig.wait(codecs.WireEvent, lambda e: e.state == "closed")
    assert (closed.wire, closed.code) == (leg, "source-ended")
    with pytest.raises(codecs.MediaError, match="ended"):
        rig.engine.bind_in(wire.wire, stream)
    rig.engine.close_wire(listener)


def test_each_stream_id_has_its_passphrase(rig: Rig) -> None:
    listener, port = rig.engine.srt_listen(
        "127.0.0.1", 0, passphrases=[("r=a", "correct horse"), ("u=b", "battery staple")]
    )
    for stream_id, phrase in (("publish:a", "correct horse"), ("#!::u=b,r=x,m=publish", "battery staple")):
        with ffmpeg(f"srt://127.0.0.1:{port}?streamid={stream_id}&passphrase={phrase}"):
            wire = incoming(rig, listener)
            assert wire.detail == stream_id
            stream = rig.engine.open_stream("s")
            leg = rig.engine.bind_in(wire.wire, stream)
            seen(rig, stream)
            assert rig.engine.srt_stats(leg)["encrypted"] == 1
    for stream_id, phrase, why in (
        ("publish:a", "battery staple", "wrong or missing"),
        ("publish:c", "battery staple", "no passphrase is set"),
    ):
        with ffmpeg(f"srt://127.0.0.1:{port}?streamid={stream_id}&passphrase={phrase}"):
            told = rig.wait(codecs.WireEvent, lambda e: e.code == "srt-refused", patience_s=PATIENCE_S)
            # The name and no more: what stands beside it may be a password.
            name = stream_id.removeprefix("publish:")
            assert told.wire == listener and f'"{name}"' in told.detail and why in told.detail, told
    rig.engine.srt_passphrases(listener, [("", "battery staple")])
    with ffmpeg(f"srt://127.0.0.1:{port}?streamid=publish:c&passphrase=battery staple"):
        incoming(rig, listener)


def test_we_call_a_listener(rig: Rig) -> None:
    port = free_port()
    with ffmpeg(f"srt://127.0.0.1:{port}?mode=listener&passphrase=correct horse"):
        for _ in range(50):
            wire = rig.engine.srt_connect("127.0.0.1", port, passphrase="correct horse", timeout_ms=500)
            event = rig.wait(codecs.WireEvent, lambda e, wire=wire: e.wire == wire, patience_s=PATIENCE_S)
            if event.state == "connected":
                break
        stream = rig.engine.open_stream("s")
        rig.engine.bind_in(wire, stream)
        seen(rig, stream)


def test_refusals_have_names(rig: Rig) -> None:
    silent = rig.engine.srt_connect("127.0.0.1", free_port(), timeout_ms=300)
    assert closed(rig, silent).code == "srt-timeout"
    meeting = rig.engine.srt_connect("127.0.0.1", free_port(), rendezvous=True, local_port=free_port(), timeout_ms=300)
    assert closed(rig, meeting).code == "srt-rendezvous"
    listener, port = rig.engine.srt_listen("127.0.0.1", 0, passphrases=[("", "correct horse")])
    wrong = rig.engine.srt_connect("127.0.0.1", port, passphrase="battery staple")
    assert closed(rig, wrong).code == "srt-passphrase"
    bare = rig.engine.srt_connect("127.0.0.1", port)
    assert closed(rig, bare).code == "srt-passphrase"
    assert listener


def test_we_meet_at_a_rendezvous(rig: Rig) -> None:
    port = free_port()
    feed = free_port()
    theirs = f"srt://127.0.0.1:{port}?mode=rendezvous&adapter=127.0.0.2"
    with (
        running("srt-live-transmit", "-q", f"udp://127.0.0.1:{feed}", theirs),
        running("ffmpeg", "-v", "error", *MEDIA.split(), f"udp://127.0.0.1:{feed}?pkt_size=1316"),
    ):
        wire = rig.engine.srt_connect("127.0.0.2", port, rendezvous=True, local_host="127.0.0.1", timeout_ms=10_000)
        rig.wait(codecs.WireEvent, lambda e: e.wire == wire and e.state == "connected", patience_s=PATIENCE_S)
        stream = rig.engine.open_stream("s")
        rig.engine.bind_in(wire, stream)
        seen(rig, stream)


def test_a_host_whose_link_is_known_gets_its_latency(rig: Rig) -> None:
    listener, port = rig.engine.srt_listen("127.0.0.1", 0, latency_ms=120)
    rig.engine.srt_latencies(listener, [("127.0.0.1", 900)])
    with ffmpeg(f"srt://127.0.0.1:{port}?streamid=a&latency=100000"):
        wire = incoming(rig, listener)
        assert rig.engine.srt_stats(wire.wire)["latency_ms"] == 900
        rig.engine.close_wire(wire.wire)
    with pytest.raises(codecs.MediaError, match="not an IP address"):
        rig.engine.srt_latencies(listener, [("somewhere", 900)])


def patience(port: int) -> set[bytes]:
    """How long `recvmsg` waits on the UDP sockets of this process that are bound there (SO_RCVTIMEO)."""
    found = set()
    for entry in list(Path("/proc/self/fd").iterdir()):
        try:
            is_socket = str(entry.readlink()).startswith("socket:")
        except FileNotFoundError:  # what the list itself was read from
            continue
        if not is_socket:
            continue
        with socket.socket(fileno=os.dup(int(entry.name))) as one:
            if one.type == socket.SOCK_DGRAM and one.getsockname()[1] == port:
                found.add(one.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16))
    return found


def test_a_door_at_which_nobody_stands_rests(rig: Rig) -> None:
    listener, port = rig.engine.srt_listen("127.0.0.1", 0)
    (resting,) = patience(port)
    caller = rig.engine.srt_connect("127.0.0.1", port, stream_id="publish:a")
    wire = incoming(rig, listener).wire
    (awake,) = patience(port)
    assert struct.unpack("@qq", awake) < struct.unpack("@qq", resting), "its timers run while somebody is there"
    rig.engine.close_wire(caller)
    rig.engine.close_wire(wire)
    deadline = time.monotonic() + PATIENCE_S
    while patience(port) != {resting} and time.monotonic() < deadline:
        time.sleep(0.1)
    assert patience(port) == {resting}
    rig.engine.srt_connect("127.0.0.1", port, stream_id="publish:b")
    assert incoming(rig, listener).detail == "publish:b"


def test_nothing_is_left_of_connections(rig: Rig) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    listener, port = rig.engine.srt_listen("127.0.0.1", 0)
    stream = rig.engine.open_stream("s")
    before = 0
    for turn in range(80):
        caller = rig.engine.srt_connect("127.0.0.1", port, stream_id=f"publish:{turn}")
        rig.wait(codecs.WireEvent, lambda e, caller=caller: e.wire == caller and e.state == "connected")
        wire = incoming(rig, listener).wire
        out = rig.engine.bind_out(caller, stream) if turn % 2 else 0
        leg = rig.engine.bind_in(wire, stream)
        if turn % 4 < 2:
            rig.engine.close_leg(leg)
        if out:
            rig.engine.unsubscribe(out)
        else:
            rig.engine.close_wire(caller)
        if turn % 4 >= 2:
            rig.wait(codecs.LegEvent, lambda e, leg=leg: e.leg == leg and e.state == "closed", patience_s=PATIENCE_S)
        if turn == 20:
            before = descriptors()
    figures = rig.engine.engine_stats()
    assert (figures["legs"], figures["subscriptions"]) == (0, 0)
    # libsrt's own clean-up takes a second or so; it opens no descriptor for a connection that comes in.
    deadline = time.monotonic() + PATIENCE_S
    while descriptors() > before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert descriptors() <= before


def closed(rig: Rig, wire: int) -> codecs.WireEvent:
    return rig.wait(codecs.WireEvent, lambda e: e.wire == wire and e.state == "closed", patience_s=PATIENCE_S)


def test_a_port_that_is_taken_is_said(rig: Rig) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(codecs.MediaError, match=f"listening for SRT on 127.0.0.1:{taken.getsockname()[1]}"):
            rig.engine.srt_listen("127.0.0.1", taken.getsockname()[1])


def test_a_wire_that_nobody_binds_is_closed(rig: Rig) -> None:
    listener, port = rig.engine.srt_listen("127.0.0.1", 0)
    caller = rig.engine.srt_connect("127.0.0.1", port, stream_id="x")
    rig.wait(codecs.WireEvent, lambda e: e.wire == caller and e.state == "connected")
    wire = incoming(rig, listener).wire
    told = {rig.wait(codecs.WireEvent, lambda e: e.state == "closed", patience_s=PATIENCE_S).wire for _ in range(2)}
    assert told == {wire, caller}


@pytest.mark.parametrize(
    "wrong", [{"passphrase": "short"}, {"stream_id": "x" * 513}, {"latency_ms": -1}, {"timeout_ms": 0}]
)
def test_arguments_are_checked(rig: Rig, wrong: dict[str, str]) -> None:
    with pytest.raises(codecs.MediaError):
        rig.engine.srt_connect("127.0.0.1", 9, **wrong)  # type: ignore[arg-type]
