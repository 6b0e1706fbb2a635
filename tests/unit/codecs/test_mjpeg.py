"""MJPEG through the real engine: over RTP from FFmpeg and GStreamer, out of multipart; refused to browsers in words."""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
from pathlib import Path

import av
import pytest

from gateway import codecs
from tests.unit.codecs.rig import H264, Rig, udp

VECTOR = Path(__file__).parents[2] / "vectors/media/jpeg_420.mjpeg"
JPEG = codecs.RtpMap(26, "JPEG", 90_000)


def parts(port: socket.socket, count: int) -> list[bytes]:
    """`count` whole units off a frame port (docs/frame-port.md), each its one JPEG file."""
    files: list[bytes] = []
    whole = b""
    while len(files) < count:
        record = port.recv(65536)
        if record[2] == 1 and record[3] == 8:
            whole = (b"" if record[5] & 4 else whole) + record[40:]
            if record[5] & 8:
                (size,) = struct.unpack_from("!I", whole)
                files.append(whole[4 : 4 + size])
    return files


def size_of(file: bytes) -> tuple[int, int]:
    decoder = av.CodecContext.create("mjpeg", "r")
    (frame,) = decoder.decode(av.Packet(file))
    assert isinstance(frame, av.VideoFrame)
    return frame.width, frame.height


def frames_of(rig: Rig, stream: codecs.Stream) -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.settimeout(20)
    rig.engine.open_frames_out(stream, ours.detach())
    return theirs


SENDERS = {
    "ffmpeg": "ffmpeg -v error -re -f lavfi -i testsrc2=size=320x240:rate=10 -t 30 -c:v mjpeg -huffman default "
    "-pix_fmt yuvj420p -q:v 5 -f rtp rtp://127.0.0.1:{port}",
    "gstreamer": "gst-launch-1.0 -q videotestsrc is-live=true ! "
    "video/x-raw,format=I420,width=320,height=240,framerate=10/1 "
    "! jpegenc quality=70 ! rtpjpegpay mtu=1200 ! udpsink host=127.0.0.1 port={port}",
}


@pytest.mark.parametrize("peer", SENDERS)
def test_jpeg_over_rtp_from_others(rig: Rig, peer: str) -> None:
    stream = rig.engine.open_stream("old-camera")
    port = udp()
    number = port.getsockname()[1]
    rig.engine.open_rtp(stream, udp_fd=port.detach(), payloads=[JPEG])
    with frames_of(rig, stream) as reader:
        sender = subprocess.Popen(
            SENDERS[peer].format(port=number).split(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            track = rig.wait(codecs.TrackEvent, lambda e: e.kind == "video", patience_s=20)
            assert (track.codec, track.width, track.height) == ("mjpeg", 320, 240)
            assert [size_of(f) for f in parts(reader, 5)] == [(320, 240)] * 5
        finally:
            sender.kill()
            sender.wait()


def test_multipart_goes_in_and_rtp_out_to_ffmpeg(rig: Rig) -> None:
    line = (
        "ffmpeg -v error -f lavfi -i testsrc2=size=320x240:rate=10:duration=3 -c:v mjpeg -huffman default "
        "-pix_fmt yuvj420p -q:v 5 -f mpjpeg -boundary_tag camera -"
    )
    body = subprocess.run(line.split(), check=True, capture_output=True, timeout=30).stdout
    stream = rig.engine.open_stream("web-camera")
    near, far = socket.socketpair()
    leg = rig.engine.open_bytes_in(stream, near.detach(), "mjpeg")
    back = udp()
    out = udp()
    rig.engine.subscribe_rtp(
        stream,
        out.detach(),
        *back.getsockname(),
        video=[JPEG],
        audio=[],
        video_ssrc=7,
        audio_ssrc=8,
        cname="t",
    )
    with far, frames_of(rig, stream) as reader:
        threading.Thread(target=far.sendall, args=(body,), daemon=True).start()
        assert rig.wait(codecs.LegEvent, lambda e: e.state == "media").leg == leg
        assert all(size_of(f) == (320, 240) for f in parts(reader, 25))
        first = back.recv(2048)
        # RFC 2435: type 1, tables in band, 40 by 30 blocks; payload type 26.
        assert (first[1] & 0x7F, first[16:20]) == (26, bytes([1, 255, 40, 30]))


def test_a_browser_is_told_that_it_can_not_show_it(rig: Rig) -> None:
    stream = rig.engine.open_stream("web-camera")
    near, far = socket.socketpair()
    rig.engine.open_bytes_in(stream, near.detach(), "mjpeg")
    session = rig.engine.open_session("frag")
    subscription = rig.engine.subscribe_session(
        stream,
        session,
        video=[H264],
        audio=[],
        video_ssrc=1,
        video_rtx_ssrc=2,
        audio_ssrc=3,
        cname="t",
    )
    with far:
        far.sendall(VECTOR.read_bytes())
        refused = rig.wait(codecs.SubscriptionEvent, lambda e: e.state == "refused")
    assert (refused.subscription, refused.code, refused.detail) == (subscription, "codec-unsupported", "mjpeg")
