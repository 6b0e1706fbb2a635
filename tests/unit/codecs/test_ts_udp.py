"""Transport streams in datagrams, sent by FFmpeg and GStreamer."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
from collections.abc import Iterator

import pytest

from gateway import codecs
from tests.unit.codecs.rig import Rig, udp

PICTURE = "-f lavfi -re -i testsrc2=size=640x360:rate=25 -c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p"
SOUND = "-f lavfi -re -i sine=frequency=440:sample_rate=48000"


@contextlib.contextmanager
def sending(line: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(line.split(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def tracks(rig: Rig) -> tuple[codecs.TrackEvent, codecs.TrackEvent]:
    video = rig.wait(codecs.TrackEvent, lambda e: e.kind == "video", patience_s=20)
    return video, rig.wait(codecs.TrackEvent, lambda e: e.kind == "audio", patience_s=20)


@pytest.mark.parametrize("output", ["-f mpegts udp://127.0.0.1:{}?pkt_size=1316", "-f rtp_mpegts rtp://127.0.0.1:{}"])
def test_ffmpeg_sends_raw_and_in_rtp(rig: Rig, output: str) -> None:
    stream, port = rig.engine.open_stream("ts"), udp()
    number = port.getsockname()[1]
    leg = rig.engine.open_ts_in(stream, port.detach())
    where = output.format(number)
    with sending(f"ffmpeg -v error {SOUND} {PICTURE} -c:a aac {where}"):
        video, audio = tracks(rig)
        media = rig.wait(codecs.LegEvent, lambda e: e.state == "media")
    assert (video.codec, video.width, video.height, audio.codec) == ("h264", 640, 360, "aac")
    assert (media.leg, media.address.split(":")[0]) == (leg, "127.0.0.1")
    stalled = rig.wait(codecs.LegEvent, lambda e: e.state == "stalled", patience_s=20)
    assert stalled.code == "media-stopped"
    figures = rig.engine.leg_stats(leg)
    assert figures["transport"] == "udp" and figures["payload"] == "h264" and int(figures["packets"]) > 20


def test_gstreamer_sends_h265_to_a_group(rig: Rig) -> None:
    stream = rig.engine.open_stream("ts")
    group = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    group.bind(("239.255.77.1", 0))
    number = group.getsockname()[1]
    member = socket.inet_aton("239.255.77.1") + socket.inet_aton("127.0.0.1")
    group.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    rig.engine.open_ts_in(stream, group.detach(), source="127.0.0.1")
    line = (
        "gst-launch-1.0 -q videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=25/1 ! x265enc "
        "speed-preset=ultrafast tune=zerolatency key-int-max=25 ! h265parse ! mpegtsmux alignment=7 ! udpsink "
        f"host=239.255.77.1 port={number} multicast-iface=lo auto-multicast=false bind-address=127.0.0.1"
    )
    with sending(line):
        video = rig.wait(codecs.TrackEvent, patience_s=30)
    assert (video.codec, video.width, video.height) == ("h265", 640, 360)


def test_others_than_the_source_and_things_that_are_none_are_told_and_ignored(rig: Rig) -> None:
    stream, port = rig.engine.open_stream("ts"), udp()
    where = port.getsockname()
    leg = rig.engine.open_ts_in(stream, port.detach(), source="127.0.0.2")
    stranger = udp()
    stranger.sendto(b"\x47" * 1316, where)
    friend = udp("127.0.0.2")
    friend.sendto(b"hello, this is no transport stream", where)
    friend.sendto(struct.pack("!BBHII", 0x80, 33, 1, 0, 1) + b"not a packet", where)
    problem = rig.wait(codecs.LegEvent, lambda e: e.state == "problem")
    assert (problem.leg, problem.code) == (leg, "ts-none") and "127.0.0.2" in problem.detail
    assert rig.engine.leg_stats(leg)["packets"] == 0
