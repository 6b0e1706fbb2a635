"""H.264 in packetization-mode 0 (RFC 6184 §6.2) to phones that take no other, and from them; parameter sets of SDP."""

from __future__ import annotations

import base64
import struct

import pytest

from gateway import codecs

from .rig import H264, PPS, SPS, Packet, Peer, Rig, Source, is_rtcp, running, udp
from .voice_rig import fresh_keys

MODE_0 = "packetization-mode=0;profile-level-id=42e01f"
LARGE = 40_000
"""Many times the MTU; still one datagram."""


def mode_0(fmtp: str = MODE_0) -> list[codecs.RtpMap]:
    return [codecs.RtpMap(97, "h264", 90_000, fmtp=fmtp)]


class Phone:
    """A session with its own socket, and the phone's socket beside it."""

    def __init__(self, rig: Rig, stream: int) -> None:
        self.rig, self.stream = rig, stream
        self.socket, there = udp(rig.host), udp(rig.host)
        self.to = there.getsockname()
        self.session = rig.engine.open_rtp_session(there.detach(), stream=stream)
        rig.engine.arm_rtp_session(self.session, *self.socket.getsockname()[:2])

    def watch(self, video: list[codecs.RtpMap]) -> int:
        return watch(self.rig, self.stream, self.session, video)

    def packets(self, count: int) -> list[Packet]:
        out: list[Packet] = []
        while len(out) < count:
            data = self.socket.recv(65_536)
            if not is_rtcp(data):
                out.append(Packet.parse(data))
        return out


def watch(rig: Rig, stream: int, session: int, video: list[codecs.RtpMap]) -> int:
    return rig.engine.subscribe_session(
        stream, session, video=video, audio=[], video_ssrc=9, video_rtx_ssrc=0, audio_ssrc=0, cname="phone"
    )


@pytest.mark.parametrize("fmtp", [MODE_0, "profile-level-id=42e01f", ""])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_each_nal_unit_is_one_packet_whatever_its_size(fmtp: str, host: str) -> None:
    with running(host=host) as rig:
        ball = rig.engine.open_stream("ball")
        _, camera = rig.source(ball)
        phone = Phone(rig, ball)
        phone.watch(mode_0(fmtp))
        camera.picture(key=True, size=LARGE)
        camera.picture(size=300)
        camera.picture(size=5000)
        packets = phone.packets(len(camera.sent))
        assert [p.payload for p in packets] == camera.sent
        assert max(len(p.payload) for p in packets) > LARGE
        assert [p.marker for p in packets] == [False, False, True, True, True]
        assert [p.seq for p in packets] == [(packets[0].seq + i) & 0xFFFF for i in range(len(packets))]
        assert {p.ts for p in packets[:3]} == {packets[0].ts}
        assert len({packets[i].ts for i in (0, 3, 4)}) == 3


def test_both_forms_of_one_stream_and_the_cached_group_in_either(rig: Rig) -> None:
    ball = rig.engine.open_stream("ball")
    _, camera = rig.source(ball)
    browser = Peer(rig)
    browser.watch(ball)
    camera.picture(key=True, size=LARGE)
    camera.picture(size=3000)
    fragments = browser.receive(1 + -(-LARGE // 1136))
    assert {p.payload[0] & 0x1F for p in fragments} <= {7, 8, 24, 28}
    # Who comes later begins with the group that is there, in its own form.
    first, second = Phone(rig, ball), Phone(rig, ball)
    left = first.watch(mode_0())
    assert [p.payload for p in first.packets(4)] == camera.sent
    second.watch(mode_0())
    assert [p.payload for p in second.packets(4)] == camera.sent
    rig.engine.unsubscribe(left)
    camera.picture(size=2000)
    assert second.packets(1)[0].payload == camera.sent[-1]
    # Mode 1 is better where the peer takes both: no IP fragments.
    both = Phone(rig, ball)
    both.watch([*mode_0(), H264])
    assert {p.pt for p in both.packets(2)} == {102}


def test_plain_rtp_takes_mode_0_as_well(rig: Rig) -> None:
    ball = rig.engine.open_stream("ball")
    _, camera = rig.source(ball)
    here, out = udp(), udp()
    sub = rig.engine.subscribe_rtp(
        ball, out.detach(), *here.getsockname(), video=mode_0(), audio=[], video_ssrc=5, audio_ssrc=0, cname="plain"
    )
    camera.picture(key=True, size=LARGE)
    assert [Packet.parse(here.recv(65_536)).payload for _ in range(3)] == camera.sent
    refused = rig.engine.subscribe_rtp(
        ball,
        udp().detach(),
        *here.getsockname(),
        video=mode_0("packetization-mode=2"),
        audio=[],
        video_ssrc=5,
        audio_ssrc=0,
        cname="interleaved",
    )
    event = rig.wait(codecs.SubscriptionEvent, lambda e: e.state == "refused")
    assert (event.subscription, event.code) == (refused, "codec-unsupported") and sub != refused


def test_a_slice_that_no_datagram_holds_is_told_and_the_next_picture_that_fits_is_shown(rig: Rig) -> None:
    ball = rig.engine.open_stream("ball")
    _, camera = rig.source(ball)
    phone = Phone(rig, ball)
    sub = phone.watch(mode_0())
    camera.picture(key=True)
    phone.packets(3)
    camera.picture(key=True, size=70_000)
    event = rig.wait(codecs.SubscriptionEvent, lambda e: e.subscription == sub and e.state == "refused")
    assert event.code == "codec-unsupported" and "packetization-mode 0" in event.detail
    camera.picture()  # refers to what the phone has not got
    camera.picture(key=True)
    assert [p.payload for p in phone.packets(3)] == camera.sent[-3:]
    rig.wait(codecs.SubscriptionEvent, lambda e: e.subscription == sub and e.state == "recovered")


@pytest.mark.parametrize("profile", ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"])
def test_large_packets_are_taken_in_too_and_sealed(rig: Rig, profile: codecs.SrtpProfile) -> None:
    """From one session of ours to another: what kit sends kit."""
    ball = rig.engine.open_stream("ball")
    _, camera = rig.source(ball)
    (name, *keys), a, b = fresh_keys(profile), udp(), udp()
    a_at, b_at = a.getsockname(), b.getsockname()
    sender = rig.engine.open_rtp_session(a.detach(), stream=ball)
    receiver = rig.engine.open_rtp_session(b.detach(), stream=ball)
    tx_key, tx_salt, rx_key, rx_salt = keys
    rig.engine.arm_rtp_session(sender, *b_at, keys=(name, tx_key, tx_salt, rx_key, rx_salt))
    rig.engine.arm_rtp_session(receiver, *a_at, keys=(name, rx_key, rx_salt, tx_key, tx_salt))
    centre = rig.engine.open_stream("centre", near=receiver)
    rig.engine.open_session_in(centre, receiver, video=mode_0())
    phone = Phone(rig, centre)
    phone.watch(mode_0())
    watch(rig, ball, sender, mode_0())
    camera.picture(key=True, size=LARGE)
    camera.picture(size=20_000)
    assert [p.payload for p in phone.packets(4)] == camera.sent


class BareSource(Source):
    """Parameter sets stand in its SDP only."""

    def packets(self, *, key: bool, size: int = 600) -> list[bytes]:
        return super().packets(key=key, size=size)[2 * key :]


def test_parameter_sets_of_the_sdp_stand_before_the_first_key_frame(rig: Rig) -> None:
    sprop = ",".join(base64.b64encode(one).decode() for one in (SPS, PPS))
    ball = rig.engine.open_stream("x")
    phone = Phone(rig, ball)
    rig.engine.open_session_in(
        ball, phone.session, video=[codecs.RtpMap(96, "H264", 90_000, fmtp=f"{MODE_0};sprop-parameter-sets={sprop}")]
    )
    screen = Phone(rig, ball)
    screen.watch(mode_0())
    camera = BareSource(phone.to)
    camera.socket = phone.socket
    camera.picture(key=True, size=LARGE)
    assert [p.payload for p in screen.packets(3)] == camera.sent
    track = rig.wait(codecs.TrackEvent)
    assert (track.width, track.height) == (1280, 720)


def test_h265_parameter_sets_of_the_sdp_are_used(rig: Rig) -> None:
    # x265, 320x240: VPS, SPS and PPS, which the key frame's packets do not repeat.
    vps = bytes.fromhex("40010c01ffff01600000030090000003000003003c928090")
    sps = bytes.fromhex("42010101600000030090000003000003003ca00a080f16592a4932bc05a02000000300200000030321")
    pps = bytes.fromhex("4401c172b46240")
    names = {"sprop-vps": vps, "sprop-sps": sps, "sprop-pps": pps}
    fmtp = ";".join(f"{name}={base64.b64encode(value).decode()}" for name, value in names.items())
    ball = rig.engine.open_stream("x")
    phone = Phone(rig, ball)
    rig.engine.open_session_in(ball, phone.session, video=[codecs.RtpMap(98, "H265", 90_000, fmtp=fmtp)])
    screen = Phone(rig, ball)
    screen.watch([codecs.RtpMap(98, "H265", 90_000)])
    idr = bytes.fromhex("2801af1d") + bytes(range(1, 200))
    for i in range(5):
        phone.socket.sendto(struct.pack("!BBHII", 0x80, 98 | 0x80, 7 + i, 3000 * i, 77) + idr, phone.to)
    (packet,) = screen.packets(1)
    for nalu in (vps, sps, pps, idr):
        assert nalu in packet.payload
