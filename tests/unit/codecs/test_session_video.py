"""Video of a SIP call: a stream out and the far side's picture in, over one session with its own socket."""

from __future__ import annotations

import struct

import pytest

from gateway import codecs

from .rig import H264, PROFILES, Nalus, Packet, Rig, Source, is_rtcp, nack, parts, pli, udp
from .voice_rig import Keys, SecurePhone, fresh_keys

VIDEO = codecs.RtpMap(96, "h264", 90_000)


class Screen:
    """A video phone: one socket, its own picture out by `camera`."""

    def __init__(self, rig: Rig, stream: int, keys: Keys | None = None) -> None:
        self.rig = rig
        self.socket, there = udp(), udp()
        self.to = there.getsockname()
        self.session = rig.engine.open_rtp_session(there.detach(), stream=stream)
        rig.engine.arm_rtp_session(self.session, *self.socket.getsockname(), keys=keys)
        self.camera = Source(self.to)
        self.camera.socket.close()
        self.camera.socket = self.socket

    def watch(self, stream: int) -> int:
        return self.rig.engine.subscribe_session(
            stream,
            self.session,
            video=[H264],
            audio=[],
            video_ssrc=1000,
            video_rtx_ssrc=0,
            audio_ssrc=0,
            cname="sip",
        )

    def feedback(self) -> dict[int, bytes]:
        """What RTCP comes next, if any does soon."""
        try:
            data = self.socket.recv(4096)
        except TimeoutError:
            return {}
        return parts(data) if is_rtcp(data) else {}


def test_picture_both_ways_and_feedback_both_ways(rig: Rig) -> None:
    ball = rig.engine.open_stream("ball")
    _, camera = rig.source(ball)
    screen = Screen(rig, ball)
    centre = rig.engine.open_stream("centre", near=screen.session)
    leg = rig.engine.open_session_in(centre, screen.session, video=[VIDEO])
    screen.watch(ball)
    camera.picture(key=True)
    found = Nalus()
    while len(found.found) < 3:
        data = screen.socket.recv(4096)
        if not is_rtcp(data):
            found.push(Packet.parse(data).payload)
    assert found.found == camera.sent
    # The centre asks for a key frame; what was lost on the way to it comes again.
    rig.settle()
    rig.seen.clear()
    screen.socket.sendto(pli(1000), screen.to)
    rig.wait(codecs.KeyFrameWanted, lambda e: e.stream == ball)
    camera.picture()
    data = b""
    while not data or is_rtcp(data):
        data = screen.socket.recv(4096)
    screen.socket.sendto(nack(1000, Packet.parse(data).seq), screen.to)
    again = b""
    while not again or is_rtcp(again):
        again = screen.socket.recv(4096)
    assert again == data
    # The other way: its picture comes in, and gaps and wishes go out to it.
    screen.camera.picture(key=True)
    assert rig.wait(codecs.LegEvent, lambda e: e.leg == leg and e.state == "media").detail == "h264"
    rig.plain(centre)
    packets = [p for _ in range(4) for p in screen.camera.packets(key=False)]
    for packet in packets[:1] + packets[2:]:
        screen.socket.sendto(packet, screen.to)
    missing = struct.unpack_from("!H", packets[1], 2)[0]
    screen.socket.settimeout(0.03)
    fed: dict[int, bytes] = {}
    for _ in range(100):
        if 205 in fed:
            break
        screen.socket.sendto(screen.camera.packets(key=False)[0], screen.to)
        fed |= screen.feedback()
    assert struct.unpack_from("!H", fed[205], 12)[0] == missing


@pytest.mark.parametrize("profile", list(PROFILES))
def test_a_picture_goes_on_under_new_keys(rig: Rig, profile: codecs.SrtpProfile) -> None:
    ball = rig.engine.open_stream("ball")
    _, camera = rig.source(ball)
    keys = fresh_keys("AES_CM_128_HMAC_SHA1_80")
    screen = Screen(rig, ball, keys)
    screen.watch(ball)
    camera.picture(key=True)
    first = screen.socket.recv(4096)
    reader = SecurePhone.__new__(SecurePhone)
    keys = reader._make(profile)
    rig.engine.arm_rtp_session(screen.session, *screen.socket.getsockname(), keys=keys)
    rig.settle()
    rig.engine.stream_stats(ball)
    screen.socket.setblocking(False)
    while True:
        try:
            screen.socket.recv(4096)
        except BlockingIOError:
            break
    screen.socket.settimeout(5)
    camera.picture()
    data = screen.socket.recv(4096)
    while is_rtcp(data):
        data = screen.socket.recv(4096)
    packet = Packet.parse(reader.inbound.unprotect(data))
    assert (packet.seq - Packet.parse(first).seq) & 0xFFFF < 20 and packet.payload == camera.sent[-1]


def test_a_session_lives_where_its_stream_does(rig: Rig) -> None:
    ball = rig.engine.open_stream("ball")
    screen = Screen(rig, ball)
    with pytest.raises(codecs.MediaError, match="another media thread"):
        rig.engine.open_voice_session(
            screen.session,
            send=[codecs.RtpMap(8, "pcma", 8000)],
            receive=[codecs.RtpMap(8, "pcma", 8000)],
            ssrc=1,
            cname="",
        )
    with pytest.raises(codecs.MediaError, match="no such session"):
        rig.engine.open_stream("x", near=12345)
    with pytest.raises(codecs.MediaError, match="no such stream"):
        rig.engine.open_rtp_session(udp().detach(), stream=12345)
